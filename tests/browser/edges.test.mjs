// The page at its edges: messages, a hub that is away, a session that ends, strong contrast, the first hour.

import { test, before, after, beforeEach, afterEach } from "node:test";
import assert from "node:assert/strict";
import { complaints } from "./axe.mjs";
import { mocked, shown, startWorld, until } from "./world.mjs";

const real = { skip: mocked };
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

/** A held call, and its card on the page. */
function hold(page, mark) {
  const call = shim.call("delete_repo", `{"repo":"${mark}"}`);
  return { ...call, card: page.locator("article.card", { hasText: `"${mark}"` }) };
}

/** Names of what can be pressed and lies, wholly or in part, under a message. */
const covered = (page) =>
  page.evaluate(() => {
    const boxes = (/** @type {string} */ what) =>
      [...document.querySelectorAll(what)]
        .filter((one) => !one.closest(".toasts .toast .icon") && one.checkVisibility())
        .map((one) => ({ one, box: one.getBoundingClientRect() }));
    const toasts = boxes(".toast");
    const apart = (/** @type {DOMRect} */ a, /** @type {DOMRect} */ b) =>
      a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
    return boxes(".card-foot button, .batchbar button, .pick, .reject input, .find input")
      .filter(({ one }) => !one.closest(".toast"))
      .filter(({ box }) => toasts.some((toast) => !apart(toast.box, box)))
      .map(({ one, box }) => `${one.className} at ${Math.round(box.top)}`);
  });

for (const [where, viewport] of Object.entries({
  "a desk": { width: 1280, height: 860 },
  "a phone": { width: 390, height: 844 },
  "400 %": { width: 320, height: 256 },
}))
  test(`messages cover nothing that is pressed, on ${where}`, async () => {
    const page = await world.open("/approvals", { viewport });
    const [first, second] = [hold(page, "first"), hold(page, "second")];
    await second.card.waitFor();
    await first.card.locator(".pick").check();
    await second.card.locator(".pick").check();
    await page.evaluate(() =>
      import("/assets/browser/store.js").then(({ toast }) => {
        toast("ok", "Approved: delete_repo on github.");
        toast("error", "The hub cannot be reached. Nothing was changed as far as this page knows.");
      }),
    );
    await page.locator(".toast").nth(1).waitFor();
    assert.deepEqual(await covered(page), []);
    await second.card.locator(".reject-open").scrollIntoViewIfNeeded();
    assert.deepEqual(await covered(page), []);
    assert.deepEqual(await complaints(page), []);
  });

test("that the hub cannot be reached is said until it is back, and not once more", real, async () => {
  const page = await world.open();
  const { card } = hold(page, "unreached");
  await card.waitFor();
  await world.hub.stop();
  await page.locator(".banner").waitFor();
  await card.locator(".extend").click();
  await page.locator(".toast", { hasText: "cannot be reached" }).waitFor();
  await card.locator(".extend").click();
  await card.locator(".card-error").getByText("The hub cannot be reached.").waitFor();
  assert.equal(await page.locator(".toast", { hasText: "cannot be reached" }).count(), 1);
  await world.hub.start();
  await page.locator(".banner").waitFor({ state: "detached" });
  const said = page.locator(".toast, .card-error", { hasText: "cannot be reached" });
  await said.first().waitFor({ state: "detached" });
});

test("what is typed when a session ends is there again after signing in, in the same card", real, async () => {
  const page = await world.open("/approvals", { user: "grace", ownSession: true });
  const { card } = hold(page, "typed");
  await card.locator(".reject-open").click();
  const field = card.getByRole("textbox");
  await field.fill("This is production, ask");
  const { items } = await (await page.request.get("/api/v1/sessions", { headers: await shown(page) })).json();
  const { id } = items.find((one) => one.current);
  await page.request.delete(`/api/v1/sessions/${id}`, { headers: await shown(page) });
  await page.getByText("The session of grace has ended").waitFor();
  assert.deepEqual(await complaints(page), []);
  await page.getByLabel("Name").fill("grace");
  await page.getByLabel("Password").fill(world.hub.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("live", { exact: true }).waitFor();
  assert.equal(await field.inputValue(), "This is production, ask");
  await field.press("Enter");
  await card.locator(".settled", { hasText: "Rejected by you" }).waitFor();
});

test("who wants more contrast gets it: quiet text as dark as the rest, lines that can be seen", async () => {
  const page = await world.open();
  const { card } = hold(page, "contrast");
  await card.waitFor();
  const colours = () =>
    card.evaluate((element) => {
      const of = (/** @type {Element|null} */ one) => getComputedStyle(/** @type {Element} */ (one));
      return {
        quiet: of(element.querySelector(".quiet")).color,
        text: of(element).color,
        line: of(element).borderTopColor,
      };
    });
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme, contrast: "no-preference" });
    const before = await colours();
    assert.notEqual(before.quiet, before.text);
    await page.emulateMedia({ colorScheme, contrast: "more" });
    const more = await colours();
    assert.equal(more.quiet, more.text);
    assert.notEqual(more.line, before.line);
    assert.deepEqual(await complaints(page), [], colorScheme);
  }
});

test("a card says that the same was asked again", real, async () => {
  const page = await world.open();
  const { card, cancel } = hold(page, "again");
  await card.waitFor();
  cancel("McpError: MCP error -32001: Request timed out");
  await card.getByText("Nobody waits right now.").waitFor();
  const second = hold(page, "again");
  await card.getByText("Asked again. The client called the same again; approved, it runs once.").waitFor();
  assert.equal(await page.locator("article.card").count(), 1);
  assert.deepEqual(await complaints(page, ".card"), []);
  second.cancel();
});

test("an empty hub says what to do first with the commands that fit it, and leads to the guide", real, async () => {
  const empty = await startWorld();
  try {
    for (const path of ["/approvals", "/servers", "/agents"]) {
      const page = await empty.open(path);
      await page.getByText(`hitl-wrap login ${empty.url}`).waitFor();
      assert.deepEqual(await complaints(page), [], path);
    }
    const page = await empty.open("/servers");
    await page.getByText("hitl-wrap install", { exact: true }).waitFor();
    await page.getByRole("link", { name: "guide", exact: true }).click();
    await page.getByRole("heading", { name: "Guide" }).waitFor();
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await complaints(page), [], colorScheme);
    }
    await page.getByRole("button", { name: "key", exact: true }).click();
    await page.getByRole("heading", { name: "Keys", exact: true }).waitFor();
    await until(
      async () => !(await page.locator("body").innerText()).match(/\b(?:shims?|HITL|ceilings?|derived)\b/),
      "no builders' words",
    );
  } finally {
    await empty.close();
  }
});

test("nothing on these pages broke the content security policy or threw", () => {
  assert.deepEqual(world.violations, []);
});
