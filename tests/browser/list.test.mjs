// Many calls at once: the compact list, its groups and orders, and what stands beside it.

import { test, before, after, beforeEach, afterEach } from "node:test";
import assert from "node:assert/strict";
import { startWorld } from "./world.mjs";
import { complaints } from "./axe.mjs";

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

/** A page opened when so many calls wait: whether it begins as a list is settled by how many it finds. */
async function crowd(count, options) {
  for (let i = 0; i < count; i++) shim.call("delete_repo", `{"repo":"crowd-${i}"}`);
  const page = await world.open("/guide", options);
  await world.wait(page, count);
  await page.goto("/approvals");
  const rows = page.locator(".row, article.card");
  await rows.nth(count - 1).waitFor();
  return page;
}

test("many calls are a list in groups, with the marked one whole beside it", async () => {
  const page = await crowd(12);
  await page.getByText("12 calls of delete_repo on github").waitFor();
  assert.equal(await page.locator("article.card").count(), 0);
  const last = page.locator(".row").nth(11);
  assert.ok((await last.boundingBox()).y < 860, "twelve calls are on the first screen");
  await page.locator(".row").nth(2).locator(".row-open").click();
  const card = page.locator(".pane article.card");
  await card.getByText('"crowd-2"').waitFor();
  await page.keyboard.press("j");
  await card.getByText('"crowd-3"').waitFor();
  assert.equal(await page.locator(".row.focused").count(), 1);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await complaints(page), [], colorScheme);
  }
});

test("a card that takes the place of another in the pane is not approved by a press meant for the first", async () => {
  const page = await crowd(10);
  await page.locator(".row").nth(0).locator(".row-open").click();
  const approve = page.locator(".pane .approve");
  await page.locator(".pane .approve:enabled").waitFor();
  await page.clock.pauseAt(Date.now() + 3_600_000);
  await page.locator(".row").nth(1).locator(".row-open").click();
  await page.locator(".pane article.card", { hasText: '"crowd-1"' }).waitFor();
  assert.equal(await approve.isDisabled(), true);
  await page.clock.resume();
  await page.locator(".pane .approve:enabled").waitFor();
});

test("a group, or all that is shown, is selected by mouse and thumb", async () => {
  const page = await crowd(10);
  const bar = page.getByRole("region", { name: "Selected approvals" });
  await page.getByRole("checkbox", { name: /Select all 10 calls/ }).check();
  await bar.getByText("10 cards selected").waitFor();
  await bar.getByRole("button", { name: "Clear" }).click();
  await page.locator("#filter").fill("crowd-3");
  await page.locator(".row").nth(1).waitFor({ state: "detached" });
  await page.locator("#filter").fill("crowd");
  await page.getByRole("button", { name: "Select all 10 shown" }).click();
  await bar.getByText("10 cards selected").waitFor();
  await page.getByRole("button", { name: "Select none" }).click();
  await bar.waitFor({ state: "detached" });
});

test("on a phone a row opens in its place, and the filters leave the screen to the calls", async () => {
  const page = await crowd(10, { viewport: { width: 390, height: 780 } });
  const first = page.locator(".row").first();
  assert.ok((await first.boundingBox()).y < 330, "the first call is near the top");
  assert.equal(await page.getByLabel("Server").isVisible(), false);
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Server").waitFor();
  await first.locator(".row-open").click();
  await page.locator("article.card", { hasText: '"crowd-0"' }).waitFor();
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
});

test("the order can be by time left, and cards can be had instead of the list", async () => {
  const page = await crowd(10);
  await page.locator(".row").nth(0).locator(".row-open").click();
  await page.keyboard.press("e");
  await page.locator(".pane .countdown", { hasText: /9:\d\d/ }).waitFor();
  await page.getByLabel("Order").selectOption("deadline");
  await page.locator(".row").last().and(page.locator(".focused")).waitFor();
  await page.getByRole("button", { name: "Cards" }).click();
  await page.locator("article.card").nth(9).waitFor();
  assert.equal(await page.locator(".row").count(), 0);
});

test("nothing on these pages broke the content security policy or threw", () => {
  assert.deepEqual(world.violations, []);
});
