// A session in a real browser: what the rest of the machine gets to see of it, and where it goes on.

import { test, before, after, afterEach } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { mocked, shown, startWorld, until } from "./world.mjs";

const real = { skip: mocked };
let world;

before(async () => (world = await startWorld()));
after(() => world.close());
afterEach(() => world.closePages());

/** What an agent of the same machine may do: serve a page on another port, and keep what a browser sends there. */
async function neighbour() {
  const cookies = [];
  const server = createServer((request, response) => {
    cookies.push(request.headers.cookie ?? "");
    response.writeHead(200, { "Content-Type": "text/html" }).end("<h1>report of your agent</h1>");
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}/`, cookies, close: () => server.close() };
}

test("a page on another port gets the cookie, and nothing with it", real, async () => {
  const other = await neighbour();
  const page = await world.open("/approvals", { ownSession: true });
  await page.getByText("live", { exact: true }).waitFor();
  const tab = await page.context().newPage();
  await tab.goto(other.url);
  const cookie = await until(() => other.cookies.find((sent) => sent.includes("hitl-")), "the cookie");
  assert.equal(await tab.evaluate(() => localStorage.getItem("hitl.session")), null);
  const half = (await shown(page))["X-HITL-CSRF"];
  for (const path of [
    "session",
    "sessions",
    "approvals",
    "events",
    "users",
    "agents",
    "audit",
    "activity",
    "servers",
  ]) {
    const answer = await fetch(`${world.url}/api/v1/${path}`, { headers: { Cookie: cookie } });
    assert.equal(answer.status, 401, path);
    assert.ok(!(await answer.text()).includes(half), path);
  }
  const approve = await fetch(`${world.url}/api/v1/approvals/x/approve`, {
    method: "POST",
    headers: { Cookie: cookie, "Content-Type": "application/json" },
    body: "{}",
  });
  assert.equal(approve.status, 403);
  assert.equal((await page.request.get("/api/v1/session", { headers: await shown(page) })).status(), 200);
  other.close();
});

test("a link signs in, and a reload and a second tab stay signed in", real, async () => {
  const page = await world.open(await world.hub.link(), { signedIn: false });
  await page.getByText("live", { exact: true }).waitFor();
  assert.ok(!page.url().includes("#"));
  await page.reload();
  await page.getByText("live", { exact: true }).waitFor();
  const tab = await page.context().newPage();
  await tab.goto(`${world.url}/servers`);
  await tab.locator("h1").waitFor();
  assert.equal(new URL(tab.url()).pathname, "/servers");
  await tab.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to decide" }).waitFor();
});

test("one sees where one is signed in, and signs out there", real, async () => {
  const there = await world.open("/approvals", { user: "grace", ownSession: true });
  const here = await world.open("/approvals", { user: "grace", ownSession: true });
  await there.getByText("live", { exact: true }).waitFor();
  await here.getByRole("button", { name: "Settings" }).click();
  const list = here.getByRole("list", { name: "Your sessions" });
  await list.getByText("this browser").waitFor();
  await list.getByRole("button", { name: "Sign out there" }).first().click();
  await there.getByRole("heading", { name: "Sign in to decide" }).waitFor();
  await here.getByText("live", { exact: true }).waitFor();
});
