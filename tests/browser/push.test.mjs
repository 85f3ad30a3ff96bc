// Web Push, from a gated call to the approval that opens when its notification is pressed. Real are the hub, the shim,
// the sealed message, the browser's service worker and the desktop that shows the notification; only the way from the
// push service to the browser is a short cut (no browser reaches a push service of a test).

import { test, before, after, afterEach } from "node:test";
import assert from "node:assert/strict";
import { startDesktop, startPushService } from "./desktop.mjs";
import { mocked, startWorld, until } from "./world.mjs";

const real = { skip: mocked };
let world, shim, desktop, service;
let told = 0;
let half = "";

before(async () => {
  if (mocked) return;
  world = await startWorld();
  shim = await world.shim("github", { agent: "Ada's laptop", user: "ada" });
  service = await startPushService();
  desktop = await startDesktop();
  await desktop.context.grantPermissions(["notifications"], { origin: world.url });
  await desktop.context.addInitScript(subscribesTo, { endpoint: service.endpoint("/here"), keys: service.keys });
});
after(async () => {
  await desktop?.close();
  service?.close();
  await world?.close();
});
afterEach(async () => {
  await world?.closePages();
  for (const page of desktop?.context.pages().slice(1) ?? []) await page.close();
});

/** In the page: what a browser's push service would have answered. */
function subscribesTo({ endpoint, keys }) {
  if (!window.PushManager) return;
  const subscription = {
    endpoint,
    toJSON: () => ({ endpoint, keys, expirationTime: null }),
    unsubscribe: async () => (localStorage.removeItem("subscribed"), true),
  };
  PushManager.prototype.getSubscription = async () => (localStorage.getItem("subscribed") ? subscription : null);
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    localStorage.setItem("subscribed", JSON.stringify([userVisibleOnly, applicationServerKey.length]));
    return subscription;
  };
}

const switched = (page) => page.getByRole("switch", { name: "Notify this browser when the page is closed" });
const browsers = (page) => page.getByRole("list", { name: "Your browsers" });
const settled = (toggle) =>
  until(async () => !(await toggle.getAttribute("aria-busy")) && (await toggle.isEnabled()), "the switch");

/** A signed-in page of the browser with the desktop. */
async function open(path = "/notifications") {
  const page = await desktop.context.newPage();
  page.on(
    "console",
    (message) =>
      /Content Security Policy|TrustedScript|TrustedHTML/.test(message.text()) && world.violations.push(message.text()),
  );
  page.on("pageerror", (error) => world.violations.push(String(error.stack)));
  half = await world.hub.signIn(page, "lin");
  await page.goto(world.url + path);
  await page.locator("h1").first().waitFor();
  return page;
}

/** Hands the next message to the service worker, as the browser's push connection does. */
async function deliver(page) {
  const { says } = await service.next(++told);
  const devtools = await desktop.context.newCDPSession(page);
  let worker;
  devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => (worker ??= registrations[0]));
  await devtools.send("ServiceWorker.enable");
  const { registrationId } = await until(() => worker, "the service worker");
  await devtools.send("ServiceWorker.deliverPushMessage", {
    origin: world.url,
    registrationId,
    data: JSON.stringify(says),
  });
  await devtools.detach();
  return says;
}

const notifications = () => desktop.seen().filter((one) => one.shown);
/** The approval that waits with this in its arguments, if it still does. */
async function waits(text) {
  const answer = await desktop.context.request.get(`${world.url}/api/v1/approvals?status=pending`, {
    headers: { "X-HITL-CSRF": half },
  });
  return (await answer.json()).items.find((approval) => approval.arguments.includes(text));
}

test("the switch asks for leave, subscribes, and the browser is listed", real, async () => {
  const page = await open();
  await settled(switched(page));
  assert.equal(await switched(page).getAttribute("aria-checked"), "false");
  await switched(page).click();
  const list = browsers(page);
  await list.getByText("Chrome on Linux").waitFor();
  await list.getByText("this browser").waitFor();
  assert.equal(await switched(page).getAttribute("aria-checked"), "true");
  assert.equal(await page.evaluate(() => localStorage.getItem("subscribed")), "[true,65]");
  await list.getByRole("button", { name: /Send test to/ }).click();
  await page.locator(".toast", { hasText: "took the test message" }).waitFor();
  await deliver(page);
  assert.equal((await until(() => notifications()[0], "the notification")).title, "Test message");
});

test(
  "a waiting call is shown when no page is open, and pressing it opens that approval and decides nothing",
  real,
  async () => {
    const elsewhere = await desktop.context.newPage();
    const page = await open();
    await page.goto("about:blank");
    const before = notifications().length;
    const call = shim.call("delete_repo", '{"repo":"top-secret"}');
    await deliver(elsewhere);
    const note = await until(() => notifications()[before], "the notification");
    assert.equal(note.title, "delete_repo on github");
    assert.match(
      note.body,
      /Ada's laptop for ada asks for approval, high risk\.\n\d min \d+ s left \(until \d\d:\d\d( [AP]M)?\)\./,
    );
    assert.doesNotMatch(JSON.stringify([note, service.got()]), /top-secret/);
    const waiting = await waits("top-secret");
    const opened = desktop.context.waitForEvent("page");
    desktop.press(note.shown);
    const shown = await opened;
    await shown.getByRole("heading", { name: /delete_repo/ }).waitFor();
    assert.equal(new URL(shown.url()).pathname, `/approvals/${waiting.id}`);
    assert.ok(await waits("top-secret"), "nothing was decided");
    call.cancel();
    await until(async () => !(await waits("top-secret")), "the end of the call");
    await deliver(shown);
  },
);

test("an outcome takes the place of its notification, without a sound", real, async () => {
  const elsewhere = await desktop.context.newPage();
  const before = notifications().length;
  const call = shim.call("delete_repo", '{"repo":"elsewhere"}');
  await deliver(elsewhere);
  const note = await until(() => notifications()[before], "the notification");
  const page = await world.open("/approvals", { user: "grace" });
  const card = page.locator("article.card", { hasText: "elsewhere" });
  await card.locator(".reject-open").click();
  await card.getByRole("button", { name: "Wrong environment" }).click();
  assert.match(await call.answer, /rejected/);
  await deliver(elsewhere);
  const outcome = await until(() => notifications()[before + 1], "the outcome");
  assert.equal(outcome.title, "Rejected: delete_repo on github");
  assert.match(outcome.body, /Decided by grace\. Asked by Ada's laptop for ada\./);
  assert.equal(outcome.replaces, note.shown, "in the same place");
});

test("a page that is open comes to the front and shows the approval, without being loaded anew", real, async () => {
  const elsewhere = await desktop.context.newPage();
  const before = notifications().length;
  const call = shim.call("delete_repo", '{"repo":"open-page"}');
  await deliver(elsewhere);
  const note = await until(() => notifications()[before], "the notification");
  const waiting = await waits("open-page");
  const page = await open("/servers");
  await page.evaluate(() => (window.same = true));
  desktop.press(note.shown);
  await page.getByRole("heading", { name: /delete_repo/ }).waitFor();
  assert.deepEqual(
    [new URL(page.url()).pathname, await page.evaluate(() => window.same)],
    [`/approvals/${waiting.id}`, true],
  );
  call.cancel();
  await until(async () => !(await waits("open-page")), "the end of the call");
  await deliver(page);
  assert.equal(notifications().length, before + 1, "whoever sees the page is not told again");
});

test("whoever looks at the page is not told beside it", real, async () => {
  const page = await open("/approvals");
  const before = notifications().length;
  const call = shim.call("delete_repo", '{"repo":"in-sight"}');
  await page.locator("article.card", { hasText: "in-sight" }).waitFor();
  await deliver(page);
  call.cancel();
  await page.locator(".settled", { hasText: "Cancelled" }).waitFor();
  await deliver(page);
  assert.equal(notifications().length, before);
});

test("a browser that was removed elsewhere says so, and signing out ends what it has", real, async () => {
  const page = await open();
  await until(async () => (await switched(page).getAttribute("aria-checked")) === "true", "the switch is on");
  const other = await world.open("/notifications");
  await other.getByRole("button", { name: "Remove Chrome on Linux" }).click();
  await browsers(other).waitFor({ state: "detached" });
  await page.reload();
  await settled(switched(page));
  assert.equal(await switched(page).getAttribute("aria-checked"), "false");
  await switched(page).click();
  await browsers(page).getByText("this browser").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to decide" }).waitFor();
  await other.reload();
  await other.getByText("No channel yet").waitFor();
  assert.equal(await browsers(other).count(), 0);
  assert.equal(await page.evaluate(() => localStorage.getItem("subscribed")), null);
});

/** What a browser would be that cannot; the words it gets. */
const obstacles = {
  "another machine over http": [
    () => Object.defineProperty(window, "isSecureContext", { value: false }),
    "only over https",
  ],
  "a browser that was told no": [
    () => Object.defineProperty(Notification, "permission", { value: "denied" }),
    "The browser blocks notifications",
  ],
  "a browser without pushes": [() => delete window.PushManager, "no push messages"],
  "a phone that wants the home screen": [
    () => (
      delete window.PushManager,
      Object.defineProperty(navigator, "userAgent", { value: "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X)" })
    ),
    "add this page to the home screen",
  ],
};
for (const [who, [as, words]] of Object.entries(obstacles)) {
  test(`the switch says in words why it cannot: ${who}`, real, async () => {
    const page = await world.open("/approvals");
    await page.addInitScript(as);
    await page.goto("/notifications");
    await page.getByText(words).waitFor();
    assert.ok(await switched(page).isDisabled());
  });
}

test("nothing on these pages broke the content security policy or threw", real, () => {
  assert.deepEqual(world.violations, []);
});
