// Many tabs of one browser share one line to the hub, and each of them reads and decides.

import { test, before, after, beforeEach, afterEach } from "node:test";
import assert from "node:assert/strict";
import { startWorld, until, mocked } from "./world.mjs";

let world;
let shim;
before(async () => {
  world = await startWorld();
});
beforeEach(async () => {
  shim = await world.shim("github");
});
after(() => world?.close());
afterEach(async () => {
  await world.closePages();
  shim.close();
});
const real = { skip: mocked };

/** So many tabs of one browser, and every request for the stream after that of the first. */
async function tabs(count) {
  const first = await world.open("/approvals");
  await live(first);
  const streams = [];
  first.context().on("request", (request) => request.url().endsWith("/events") && streams.push(request));
  const pages = [first];
  while (pages.length < count) {
    const page = await first.context().newPage();
    await page.goto("/approvals");
    pages.push(page);
    await live(page);
  }
  return { pages, streams };
}
const live = (page) => page.locator(".line-dot", { hasText: /^live$/ }).waitFor();

let calls = 0;
/** A call that waits, and its card on any page. */
function call() {
  const mark = `repo-${++calls}`;
  const { answer } = shim.call("delete_repo", `{"repo":"${mark}"}`);
  return { answer, on: (page) => page.locator("article.card", { hasText: `"${mark}"` }) };
}

test("eight tabs have one stream, show every call, and each of them decides", real, async () => {
  const { pages, streams } = await tabs(8);
  for (const page of pages) {
    const one = call();
    for (const other of pages) await one.on(other).waitFor();
    await one.on(page).locator(".reject-open").click();
    await one.on(page).getByRole("button", { name: "Wrong environment" }).click();
    assert.match(await one.answer, /Wrong environment/);
  }
  assert.equal(streams.length, 0, "the first tab's stream is the only one");
});

test("when the tab with the line closes, another takes it and goes on where it was", real, async () => {
  const { pages, streams } = await tabs(3);
  const [first, ...rest] = pages;
  await call().on(rest[1]).waitFor();
  await first.close();
  const one = call();
  for (const page of rest) await one.on(page).waitFor();
  assert.equal(streams.length, 1);
  assert.match((await streams[0].allHeaders())["last-event-id"], /^\d+$/);
});

test("a tab in sight takes the line from one that the browser has stopped", real, async () => {
  const { pages } = await tabs(2);
  const [stopped, seen] = pages;
  const session = await stopped.context().newCDPSession(stopped);
  await session.send("Debugger.enable");
  await session.send("Debugger.pause");
  const asleep = stopped.evaluate(() => {});
  await seen.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await call().on(seen).waitFor();
  await session.send("Debugger.resume");
  await asleep;
  await call().on(stopped).waitFor();
});

test("signing out in one tab ends them all", real, async () => {
  const first = await world.open("/approvals", { ownSession: true });
  const second = await first.context().newPage();
  await second.goto("/approvals");
  await live(second);
  await second.getByRole("button", { name: "Sign out" }).click();
  await until(() => first.getByRole("heading", { name: "Sign in to decide" }).isVisible(), "the end of the first");
});

test("nothing on these pages broke the content security policy or threw", () => {
  assert.deepEqual(world.violations, []);
});
