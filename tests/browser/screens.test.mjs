// Every screen: what it does, and that anybody can use it: both themes, phones, big type, screen readers.

import { test, before, after, afterEach } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mocked, shown, startWorld, stopTime, until } from "./world.mjs";
import * as fixtures from "./fixtures.mjs";
import { complaints } from "./axe.mjs";

const { hostile } = fixtures;

let world;
let shim;
before(async () => {
  world = await startWorld();
  shim = await world.shim("github");
});
after(() => world?.close());
afterEach(() => world.closePages());

/** Waits for what a screen loads. */
const ready = async (page) => {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector(".loading"));
};

test("a link to an approval survives the sign-in, and shows the final state when it is decided", async () => {
  const page = await world.open("/approvals");
  const call = shim.call("delete_repo", '{"repo":"deep-link"}');
  const card = page.locator("article.card", { hasText: "deep-link" });
  await card.waitFor();
  const id = await card.getAttribute("data-id");
  if (mocked) world.hub.mock.state.signedIn = false;
  const other = await world.open(`/approvals/${id}`, { signedIn: false });
  await other.getByLabel("Name").fill("grace");
  await other.getByLabel("Password").fill("wrong");
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.getByRole("alert").getByText("the name or the password is wrong").waitFor();
  await other.getByLabel("Password").fill(world.hub.password);
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.getByRole("heading", { name: /delete_repo/ }).waitFor();
  assert.equal(new URL(other.url()).pathname, `/approvals/${id}`);
  call.cancel();
  await other.locator(".badge", { hasText: "Cancelled" }).waitFor();
  await other.getByRole("heading", { name: "Timeline" }).waitFor();
});

test("a one-time link signs in once, and its code leaves the address at once", async () => {
  const link = await world.hub.link();
  const path = link.slice(world.url.length);
  if (mocked) world.hub.mock.state.signedIn = false;
  const page = await world.open(path, { signedIn: false });
  await page.getByRole("heading", { name: "Approvals" }).waitFor();
  assert.equal(page.url(), `${world.url}/approvals`);
  if (mocked) return;
  const again = await world.open(path, { signedIn: false });
  await again.getByRole("alert").getByText("this link was used already").waitFor();
  assert.equal(new URL(again.url()).hash, "");
});

test(
  "an administrator makes another sign-in link for a user who came too late for the first",
  { skip: mocked },
  async () => {
    const page = await world.open("/users");
    await page.getByRole("button", { name: "New link for kim to sign in" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("It signs kim in, once").waitFor();
    const link = await dialog.getByText(/\/signin#/).innerText();
    const there = await world.open(link, { signedIn: false });
    await there.locator(".side").getByText("kim").waitFor();
  },
);

test("signing out ends the session on the hub", async () => {
  const page = await world.open("/approvals", { ownSession: true });
  const headers = await shown(page);
  const session = async () => (await page.request.get(`${world.url}/api/v1/session`, { headers })).status();
  assert.equal(await session(), 200);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to decide" }).waitFor();
  assert.equal(await session(), 401);
  if (mocked) world.hub.mock.state.signedIn = true;
});

test(
  "a page whose session is ended elsewhere hears nothing more and shows the sign-in by itself",
  { skip: mocked },
  async () => {
    const page = await world.open("/approvals", { user: "grace", ownSession: true });
    await page.getByText("live", { exact: true }).waitFor();
    const out = await page.request.delete("/api/v1/session", {
      data: {},
      headers: { ...(await shown(page)), Origin: world.url },
    });
    assert.equal(out.status(), 204);
    await page.getByRole("heading", { name: "Sign in to decide" }).waitFor();
  },
);

test("hostile arguments are text, to the last character, and nothing of them runs", async () => {
  const page = await world.open("/approvals");
  const calls = [hostile.markup, hostile.bidi].map((raw) => shim.call("delete_repo", raw));
  const markup = page.locator("article.card", { hasText: "onerror" });
  await markup.waitFor();
  assert.ok(
    (await markup.locator(".json").textContent()).includes('"<img src=x onerror=alert(1)><script>alert(2)</script>"'),
  );
  assert.equal(await page.locator(".card img, .card script, .card iframe").count(), 0);
  const bidi = page.locator("article.card", { hasText: "U+202E" });
  await bidi.getByText("invisible or control characters shown").waitFor();
  assert.doesNotMatch(await bidi.innerText(), /[\u202a-\u202e\u2066-\u2069\u200b\u2060]/u);
  for (const call of calls) call.cancel();
});

test("numbers are shown as they were sent", async () => {
  const page = await world.open("/approvals");
  const call = shim.call("delete_repo", '{"id":9007199254740993,"big":123456789012345678901234567890,"f":1.10}');
  const card = page.locator("article.card", { hasText: "9007199254740993" });
  await card.getByText("123456789012345678901234567890").waitFor();
  await card.getByText("1.10").waitFor();
  call.cancel();
});

test("what is sent besides the arguments is on the card, and its folds must be opened, too", async () => {
  const page = await world.open("/approvals");
  const call = shim.call(
    "delete_repo",
    '{"name":"acme/besides"}',
    `,"task":{"ttl":60000},"inputResponses":{"note":"${"x".repeat(4000)}","force":true}`,
  );
  const card = page.locator("article.card", { hasText: "acme/besides" });
  const besides = card.getByRole("group", { name: "Also sent with the call" });
  await besides.getByText('"force"').waitFor();
  await card.getByText("Open the 1 folded part of the arguments to approve.").waitFor();
  await page.clock.fastForward(2000);
  assert.equal(await card.locator(".approve").isDisabled(), true);
  await besides.getByRole("button", { name: /more characters/ }).click();
  await card.locator(".approve:enabled").waitFor();
  assert.equal(await card.getByRole("group", { name: "Arguments" }).count(), 1);
  call.cancel();
});

test("what is folded says how much it is, and must be opened before it can be approved", async () => {
  const page = await world.open("/approvals");
  const call = shim.call("delete_repo", hostile.huge());
  const card = page.locator("article.card", { hasText: "rm -rf" });
  await card.getByText("2,095,354 more characters: show").waitFor();
  await card.getByText("Open the 1 folded part of the arguments to approve.").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("a");
  await page.locator(".toast", { hasText: "Open the 1 folded part" }).waitFor();
  await page.clock.fastForward(2000);
  assert.equal(await card.locator(".approve").isDisabled(), true);
  await card.getByRole("button", { name: /more characters/ }).click();
  await card.locator(".approve:enabled").waitFor();
  assert.ok((await card.locator(".json").textContent()).includes("x".repeat(2 << 20)));
  call.cancel();
});

test("words are found in the arguments, counted, gone through, and also behind a fold", async () => {
  const lines = Array.from({ length: 200 }, (_, n) => (n % 50 === 7 ? `ALTER ROLE deploy_${n}` : `select ${n}`));
  const call = shim.call("delete_repo", JSON.stringify({ sql: lines.join("\n"), role: "Alter ego" }));
  const page = await world.open();
  await page.keyboard.press("j");
  const card = page.locator("article.card");
  await card.waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("f");
  await page.getByLabel("Find in the arguments").fill("alter");
  const said = card.locator(".find [role=status]");
  const marked = (name) => page.evaluate((one) => [...CSS.highlights.get(one)].map(String), name);
  await said.getByText("1 of 2 and 3 in folded parts").waitFor();
  assert.deepEqual(await marked("found"), ["ALTER", "Alter"]);
  assert.deepEqual(await complaints(page), []);
  await page.keyboard.press("Enter");
  await said.getByText("2 of 2 and 3").waitFor();
  await page.keyboard.press("Enter");
  await said.getByText("3 of 5", { exact: true }).waitFor();
  assert.deepEqual(await marked("found-now"), ["ALTER"]);
  await page.keyboard.press("Shift+Enter");
  await said.getByText("2 of 5").waitFor();
  await page.getByLabel("Find in the arguments").fill("role deploy_7");
  await said.getByText("1 of 1", { exact: true }).waitFor();
  await page.getByLabel("Find in the arguments").fill("nowhere");
  await said.getByText("not found").waitFor();
  await page.keyboard.press("Escape");
  await card.locator(".find").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => CSS.highlights.has("found")), false);
  assert.ok(await card.evaluate((element) => element === document.activeElement), "keys act on the card again");
  call.cancel();
});

test("deep nesting and many lines stay readable", async () => {
  const page = await world.open("/approvals", { viewport: { width: 390, height: 844 } });
  const calls = [hostile.deep(100), hostile.many(400)].map((raw) => shim.call("delete_repo", raw));
  const many = page.locator("article.card", { hasText: "file0.rs" });
  await many.getByRole("button", { name: /more lines/ }).click();
  await many.getByText("src/file399.rs").waitFor();
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
  for (const call of calls) call.cancel();
});

test("a lost line is said with the time of the data, and everything is right again when it is back", async () => {
  const page = await world.open("/approvals");
  const call = shim.call("delete_repo", '{"repo":"while-away"}');
  const card = page.locator("article.card", { hasText: "while-away" });
  await card.waitFor();
  await world.hub.stop();
  await page
    .getByRole("alert")
    .getByText(/What you see is from \d\d:\d\d:\d\d/)
    .waitFor();
  await world.hub.start();
  await page.locator(".banner").waitFor({ state: "detached" });
  await page.locator(".dot-on").waitFor();
  await card.locator(".approve:enabled").waitFor();
  await stopTime(page);
  await card.locator(".approve").click();
  await card.locator(".confirming").waitFor();
  await page.clock.fastForward(300);
  await card.locator(".approve").click();
  await page.clock.resume();
  await card.locator(".settled", { hasText: "Approved by you" }).waitFor();
  assert.match(await call.answer, /^ran/);
});

test("nobody decides in time: the card says that it counts as rejected", { skip: mocked }, async () => {
  const quick = await world.shim("quick");
  const page = await world.open("/servers/quick");
  await page.getByLabel("Time to decide").fill("5");
  await page.getByLabel("Time to decide").blur();
  await until(
    async () =>
      (await (await page.request.get("/api/v1/servers/quick", { headers: await shown(page) })).json()).policy
        .timeout_seconds === 5,
    "the new timeout",
  );
  await page.goto("/approvals");
  await page.locator(".dot-on").waitFor();
  // The page would take the settled card away after a while.
  await page.clock.setFixedTime(Date.now());
  const call = quick.call("delete_repo", '{"repo":"slow"}');
  const card = page.locator("article.card", { hasText: '"slow"' });
  await card.locator(".settled", { hasText: "Timed out" }).waitFor();
  assert.match(await call.answer, /not executed/i);
});

let bypassed = 0;
test("a tool's switch, the server's policy and the bypass list decide what waits", async () => {
  const page = await world.open("/servers/github");
  await page.getByRole("switch", { name: "Require approval for create_issue" }).click();
  await page.getByText("approval is switched on for this tool").first().waitFor();
  await page
    .getByRole("link", { name: /Approvals/ })
    .first()
    .click();
  const card = page.locator("article.card", { hasText: "switched on" });
  // The new policy reaches the shim a moment after the hub took it.
  const call = await until(async () => {
    const next = shim.call("create_issue", '{"title":"switched on"}');
    const held = await Promise.race([next.answer.then(() => false), card.waitFor().then(() => true)]);
    return held && next;
  }, "a held call");
  call.cancel();
  await page.goto("/servers/github");
  await page.getByRole("switch", { name: "Require approval for all tools" }).click();
  await page.getByText("this server requires approval for all tools").first().waitFor();
  await page.getByRole("switch", { name: "Require approval for all tools" }).click();
  await page.getByLabel("Trust level of create_issue").selectOption("high");
  await page.locator(".tool-row", { hasText: "create_issue" }).getByText("set by an admin").waitFor();
  await page.getByLabel("Agent to let through").selectOption({ index: 1 });
  await page.getByRole("button", { name: "Let through" }).click();
  await page
    .getByRole("button", { name: /from the bypass list/ })
    .last()
    .waitFor();
  if (!mocked)
    await until(async () => {
      const mark = `bypassed-${++bypassed}`;
      const call = shim.call("delete_repo", `{"repo":"${mark}"}`);
      let answer = "";
      call.answer.then((text) => (answer = text));
      await until(
        async () =>
          answer ||
          JSON.stringify(
            await (
              await page.request.get("/api/v1/approvals?status=pending&limit=50", { headers: await shown(page) })
            ).json(),
          ).includes(mark),
        "a fate",
      );
      if (!answer) call.cancel();
      return answer.startsWith("ran");
    }, "a call that passes");
  const saved = page.waitForResponse((response) => response.request().method() === "PUT");
  await page
    .getByRole("button", { name: /from the bypass list/ })
    .last()
    .click();
  await saved;
});

test("a new agent's token is shown once, and revoking asks first", async () => {
  const page = await world.open("/agents");
  await page.getByRole("button", { name: "New agent" }).click();
  await page.getByLabel("Name").fill("Nightly build");
  await page.getByRole("button", { name: "Create" }).click();
  const token = await page.locator("dialog code", { hasText: /^hitl_a_/ }).innerText();
  await page.getByRole("button", { name: "I have stored it" }).click();
  await page.getByText("Nightly build").waitFor();
  assert.ok(!(await page.content()).includes(token));
  await page.getByRole("button", { name: "Revoke Nightly build" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.locator("td", { hasText: "Nightly build" }).waitFor({ state: "detached" });
});

test("the history is searched, filtered and exported", async () => {
  const page = await world.open("/approvals");
  const call = shim.call("delete_repo", '{"repo":"=for-the-archive"}');
  const card = page.locator("article.card", { hasText: "for-the-archive" });
  await card.locator(".reject-open").click();
  await card.getByLabel("Own words").fill("=HYPERLINK(1)");
  await card.getByRole("button", { name: "Reject", exact: true }).click();
  await call.answer;
  await page.goto("/history");
  await page.getByLabel(/^Search/).fill("for-the-archive");
  await page.keyboard.press("Enter");
  await until(async () => (await page.locator("tbody tr").count()) === 1, "the one row that matches");
  await page.locator("tbody tr").getByText("=HYPERLINK(1)").waitFor();
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "CSV" }).click();
  const text = readFileSync(await (await saved).path(), "utf8");
  assert.ok(text.includes(",'=HYPERLINK(1),"));
  await page.getByLabel("Outcome").selectOption("approved");
  await page.getByText("Nothing matches").waitFor();
  assert.match(page.url(), /status=approved/);
});

test("what is typed into the search the moment it appears stays", async () => {
  const page = await world.open("/approvals");
  await page.addInitScript(() => {
    new MutationObserver((_, observer) => {
      const field = document.getElementById("filter");
      if (!(field instanceof HTMLInputElement)) return;
      observer.disconnect();
      field.value = "quick";
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }).observe(document, { subtree: true, childList: true });
  });
  await page.goto("/history");
  await ready(page);
  assert.equal(await page.getByLabel(/^Search/).inputValue(), "quick");
});

test("what is half typed into the search stays when the list is drawn again", async () => {
  const page = await world.open("/history");
  await ready(page);
  await page.getByLabel(/^Search/).pressSequentially("half");
  const listed = page.waitForResponse(/\/api\/v1\/approvals\?/);
  const call = shim.call("delete_repo", '{"repo":"while-typing"}');
  await until(
    async () =>
      (await page.request.get("/api/v1/approvals?status=pending", { headers: await shown(page) }))
        .text()
        .then((text) => text.includes("while-typing")),
    "the held call",
  );
  call.cancel();
  await listed;
  await page.getByText("while-typing").or(page.locator("tbody tr").first()).first().waitFor();
  assert.equal(await page.getByLabel(/^Search/).inputValue(), "half");
});

const screens = {
  approvals: "/approvals",
  history: "/history",
  servers: "/servers",
  server: "/servers/github",
  agents: "/agents",
  users: "/users",
  enrol: "/enrol",
  notifications: "/notifications",
  activity: "/activity",
};

/** States of the administration that take long to reach, each with its name: the hub's answers are made up, the page is not. */
async function* administration(page) {
  const path = "/api/v1/servers/github";
  const server = await (await page.request.get(path, { headers: await shown(page) })).json();
  server.tools[0].drift = fixtures.drift();
  server.policy.rules = fixtures.rules;
  const answers = {
    [path]: server,
    [`${path}/coverage?*`]: fixtures.coverage(server),
    "/api/v1/notifications": { items: fixtures.channels(), revision: "1" },
    "/api/v1/notifications/browsers": { items: fixtures.browsers(), key: fixtures.pushKey },
    "/api/v1/users": { items: fixtures.users(), next_cursor: null },
    "/api/v1/enrolments/*": fixtures.enrolment(),
  };
  for (const [address, json] of Object.entries(answers))
    await page.route(`**${address}`, (route) => route.fulfill({ json }));
  await page.goto("/servers/github");
  await page.locator("#cov-agent").selectOption({ index: 1 });
  await page.locator(".coverage").waitFor();
  await page.getByLabel("Argument rules as JSON").fill("[{]");
  await page.getByRole("button", { name: "Save the rules" }).click();
  await page.locator("#rules-fault").waitFor();
  yield "a server with coverage and a fault in its rules";
  await page.locator(".badge.drift").click();
  await page.getByRole("dialog").waitFor();
  yield "a changed tool";
  await page.goto("/notifications");
  await page.getByText("failing").nth(1).waitFor();
  yield "channels and browsers";
  await page.getByRole("button", { name: /^Edit/ }).first().click();
  await page.getByRole("dialog").waitFor();
  yield "a channel's form";
  await page.goto("/users");
  await page.getByRole("button", { name: "Change the trust limits of ada" }).click();
  await page.getByRole("dialog").waitFor();
  yield "ceilings";
  await page.goto("/enrol#BCDF-GHJK");
  await page.getByLabel("Servers").selectOption("some");
  yield "a machine that shows a code";
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing on any screen, ${colorScheme}`, async () => {
    const page = await world.open("/approvals", { colorScheme });
    const first = shim.call("delete_repo", hostile.bidi);
    await page.locator("article.card").first().waitFor();
    for (const path of Object.values(screens)) {
      await page.goto(path);
      await ready(page);
      assert.deepEqual(await complaints(page), [], path);
    }
    for await (const what of administration(page)) assert.deepEqual(await complaints(page), [], what);
    // All this may take a loaded machine longer than a call waits.
    first.cancel();
    await until(async () => {
      const listed = await page.request.get("/api/v1/approvals?status=pending", { headers: await shown(page) });
      return listed.ok() && !(await listed.json()).items.length;
    }, "the end of the first call");
    const call = shim.call("delete_repo", hostile.bidi);
    await page.goto("/approvals");
    const card = page.locator("article.card").first();
    await card.locator(".approve:enabled").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("x");
    await page.keyboard.press("r");
    assert.deepEqual(await complaints(page), [], "reject panel and batch bar");
    await page.keyboard.press("Escape");
    await page.keyboard.press("a");
    await page.locator(".confirming").waitFor();
    assert.deepEqual(await complaints(page), [], "second press");
    await page.keyboard.press("?");
    assert.deepEqual(await complaints(page), [], "keys");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Settings" }).click();
    assert.deepEqual(await complaints(page), [], "settings");
    await page.goto(`/approvals/${await page.locator("article.card").first().getAttribute("data-id")}`);
    await ready(page);
    assert.deepEqual(await complaints(page), [], "one approval");
    call.cancel();
    await page.locator(".settled").waitFor();
    assert.deepEqual(await complaints(page), [], "settled");
    if (mocked) world.hub.mock.state.signedIn = false;
    const out = await world.open("/approvals", { colorScheme, signedIn: false });
    await ready(out);
    assert.deepEqual(await complaints(out), [], "sign-in");
    if (mocked) world.hub.mock.state.signedIn = true;
  });
}

for (const [name, viewport] of Object.entries({
  "a phone": { width: 360, height: 740 },
  "200 % zoom of a laptop": { width: 640, height: 400 },
  "400 % zoom": { width: 320, height: 256 },
})) {
  test(`nothing is cut off on ${name}, and the buttons can be reached`, async () => {
    const page = await world.open("/approvals", { viewport });
    const call = shim.call("delete_repo", `{"repo":"narrow-${viewport.width}"}`);
    const card = page.locator("article.card", { hasText: `narrow-${viewport.width}` });
    await card.locator(".approve:enabled").waitFor();
    const { height, width } = await card.locator(".approve").boundingBox();
    assert.ok(height >= 44 && width >= 44, `${width} by ${height}`);
    for (const path of Object.values(screens)) {
      await page.goto(path);
      await ready(page);
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width, path);
    }
    for await (const what of administration(page)) {
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width, what);
      if (viewport.width === 360) assert.deepEqual(await complaints(page), [], what);
    }
    call.cancel();
  });
}

test("a background tab notifies the desktop, without any argument", async () => {
  const page = await world.open("/servers");
  await page.addInitScript(() => {
    window.notes = [];
    window.Notification = class {
      static permission = "granted";
      constructor(title, options) {
        window.notes.push({ title, ...options });
      }
    };
    Object.defineProperty(document, "hidden", { get: () => true });
  });
  await page.goto("/approvals");
  await ready(page);
  await page.locator(".dot-on").first().waitFor();
  const call = shim.call("delete_repo", '{"repo":"top-secret"}');
  const notes = await until(() => page.evaluate(() => window.notes.length && window.notes), "a notification");
  assert.match(notes[0].title, /delete_repo on github/);
  assert.match(notes[0].body, /laptop/);
  assert.doesNotMatch(JSON.stringify(notes), /top-secret/);
  call.cancel();
});

test("forty cards: a decision shows with the hub's answer, and hardly another card is drawn for it", async () => {
  const page = await world.open("/approvals");
  const agents = await Promise.all(["one", "two", "three", "four"].map(world.shim));
  const call = (i) => agents[i % 4].call("delete_repo", `{"number":"n${i}"}`);
  // The first one by itself: many that come at once would be a list.
  call(0);
  await page.locator("article.card").waitFor();
  for (let i = 1; i < 40; i++) call(i);
  await until(async () => (await page.locator("article.card .approve:enabled").count()) === 40, "forty cards");
  await page.evaluate(() => {
    const answered = window.fetch;
    window.fetch = async (...what) => {
      const path = String(what[0]);
      if (!path.endsWith("/seen")) window.asked?.push(path);
      const answer = await answered(...what);
      if (path.endsWith("/reject")) Object.assign(window, { asked: [], drawn: new Set() });
      return answer;
    };
    // What only tells the time is drawn with every second.
    const cardOf = (element) =>
      element?.closest(".countdown, .age") ? null : element?.closest("article.card")?.dataset.id;
    const see = ({ target }) => window.drawn?.add(cardOf(target instanceof Element ? target : target.parentElement));
    new MutationObserver((changes) => changes.forEach(see)).observe(document.body, {
      subtree: true,
      childList: true,
      attributes: true,
      characterData: true,
    });
  });
  for (const place of [0, 5, 10]) {
    const card = page.locator("article.card").nth(place);
    await card.locator(".reject-open").click();
    await card.getByRole("button", { name: "Wrong environment" }).click();
    await card.locator(".settled").waitFor();
    const { asked, drawn } = await page.evaluate(() => ({
      asked: window.asked,
      drawn: [...window.drawn].filter(Boolean),
    }));
    assert.deepEqual(asked, [], "the answer says all that is shown");
    // Itself, and the one that has the focus next.
    assert.ok(drawn.length <= 2, `${drawn.length} of forty cards are drawn: ${drawn}`);
  }
});

test("nothing on these pages broke the content security policy or threw", () => {
  assert.deepEqual(world.violations, []);
});
