// Nothing is approved by accident: not what is out of sight, not by one press too long or too quick.

import { test, before, after, beforeEach, afterEach } from "node:test";
import assert from "node:assert/strict";
import { startWorld } from "./world.mjs";

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
/** The card of a call that waits, with its Approve ready. */
async function card(page) {
  const mark = `repo-${++calls}`;
  shim.call("delete_repo", `{"repo":"${mark}"}`);
  const made = page.locator("article.card", { hasText: `"${mark}"` });
  await made.locator(".approve:enabled").waitFor();
  return Object.assign(made, { mark });
}
/** Settled cards stay for as long as the pointer rests on one. */
const settled = async (card) => {
  await card.hover();
  await card.locator(".settled", { hasText: "Approved by you" }).waitFor();
};
/** What the last press changed is drawn. */
const drawn = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
/** Nothing was decided, and no second press is asked for. */
async function untouched(page, card) {
  await drawn(page);
  assert.equal(await card.locator(".approve:not(.confirming):enabled, .reject").count(), 1);
}

test("A brings a card into sight before it decides anything about it", async () => {
  const page = await world.open("/approvals", { viewport: { width: 1280, height: 500 } });
  const cards = [await card(page), await card(page), await card(page), await card(page)];
  await cards[0].locator("h2").click();
  await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
  // However long this machine takes, to the page the second press comes at once and the third after a while.
  const later = Date.now() + 1000;
  await page.clock.setFixedTime(later);
  await page.keyboard.press("a");
  await untouched(page, cards[0]);
  assert.ok(
    await cards[0].locator(".approve").evaluate((button) => button.getBoundingClientRect().top >= 0),
    "it is in sight now",
  );
  await page.keyboard.press("a");
  await untouched(page, cards[0]);
  await page.clock.setFixedTime(later + 600);
  await page.keyboard.press("a");
  await cards[0].locator(".confirming").waitFor();
});

test("a double click on the batch bar is one press", async () => {
  const page = await world.open();
  const one = await card(page);
  await one.locator(".pick").check();
  const approve = page.getByRole("region", { name: "Selected approvals" }).locator(".approve:enabled");
  await approve.evaluate(async (button) => {
    button.click();
    // The page draws with the next microtask.
    await Promise.resolve();
    await Promise.resolve();
    button.click();
  });
  await page.getByRole("button", { name: "Really approve 1? 1 with high risk" }).waitFor();
  await untouched(page, one);
  await page.clock.fastForward(300);
  await approve.click();
  await settled(one);
});

test("the batch bar leaves alone what the filter hides, and says so", async () => {
  const page = await world.open();
  const [hidden, seen] = [await card(page), await card(page)];
  for (const one of [hidden, seen]) await one.locator(".pick").check();
  await page.locator("#filter").fill(seen.mark);
  const bar = page.getByRole("region", { name: "Selected approvals" });
  await bar.getByText("1 card selected").waitFor();
  await bar.getByText("1 more is hidden by the filter").waitFor();
  await bar.getByRole("button", { name: "Approve 1" }).click();
  await bar.getByText("Really approve 1?").waitFor();
  await page.clock.fastForward(300);
  await bar.getByText("Really approve 1?").click();
  await settled(seen);
  await page.locator("#filter").fill("");
  await hidden.locator(".approve:enabled").waitFor();
});

test("the second press is red under the pointer, says what it does, and is whole on a phone", async () => {
  const page = await world.open("/approvals", { viewport: { width: 390, height: 780 } });
  const one = await card(page);
  await one.locator(".approve").click();
  const button = one.getByRole("button", { name: "Really delete_repo?" });
  await button.hover();
  const [red, green] = (await button.evaluate((element) => getComputedStyle(element).backgroundColor))
    .match(/\d+/g)
    .map(Number);
  assert.ok(red > 2 * green, `red ${red}, green ${green}`);
  assert.ok(
    await button.evaluate(
      (element) => element.scrollWidth <= element.clientWidth && element.getBoundingClientRect().right <= innerWidth,
    ),
  );
});

test("Enter held down on a button is one press", async () => {
  const page = await world.open();
  const one = await card(page);
  await one.locator(".approve").focus();
  await page.keyboard.down("Enter");
  await one.locator(".confirming").waitFor();
  await page.clock.fastForward(300);
  await page.keyboard.down("Enter");
  await drawn(page);
  await page.keyboard.up("Enter");
  assert.equal(await one.locator(".confirming:enabled").count(), 1);
  await page.keyboard.press("Escape");
  await one.locator(".reject-open").focus();
  await page.keyboard.down("Enter");
  await one.locator(".reject").waitFor();
  await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await untouched(page, one);
});

test("on an approval's own page A approves nothing while a rejection is being written", async () => {
  const page = await world.open();
  const id = await (await card(page)).getAttribute("data-id");
  await page.goto(`/approvals/${id}`);
  const one = page.locator("article.card");
  await one.locator(".approve:enabled").waitFor();
  await page.clock.fastForward(600);
  await page.keyboard.press("r");
  await one.locator(".reject").waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("a");
  await drawn(page);
  assert.equal(await one.locator(".reject").count(), 1);
  assert.equal(await one.locator(".confirming").count(), 0);
});

test("nothing on these pages broke the content security policy or threw", () => {
  assert.deepEqual(world.violations, []);
});
