// Keys act on what is marked at the moment they are pressed, lead everywhere, and never lose the place.

import { test, before, after, beforeEach, afterEach } from "node:test";
import assert from "node:assert/strict";
import { shown, startWorld, stopTime, until } from "./world.mjs";

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
/** A call that waits, and its card. */
async function hold(page, besides = "") {
  const mark = `repo-${++calls}`;
  const { answer } = shim.call("delete_repo", `{"repo":"${mark}"${besides}}`);
  const card = page.locator("article.card", { hasText: `"${mark}"` });
  await card.locator(".reject-open, .settled").first().waitFor();
  return { card, mark, answer, id: await card.getAttribute("data-id") };
}
const marked = (page) => page.locator("article.card.focused").getAttribute("data-id");
/** Where the keyboard is: the id of the card around it, else what it is. */
const place = (page) =>
  page.evaluate(() => document.activeElement?.closest("[data-id]")?.dataset.id ?? document.activeElement?.id ?? "");
const bare = (page) => page.evaluate(() => document.activeElement === document.body);
const address = (page) => new URL(page.url()).pathname;
/** What another browser of the same person does. */
async function elsewhere(page, id, action) {
  const headers = { ...(await shown(page)), Origin: world.url };
  const answer = await page.request.post(`/api/v1/approvals/${id}/${action}`, { data: {}, headers });
  assert.ok(answer.ok(), await answer.text());
}

test("every key acts on the card with the mark, also when the list was drawn anew between two presses", async () => {
  const page = await world.open();
  const [first, second, third] = [await hold(page), await hold(page), await hold(page)];
  const acts = {
    x: () => page.locator(".card.selected").getAttribute("data-id"),
    r: () => page.locator(".card:has(.reject)").getAttribute("data-id"),
    "Shift+A": () => page.locator(".card:has(.comment)").getAttribute("data-id"),
    Enter: async () => (await page.waitForURL("**/approvals/*"), decodeURIComponent(address(page).split("/").pop())),
  };
  for (const [key, acted] of Object.entries(acts)) {
    await first.card.locator("h2").click();
    await page.keyboard.press("j");
    const news = await hold(page);
    assert.equal(await marked(page), second.id);
    await page.keyboard.press("j");
    assert.equal(await marked(page), third.id);
    await page.keyboard.press("k");
    await elsewhere(page, news.id, "reject");
    await news.card.locator(".settled").waitFor();
    await page.keyboard.press(key);
    assert.equal(await acted(), second.id, key);
    if (key !== "Enter") await page.keyboard.press("Escape");
  }
});

test("from the filter Enter, arrow and Escape lead to the cards", async () => {
  const page = await world.open();
  const [, second] = [await hold(page), await hold(page)];
  for (const key of ["Enter", "ArrowDown", "Escape"]) {
    await page.keyboard.press("/");
    assert.equal(await place(page), "filter");
    await page.keyboard.type(second.mark);
    await page.locator("article.card").nth(1).waitFor({ state: "detached" });
    await page.keyboard.press(key);
    assert.equal(await place(page), second.id, key);
  }
});

test("the keyboard's place is never lost: panels, folds, messages, and the last card", async () => {
  const page = await world.open();
  const { card, id } = await hold(page, `,"text":"${"x".repeat(9000)}"`);
  await page.keyboard.press("j");
  await card.locator(".fold").focus();
  await page.keyboard.press("Enter");
  await card.locator(".fold").waitFor({ state: "detached" });
  assert.equal(await place(page), id);
  await page.keyboard.press("r");
  await page.keyboard.press("Escape");
  assert.equal(await place(page), id);
  await card.locator(".reject-open").focus();
  await page.keyboard.press("Enter");
  await card.getByRole("button", { name: "Back" }).focus();
  await page.keyboard.press("Enter");
  await card.locator(".reject").waitFor({ state: "detached" });
  assert.equal(await place(page), id);
  await page.keyboard.press("r");
  await page.keyboard.press("Enter");
  await page.locator(".toast .icon").focus();
  await page.keyboard.press("Enter");
  await page.locator(".toast").waitFor({ state: "detached" });
  assert.equal(await bare(page), false);
  await page.clock.fastForward(4000);
  await page.getByText("Nothing waits for you").waitFor();
  assert.equal(await bare(page), false);
});

test("R on a card that is taller than the window shows its field", async () => {
  const page = await world.open("/approvals", { viewport: { width: 1280, height: 500 } });
  const { card } = await hold(page, `,"lines":[${Array.from({ length: 50 }, (_, i) => `"line ${i} of a long list"`)}]`);
  await page.keyboard.press("j");
  await page.keyboard.press("r");
  const box = await card.locator(".reject input").boundingBox();
  assert.ok(box.y >= 0 && box.y + box.height <= 500, JSON.stringify(box));
});

test("back from a card, mark, selection and place are as they were", async () => {
  const page = await world.open("/approvals", { viewport: { width: 1280, height: 500 } });
  const cards = [await hold(page), await hold(page), await hold(page), await hold(page)];
  await cards[3].card.locator("h2").click();
  await page.keyboard.press("x");
  await page.keyboard.press("k");
  const before = await page.evaluate(() => window.scrollY);
  assert.ok(before > 0);
  for (const back of [
    () => page.goBack(),
    () => page.keyboard.press("Escape"),
    () => page.locator(".crumbs a").first().click(),
  ]) {
    await page.keyboard.press("Enter");
    await page.waitForURL("**/approvals/*");
    await page.locator("article.card.alone").waitFor();
    await back();
    await cards[2].card.waitFor();
    assert.equal(await marked(page), cards[2].id);
    assert.equal(await page.locator(".card.selected").getAttribute("data-id"), cards[3].id);
    assert.ok(Math.abs((await page.evaluate(() => window.scrollY)) - before) < 60);
  }
});

test("on a card's own page J and K lead to the calls that wait, and a link to the next one", async () => {
  const page = await world.open();
  const [first, second] = [await hold(page), await hold(page)];
  await page.goto(`/approvals/${first.id}`);
  await page.getByRole("link", { name: /Next waiting/ }).waitFor();
  await page.keyboard.press("j");
  await page.waitForURL(`**/${second.id}`);
  await page.getByRole("link", { name: /Next waiting/ }).waitFor();
  await page.keyboard.press("k");
  await page.waitForURL(`**/${first.id}`);
  await page.getByRole("link", { name: /Next waiting/ }).click();
  await page.waitForURL(`**/${second.id}`);
});

test("a key that follows at once is for what the one before it opened", async () => {
  const page = await world.open();
  const [first, second] = [await hold(page), await hold(page)];
  // Nothing that waits for the next picture happens any more.
  await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1000);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/${first.id}`);
  await page.keyboard.press("j");
  await page.waitForURL(`**/${second.id}`);
  await page.locator("article.card.alone").waitFor();
  await page.keyboard.press("f");
  await page.keyboard.type("area");
  assert.equal(await page.getByLabel("Find in the arguments").inputValue(), "area");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.waitForURL("**/approvals");
});

test("1, 2 and 3 choose a reason, which Enter sends", async () => {
  const page = await world.open();
  const { answer } = await hold(page);
  await page.keyboard.press("j");
  await page.keyboard.press("r");
  await page.keyboard.press("2");
  assert.equal(await page.locator(".reject input").inputValue(), "Suspicious arguments");
  await page.keyboard.press("Enter");
  assert.match(await answer, /Suspicious arguments/);
});

test("E gives more time at any time, and Shift+A approves with words that are kept", async () => {
  const page = await world.open();
  const { card, answer, id } = await hold(page);
  const one = async () => (await page.request.get(`/api/v1/approvals/${id}`, { headers: await shown(page) })).json();
  const { deadline_at: before } = await one();
  await card.locator(".approve:enabled").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("e");
  await until(async () => (await one()).deadline_at > before, "more time");
  await card.getByRole("button", { name: "+5 min" }).and(page.locator(":enabled")).waitFor();
  await page.keyboard.press("Shift+A");
  await card.locator(".comment .approve:enabled").waitFor();
  await stopTime(page);
  await page.keyboard.type("agreed with ops");
  await page.keyboard.press("Enter");
  await card.locator(".confirming").waitFor();
  await page.clock.fastForward(300);
  await page.keyboard.press("Enter");
  await page.clock.resume();
  assert.match(await answer, /^ran/);
  assert.equal((await one()).reason, "agreed with ops");
});

test("every section has its key", async () => {
  const page = await world.open();
  const sections = {
    p: "approvals",
    h: "history",
    n: "notifications",
    s: "servers",
    a: "agents",
    u: "users",
    l: "activity",
  };
  await page.locator("h1").waitFor();
  for (const [key, path] of Object.entries(sections)) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.waitForURL(`**/${path}`);
  }
});

test("nothing on these pages broke the content security policy or threw", () => {
  assert.deepEqual(world.violations, []);
});
