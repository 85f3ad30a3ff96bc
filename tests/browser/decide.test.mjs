// A person decides on the page, and the client behind the shim gets what was decided.

import { test, before, after, beforeEach, afterEach } from "node:test";
import assert from "node:assert/strict";
import { complaints } from "./axe.mjs";
import { startWorld, stopTime, until, mocked } from "./world.mjs";

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

let calls = 0;
/** A gated call with arguments that no other has, and its card on the page. */
function hold(page, tool = "delete_repo") {
  const mark = `repo-${++calls}`;
  const call = shim.call(tool, `{"repo":"${mark}"}`);
  return { ...call, mark, card: page.locator("article.card", { hasText: `"${mark}"` }) };
}
const armed = (card) => card.locator(".approve:enabled").waitFor();
/** Settled cards stay for as long as the pointer rests on one; otherwise the page takes them away after a while. */
const settled = async (card, words) => {
  await card.hover();
  await card.locator(".settled", { hasText: words }).waitFor();
};
/** High trust takes two presses that are not one double click. */
async function approve(page, card) {
  await armed(card);
  await stopTime(page);
  await card.locator(".approve").click();
  await card.locator(".confirming").waitFor();
  await page.clock.fastForward(300);
  await card.locator(".approve").click();
  await page.clock.resume();
}

test("whom a machine claims to work for is told apart from whom an admin named", { skip: mocked }, async () => {
  const env = { USER: "ceo" };
  const claiming = await world.shim("github", { user: null, env });
  const known = await world.shim("github", { user: "ada", env });
  claiming.call("delete_repo", '{"repo":"claimed"}');
  known.call("delete_repo", '{"repo":"known"}');
  const page = await world.open();
  const who = (mark) => page.locator("article.card", { hasText: mark }).locator(".who");
  await who('"claimed"').getByText("ceo").waitFor();
  assert.match(await who('"claimed"').innerText(), /for\s+ceo\s+claimed/);
  assert.match(await who('"known"').innerText(), /for\s+ada/);
  assert.doesNotMatch(await who('"known"').innerText(), /ceo|claimed/);
  claiming.close();
  known.close();
});

test("approved with the mouse, the call runs, and only after the hub's answer does the page say so", async () => {
  const page = await world.open();
  const { card, answer } = hold(page);
  await armed(card);
  let letGo = () => {};
  const gate = new Promise((done) => (letGo = done));
  await page.route("**/approve", async (route) => {
    await gate;
    await route.continue();
  });
  await approve(page, card);
  await card.getByText("Approving…").waitFor();
  assert.equal(await card.locator(".settled").count(), 0);
  letGo();
  await settled(card, "Approved by you");
  assert.match(await answer, /^ran \d+ delete_repo$/);
});

test("rejected with a preset, the client is told the reason", async () => {
  const page = await world.open();
  const { card, answer } = hold(page);
  await card.locator(".reject-open").click();
  await card.getByRole("button", { name: "Wrong environment" }).click();
  await settled(card, "Wrong environment");
  assert.match(await answer, /rejected by admin: 'Wrong environment'/);
});

test("with keys alone: J, R, own words, Enter", async () => {
  const page = await world.open();
  const { card, answer } = hold(page);
  await card.hover();
  await page.keyboard.press("j");
  await page.keyboard.press("r");
  await page.keyboard.type("not on a Friday");
  await page.keyboard.press("Enter");
  await settled(card, "not on a Friday");
  assert.match(await answer, /not on a Friday/);
});

test("with keys alone: A asks for a second press when trust is high, and a key held down is no second press", async () => {
  const page = await world.open();
  const { card, answer } = hold(page);
  await armed(card);
  await card.hover();
  await page.keyboard.press("j");
  await stopTime(page);
  await page.keyboard.down("a");
  await page.keyboard.down("a");
  await card.locator(".confirming").waitFor();
  await page.clock.fastForward(300);
  await page.keyboard.down("a");
  await page.keyboard.up("a");
  assert.equal(await card.locator(".confirming").count(), 1);
  await page.keyboard.press("a");
  await page.clock.resume();
  await settled(card, "Approved by you");
  assert.match(await answer, /^ran/);
});

test("keys do nothing in fields, with modifiers, or when they are switched off", async () => {
  const page = await world.open();
  const { card, answer } = hold(page);
  await armed(card);
  await page.keyboard.press("j");
  await page.keyboard.press("/");
  await page.keyboard.type("ra");
  assert.equal(await page.locator("#filter").inputValue(), "ra");
  await page.locator("#filter").fill("");
  await card.locator("h2").click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("?");
  await page.getByRole("dialog").getByRole("switch", { name: "Single keys" }).click();
  await page.keyboard.press("Escape");
  await card.locator("h2").click();
  await page.keyboard.press("a");
  await page.keyboard.press("r");
  await page.keyboard.press("x");
  assert.equal(await page.locator(".confirming, .reject, .card.selected").count(), 0);
  await page.reload();
  await armed(card);
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.locator(".card.focused").count(), 1);
  await page.keyboard.press("a");
  assert.equal(await page.locator(".confirming").count(), 0);
  await card.locator(".reject-open").click();
  await card.getByRole("button", { name: "Reject", exact: true }).click();
  assert.match(await answer, /rejected/);
});

test("G and then another letter goes from screen to screen", async () => {
  const page = await world.open("/servers");
  // The line is opened when the page listens to keys.
  await page.locator(".person .dot-on").waitFor();
  // However long the second letter takes, here it comes in time.
  await page.clock.setFixedTime(Date.now());
  for (const [key, path] of Object.entries({ n: "/notifications", h: "/history", s: "/servers", p: "/approvals" })) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.waitForURL(`**${path}`);
  }
});

test("a card cannot be approved in its first half second", async () => {
  const page = await world.open();
  // Looked at by the page itself, at the moment the card is there: a busy machine would look too late from outside.
  await page.evaluate(() => {
    globalThis.firstSight = new Promise((done) => {
      const look = (_, observer) => {
        const button = document.querySelector(".card .approve");
        if (!button) return;
        observer.disconnect();
        done(button.disabled);
      };
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    });
  });
  const { card, answer } = hold(page);
  await armed(card);
  assert.equal(await page.evaluate(() => globalThis.firstSight), true);
  await card.locator(".reject-open").click();
  await card.getByRole("button", { name: "Unauthorized scope" }).click();
  await answer;
});

test("cards that arrive never move the focused one, and keys stay with it", async () => {
  const page = await world.open();
  const first = hold(page);
  await armed(first.card);
  await page.keyboard.press("j");
  const place = await first.card.boundingBox();
  const others = [hold(page), hold(page), hold(page)];
  for (const other of others) await other.card.waitFor();
  assert.deepEqual(await first.card.boundingBox(), place);
  assert.ok(await first.card.evaluate((card) => card.classList.contains("focused")));
  await page.keyboard.press("Shift+X");
  await page.getByRole("button", { name: "Reject 4" }).click();
  await page.locator(".batch").getByRole("button", { name: "Suspicious arguments" }).click();
  for (const one of [first, ...others]) assert.match(await one.answer, /Suspicious arguments/);
});

test("a settled card keeps its place while the pointer rests on the list", async () => {
  const page = await world.open();
  const [first, second] = [hold(page), hold(page)];
  await armed(first.card);
  await armed(second.card);
  await second.card.hover();
  const place = await second.card.boundingBox();
  first.cancel();
  await settled(first.card, "Cancelled");
  await page.clock.fastForward(3500);
  assert.deepEqual(await second.card.boundingBox(), place);
  await page.mouse.move(5, 5);
  await first.card.waitFor({ state: "detached" });
  second.cancel();
});

test("two approvers at once: the slower one is shown who was faster", async () => {
  const [lin, grace] = [await world.open(), await world.open("/approvals", { user: "grace" })];
  const call = hold(lin);
  const there = grace.locator("article.card", { hasText: call.mark });
  await armed(call.card);
  await grace.route("**/reject", async (route) => {
    await approve(lin, call.card);
    await settled(call.card, "Approved by you");
    await route.continue();
  });
  await there.locator(".reject-open").click();
  await there.getByRole("button", { name: "Reject", exact: true }).click();
  await settled(there, "lin approved this already");
  assert.match(await call.answer, /^ran/);
});

test("a card stays while the answer to its decision is on its way, and then as long as any other", async () => {
  const [lin, grace] = [await world.open(), await world.open("/approvals", { user: "grace" })];
  const call = hold(lin);
  const there = grace.locator("article.card", { hasText: call.mark });
  await armed(call.card);
  await grace.route("**/reject", async (route) => {
    await approve(lin, call.card);
    await settled(there, "Approved by lin");
    await grace.mouse.move(5, 5);
    await grace.clock.fastForward(10_000);
    await there.hover();
    await route.continue();
  });
  await there.locator(".reject-open").click();
  await there.getByRole("button", { name: "Reject", exact: true }).click();
  await settled(there, "lin approved this already");
  await grace.mouse.move(5, 5);
  await grace.clock.fastForward(3500);
  await there.waitFor({ state: "detached" });
  await call.answer;
});

test("a decision anywhere settles every open page", async () => {
  const [lin, grace] = [await world.open(), await world.open("/approvals", { user: "grace" })];
  const call = hold(lin);
  const there = grace.locator("article.card", { hasText: call.mark });
  await there.hover();
  await call.card.locator(".reject-open").click();
  await call.card.getByRole("button", { name: "Wrong environment" }).click();
  await settled(there, "Rejected by lin");
  await call.answer;
});

test("a card says when nobody waits any more, and what an approval of it waits for", { skip: mocked }, async () => {
  const page = await world.open();
  const { card, cancel, mark } = hold(page);
  await armed(card);
  const id = await card.getAttribute("data-id");
  cancel("McpError: MCP error -32001: Request timed out");
  await card.getByText("Nobody waits right now.").waitFor();
  assert.deepEqual(await complaints(page, ".card:has(.handed-off)"), []);
  await approve(page, card);
  await settled(card, "waits for the client to call again");
  const again = shim.call("delete_repo", `{"repo":"${mark}"}`);
  assert.match(await again.answer, /^ran/);
  await page.goto(`/approvals/${id}`);
  for (const step of [
    "stopped waiting and will call again",
    "called again",
    "released the call to the server",
    "reported the outcome: succeeded",
  ])
    await page.locator(".step", { hasText: step }).waitFor();
});

test("a card shows on demand what differs from the last approved call of the tool", async () => {
  const page = await world.open();
  const first = hold(page);
  await approve(page, first.card);
  await first.answer;
  const { card, mark } = hold(page);
  await card.getByRole("button", { name: "Compare with the last approved call" }).click();
  await card.locator(".diff-removed", { hasText: first.mark }).waitFor();
  await card.locator(".diff-added", { hasText: mark }).waitFor();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await complaints(page, ".card:has(.compared)"), [], colorScheme);
  }
});

test("a batch tells about each card, also about the one that was decided elsewhere", async () => {
  const [lin, grace] = [await world.open(), await world.open("/approvals", { user: "grace" })];
  const calls = [hold(lin), hold(lin), hold(lin)];
  for (const { card } of calls) await armed(card);
  await lin.route("**/batch", async (route) => {
    const there = grace.locator("article.card", { hasText: calls[1].mark });
    await there.locator(".reject-open").click();
    await there.getByRole("button", { name: "Wrong environment" }).click();
    await settled(there, "Rejected by you");
    await route.continue();
  });
  for (const { card } of calls) await card.locator(".pick").check();
  await lin.getByRole("button", { name: "Approve 3" }).and(lin.locator(":enabled")).waitFor();
  await stopTime(lin);
  await lin.getByRole("button", { name: "Approve 3" }).click();
  await lin.getByText("Really approve 3? 3 with high risk").waitFor();
  await lin.clock.fastForward(300);
  await lin.getByRole("button", { name: "Really approve 3? 3 with high risk" }).click();
  await lin.clock.resume();
  await calls[0].card.hover();
  await lin.getByText("2 calls approved, 1 not").first().waitFor();
  await settled(calls[0].card, "Approved by you");
  await settled(calls[1].card, /grace/);
  assert.match(await calls[2].answer, /^ran/);
  assert.match(await calls[1].answer, /Wrong environment/);
});

test("taken back by the client, the card says so and cannot be approved", async () => {
  const page = await world.open();
  const call = hold(page);
  await armed(call.card);
  await call.card.hover();
  call.cancel();
  await settled(call.card, "Cancelled");
  assert.equal(await call.card.locator(".approve").count(), 0);
});

test("the countdown follows the hub's clock, and more time can be had", async () => {
  // This machine's clock is two hours slow; the hub's counts.
  const page = await world.open("/approvals", { time: Date.now() - 7_200_000 });
  const call = hold(page);
  await call.card.getByText(/^(Time left )?4:\d\d$/).waitFor();
  // To the page the line was silent for minutes; a new one would tell it what time it really is.
  await page.route("**/events", (route) => route.abort());
  await page.clock.fastForward("04:05");
  await call.card.getByText(/^(Time left )?0:\d\d$/).waitFor();
  await call.card.getByRole("button", { name: "+5 min" }).click();
  await call.card.getByText(/^(Time left )?5:\d\d$/).waitFor();
  call.cancel();
});

test("the count stands in title and icon", async () => {
  const page = await world.open();
  await until(async () => (await page.title()) === "Approvals · hitl", "an empty queue");
  const call = hold(page);
  await until(async () => (await page.title()) === "(1) Approvals · hitl", "the count in the title");
  assert.match(await page.locator("#icon").getAttribute("href"), /icons\/1\.svg$/);
  call.cancel();
  await until(async () => (await page.title()) === "Approvals · hitl", "an empty queue again");
});

test("others see who has a card before them, and no more once they have not", { skip: mocked }, async () => {
  const [lin, grace] = [await world.open(), await world.open("/approvals", { user: "grace" })];
  const { mark, card } = hold(lin);
  const other = grace.locator("article.card", { hasText: mark });
  await Promise.all([card.waitFor(), other.waitFor()]);
  await lin.keyboard.press("j");
  await lin.clock.fastForward(1100);
  await other.getByText("lin is looking at this").waitFor();
  assert.equal(await card.getByText("is looking at this").count(), 0, "nobody is told of themselves");
  assert.deepEqual(await complaints(grace), []);
  await lin.keyboard.press("Escape");
  await lin.clock.fastForward(1100);
  await other.getByText("lin is looking at this").waitFor({ state: "detached" });
  // Who says nothing more does not look any more.
  await lin.keyboard.press("j");
  await lin.clock.fastForward(1100);
  await other.getByText("lin is looking at this").waitFor();
  await lin.goto("about:blank");
  await grace.clock.fastForward(46_000);
  await other.getByText("lin is looking at this").waitFor({ state: "detached" });
});

test("a viewer sees everything and can decide nothing", async () => {
  const page = await world.open("/approvals", { user: "kim" });
  const call = hold(page);
  await call.card.waitFor();
  if (process.env.HITL_BROWSER_MOCK !== "1") {
    await call.card.getByText("lets you look, not decide").waitFor();
    assert.equal(await call.card.locator(".approve").count(), 0);
  }
  call.cancel();
});

test("the hub learns that the card is before a person", async () => {
  const page = await world.open();
  const asked = page.waitForRequest((request) => request.url().endsWith("/seen"));
  const call = hold(page);
  const response = await (await asked).response();
  assert.equal(response.status(), 204);
  call.cancel();
});

test("nothing on these pages broke the content security policy or threw", () => {
  assert.deepEqual(world.violations, []);
});
