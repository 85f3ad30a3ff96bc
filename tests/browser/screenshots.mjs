// Pictures of every screen: node screenshots.mjs [folder]. Against the mock hub, so that every state can be reached.
// --only=NAME takes some, --sizes=desk,phone,200,400 other sizes. With --readme it also makes docs/approvals.png, of a real hub.

import { launch } from "./chromium.mjs";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { startMock } from "./mock.mjs";
import * as fixtures from "./fixtures.mjs";
import { shown, startWorld } from "./world.mjs";

const args = process.argv.slice(2);
const folder = args.find((arg) => !arg.startsWith("--")) ?? "/tmp/hitl-screens";
const only = args.find((arg) => arg.startsWith("--only="))?.slice(7);
await mkdir(folder, { recursive: true });

const every = {
  desk: { width: 1280, height: 860 },
  phone: { width: 390, height: 844 },
  // A desk at 200 % and 400 %.
  200: { width: 640, height: 430 },
  400: { width: 320, height: 215 },
};
const wanted = args
  .find((arg) => arg.startsWith("--sizes="))
  ?.slice(8)
  .split(",") ?? ["desk", "phone"];
const sizes = Object.fromEntries(Object.entries(every).filter(([size]) => wanted.includes(size)));
const themes = ["light", "dark"];

/** name, address, what the hub holds, what to do before the picture */
const shots = [
  ["pending", "/approvals", (s) => s.queue.push(...fixtures.realistic())],
  ["pending-one", "/approvals", (s) => s.queue.push(fixtures.realistic()[0]), async (page) => page.keyboard.press("j")],
  ["pending-empty", "/approvals", () => {}],
  ["pending-nothing-connected", "/approvals", (s) => (s.servers = [])],
  ["pending-forty", "/approvals", (s) => s.queue.push(...fixtures.forty())],
  ["pending-long-names", "/approvals", (s) => s.queue.push(...fixtures.longNames())],
  ["pending-hostile", "/approvals", (s) => s.queue.push(...fixtures.hostileCards()), null, { full: true }],
  [
    "pending-batch",
    "/approvals",
    (s) => s.queue.push(...fixtures.realistic()),
    async (page) => page.keyboard.press("Shift+X"),
  ],
  [
    "pending-besides",
    "/approvals",
    (s) => s.queue.push(fixtures.approval({ extra: '{"task":{"ttl":60000},"_meta":{"force":true}}' })),
  ],
  [
    "pending-reject",
    "/approvals",
    (s) => s.queue.push(...fixtures.realistic()),
    async (page) => (await page.keyboard.press("j"), page.keyboard.press("r")),
  ],
  [
    "pending-confirm",
    "/approvals",
    (s) => s.queue.push(...fixtures.realistic()),
    async (page) => (
      await page.keyboard.press("j"),
      await page.locator(".approve:enabled").first().waitFor(),
      page.keyboard.press("a")
    ),
  ],
  [
    "pending-settled",
    "/approvals",
    (s) => s.queue.push(...fixtures.realistic()),
    async (page, hub) => {
      await page.hover(".card >> nth=0");
      hub.settle(hub.state.queue[0].id, { status: "rejected", decided_by: "grace", reason: "Wrong environment" });
      await page.locator(".settled").waitFor();
    },
  ],
  [
    "pending-lost",
    "/approvals",
    (s) => s.queue.push(...fixtures.realistic()),
    async (page, hub) => {
      await page.route("**/events", (route) => route.abort());
      hub.cut();
      await page.locator(".banner").waitFor();
    },
  ],
  ["help", "/approvals", (s) => s.queue.push(...fixtures.realistic()), async (page) => page.keyboard.press("?")],
  [
    "settings",
    "/approvals",
    (s) => s.queue.push(...fixtures.realistic()),
    async (page) => page.getByRole("button", { name: "Settings" }).click(),
  ],
  ["history", "/history", (s) => s.history.push(...fixtures.history())],
  [
    "history-insights",
    "/history",
    (s) => s.history.push(...fixtures.history(300)),
    async (page) => {
      await page.getByText("Insights").click();
      await page.locator(".charts").waitFor();
    },
  ],
  ["history-empty", "/history", () => {}],
  [
    "approval",
    null,
    (s) => s.history.push(...fixtures.history()),
    async (page) => {
      await page.getByRole("button", { name: "Compare" }).click();
      await page.locator(".diff, [role=status]").first().waitFor();
    },
    { full: true },
  ],
  ...fixtures
    .kinds()
    .map((call, at) => [`kind-${String(at).padStart(2, "0")}-${call.tool}`, "/approvals", (s) => s.queue.push(call)]),
  [
    "pending-find",
    "/approvals",
    (s) => s.queue.push(fixtures.kinds()[1]),
    async (page) => {
      await page.keyboard.press("j");
      await page.keyboard.press("f");
      await page.getByLabel("Find in the arguments").fill("api_keys");
    },
  ],
  [
    "pending-looking",
    "/approvals",
    (s) => s.queue.push(...fixtures.realistic()),
    async (page) => {
      await page.evaluate(async () => {
        const { set, get } = await import("/assets/browser/store.js");
        const approval = get().queue[0].approval.id;
        set({ looking: [{ user: "grace", approval, until: Date.now() + 60_000 }] });
      });
      await page.getByText("is looking at this").waitFor();
    },
  ],
  ["guide", "/guide", () => {}, null, { full: true }],
  ["server-undescribed", "/servers/github", (s) => (s.servers[0] = fixtures.crowd(60)), null, { full: true }],
  [
    "server-bulk",
    "/servers/github",
    (s) => (s.servers[0] = fixtures.crowd(60)),
    async (page) => {
      await page.getByLabel("Change all tools found").selectOption("on");
      await page.getByRole("dialog").waitFor();
    },
  ],
  [
    "server-copy",
    "/servers/github",
    () => {},
    async (page) => {
      await page.getByRole("button", { name: "Copy policy…" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  ["servers", "/servers", () => {}],
  ["servers-empty", "/servers", (s) => (s.servers = [])],
  ["server", "/servers/github", () => {}, null, { full: true }],
  ["server-viewer", "/servers/github", (s) => (s.user = { name: "kim", role: "viewer" })],
  ["agents", "/agents", (s) => s.agents.forEach((agent, i) => (agent.last_seen = Date.now() - i * 3_700_000))],
  [
    "agent-token",
    "/agents",
    () => {},
    async (page) => {
      await page.getByRole("button", { name: "New agent" }).click();
      await page.getByLabel("Name").fill("Nightly build");
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("shown this one time").waitFor();
    },
  ],
  [
    "server-policy",
    "/servers/github",
    (s) => {
      s.servers[0].tools[0].drift = fixtures.drift();
      s.servers[0].policy.rules = fixtures.rules;
    },
    async (page) => {
      await page.locator("#cov-agent").selectOption({ index: 1 });
      await page.locator(".coverage").waitFor();
    },
    { full: true },
  ],
  ["server-no-tools", "/servers/github", (s) => (s.servers[0] = { ...fixtures.crowd(0), sessions: 0 })],
  ["server-one-tool", "/servers/github", (s) => (s.servers[0] = fixtures.crowd(1)), null, { full: true }],
  ["server-300-tools", "/servers/github", (s) => (s.servers[0] = fixtures.crowd(300)), null, { full: true }],
  [
    "server-simulate",
    "/servers/github",
    (s) => s.history.push(...fixtures.history()),
    async (page) => {
      await page.getByLabel("Take a call from the history").selectOption({ index: 1 });
      await page.getByRole("button", { name: "Try it" }).click();
      await page.locator(".answer").waitFor();
      await page.locator(".answer").scrollIntoViewIfNeeded();
    },
  ],
  [
    "server-fault",
    "/servers/github",
    () => {},
    async (page) => {
      await page.getByLabel("Argument rules as JSON").fill('[\n  { "effect": "gate" },\n  { "effect": "perhaps" }\n]');
      await page.getByRole("button", { name: "Save the rules" }).click();
      await page.locator("#rules-fault").waitFor();
      await page.locator("#rules-fault").scrollIntoViewIfNeeded();
    },
  ],
  [
    "server-point-down",
    "/servers/github",
    (s) => (s.point = { ok: false, trouble: "it did not answer within 2 seconds" }),
  ],
  [
    "pending-drift",
    "/approvals",
    (s) =>
      s.queue.push(
        fixtures.approval({
          tool: "create_issue",
          trust: "medium",
          reasons: ["the tool's definition changed, and nobody has accepted the new one yet"],
          drift: fixtures.drift(),
        }),
        fixtures.approval({
          tool: "peek",
          trust: "low",
          reasons: ["the tool is new on this server, and nobody has accepted it yet"],
          drift: { ...fixtures.drift(), kind: "new", old: undefined },
        }),
      ),
  ],
  [
    "pending-compare",
    "/approvals",
    (s) => (s.queue.push(...fixtures.realistic()), s.history.push(...fixtures.history())),
    async (page) => {
      await page.getByRole("button", { name: "Compare" }).nth(1).click();
      await page.locator(".compared").waitFor();
    },
  ],
  [
    "server-drift",
    "/servers/github",
    (s) => (s.servers[0].tools[0].drift = fixtures.drift()),
    async (page) => {
      await page.locator(".badge.drift").click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  ["notifications", "/notifications", (s) => (s.channels = fixtures.channels())],
  ["notifications-empty", "/notifications", () => {}],
  [
    "notifications-everything",
    "/notifications",
    (s) => {
      s.channels = fixtures.everyChannel();
      s.browsers = fixtures.browsers();
    },
    null,
    { full: true },
  ],
  [
    "notifications-viewer",
    "/notifications",
    (s) => {
      s.channels = fixtures.channels();
      s.user = { name: "kim", role: "viewer" };
    },
    null,
    { full: true },
  ],
  [
    "notifications-form",
    "/notifications",
    () => {},
    async (page) => {
      await page.getByRole("button", { name: "Add Email" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  ["users", "/users", () => {}],
  [
    "settings",
    "/approvals",
    () => {},
    async (page) => {
      await page.getByRole("button", { name: "Settings" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  [
    "password",
    "/approvals",
    () => {},
    async (page) => {
      await page.getByRole("button", { name: "Settings" }).click();
      await page.getByRole("button", { name: "Change", exact: true }).click();
      await page.getByLabel("Current password").waitFor();
    },
  ],
  [
    "server-removal",
    "/servers/scratch-files",
    (s) => s.servers.forEach((server) => (server.sessions = 0)),
    async (page) => {
      await page.getByRole("button", { name: "Remove…" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  [
    "users-ceilings",
    "/users",
    () => {},
    async (page) => {
      await page.getByRole("button", { name: "Change the trust limits of ada" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  ["enrol", "/enrol", () => {}],
  [
    "enrol-confirm",
    "/enrol#BCDF-GHJK",
    () => {},
    async (page) => {
      await page.getByLabel("Servers").selectOption("some");
      await page.getByLabel("github").waitFor();
    },
  ],
  ["activity", "/activity", (s) => s.activity.push(...fixtures.activity())],
  ["signin", "/approvals", (s) => (s.signedIn = false)],
];

const browser = await launch();
let problems = 0;
for (const [name, address, fill, prepare, options = {}] of shots) {
  if (only && !name.includes(only)) continue;
  for (const theme of themes) {
    for (const [size, viewport] of Object.entries(sizes)) {
      const hub = await startMock();
      fill?.(hub.state);
      const context = await browser.newContext({
        viewport,
        colorScheme: theme,
        deviceScaleFactor: size === "desk" ? 1 : 2,
        hasTouch: size === "phone",
        locale: "en-GB",
        timezoneId: "Europe/Berlin",
      });
      const page = await context.newPage();
      page.on(
        "console",
        (message) =>
          message.type() === "error" &&
          !/40[01]|ERR_FAILED|ERR_INCOMPLETE/.test(message.text()) &&
          (problems++, console.error(`${name}: ${message.text()}`)),
      );
      page.on("pageerror", (error) => (problems++, console.error(`${name}: ${error.stack}`)));
      await page.goto(hub.url + (address ?? `/approvals/${hub.state.history[0].id}`));
      await page.locator("h1").first().waitFor();
      await page.waitForFunction(() => !document.querySelector(".loading"));
      await prepare?.(page, hub);
      await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)));
      // Pictures show cards that can be decided already.
      if (await page.locator(".card .approve").count())
        await page.waitForFunction(
          () =>
            document.querySelector(".card .fold") ||
            [...document.querySelectorAll(".approve")].some((button) => !button.disabled),
        );
      await page.screenshot({ path: `${folder}/${name}-${theme}-${size}.png`, fullPage: Boolean(options.full) });
      await context.close();
      await hub.close();
    }
  }
}

if (args.includes("--readme")) {
  // The one picture that people see is of the product itself: a real hub, real shims, a real server.
  const world = await startWorld();
  const laptop = await world.shim("github", {
    agent: "Ada's laptop",
    user: "ada",
    client: { name: "cursor-vscode", version: "2.4.1" },
  });
  const support = await world.shim("postgres-prod", {
    agent: "Support desk",
    user: "grace",
    client: { name: "claude-code", version: "2.1.330" },
  });
  const page = await world.open("/approvals", { viewport: { width: 1280, height: 880 }, colorScheme: "light" });
  const policy = {
    data: { require_all: true },
    headers: { ...(await shown(page)), Origin: world.url },
  };
  await page.request.put("/api/v1/servers/postgres-prod/policy", policy);
  laptop.call("delete_repo", '{"owner":"acme","repo":"billing-legacy"}');
  await page.locator(".card").nth(0).waitFor();
  support.call("execute_sql", fixtures.realistic()[1].arguments);
  await page.locator(".card").nth(1).waitFor();
  await page.mouse.move(0, 0);
  await page.locator(".card .approve:enabled").nth(1).waitFor();
  await page.keyboard.press("j");
  await page.locator(".card.focused").waitFor();
  const target = fileURLToPath(new URL("../../docs/approvals.png", import.meta.url));
  await mkdir(fileURLToPath(new URL("../../docs/", import.meta.url)), { recursive: true });
  await page.screenshot({ path: target });
  await world.close();
}
await browser.close();
console.log(`${folder}: done${problems ? `, ${problems} problems` : ""}`);
process.exitCode = problems ? 1 : 0;
