// The Notifications tab of a real hub: channels that work, fail, wait, and come from the config file.

import { test, before, after, afterEach } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { mocked, shown, startWorld, until } from "./world.mjs";

const real = { skip: mocked };
const CONFIG = `
[[notify]]
id = "ops"
kind = "slack"
name = "Ops of the file"
events = ["created"]
servers = ["elsewhere"]
settings.url = "http://127.0.0.1:9/hook"
settings.allow_private = true
`;
let world, shim, receiver;

/** An HTTP endpoint that answers as its path says, and counts what it got. */
async function startReceiver() {
  const got = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    got.push({ path: request.url, body });
    const [, status, text] = request.url.split("/");
    if (status === "busy") response.setHeader("retry-after", "3600");
    response.writeHead(status === "busy" ? 429 : Number(status)).end(decodeURIComponent(text ?? ""));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    got,
    url: (path) => `http://127.0.0.1:${server.address().port}${path}`,
    close: () => (server.closeAllConnections(), server.close()),
  };
}

before(async () => {
  if (mocked) return;
  world = await startWorld({ config: CONFIG });
  shim = await world.shim("github");
  receiver = await startReceiver();
});
after(async () => {
  receiver?.close();
  await world?.close();
});
afterEach(() => world?.closePages());

const channel = (page, name) => page.locator("li.channel", { has: page.getByRole("heading", { name, exact: true }) });
const toast = (page, words) => page.locator(".toast", { hasText: words }).waitFor();

/** Adds a channel by the form, as a person does. */
async function add(page, kind, name, fields) {
  await page.getByLabel("Add a channel").selectOption(kind);
  const form = page.getByRole("dialog");
  await form.getByLabel("Name (optional)").fill(name);
  for (const [label, value] of Object.entries(fields))
    await form.getByLabel(label, { exact: false }).first().fill(value);
  const own = form.getByLabel("A server of our own");
  await own.check();
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByRole("button", { name: "Cancel" }).waitFor({ state: "detached" });
}

test("a channel of the config file is shown as such, and nobody can edit it on the page", real, async () => {
  const page = await world.open("/notifications");
  const ops = channel(page, "Ops of the file");
  await ops.getByText("from the config file").waitFor();
  await ops.getByText("only elsewhere").waitFor();
  assert.equal(await ops.getByRole("switch").count(), 0);
  assert.deepEqual(await ops.getByRole("button").allTextContents(), ["Send test"]);
  await ops.getByRole("button", { name: "Send test" }).click();
  await toast(page, "Ops of the file: cannot connect");
  await ops.getByText("failing").waitFor();
});

test("a test message says at once whether it arrived, and the channel keeps saying so", real, async () => {
  const page = await world.open("/notifications");
  await add(page, "slack", "Works", { "Webhook URL": receiver.url("/200") });
  await channel(page, "Works").getByText("not used yet").waitFor();
  await channel(page, "Works").getByRole("button", { name: "Send test" }).click();
  await toast(page, "Works took the test message");
  await channel(page, "Works").getByText("working").waitFor();
  assert.match(receiver.got.at(-1).body, /Test message/);

  await add(page, "slack", "Refuses", { "Webhook URL": receiver.url("/404/no_service") });
  await channel(page, "Refuses").getByRole("button", { name: "Send test" }).click();
  await toast(page, "Refuses: it answered 404 Not Found: no_service");
  const refuses = channel(page, "Refuses");
  await refuses.getByText("failing").waitFor();
  await refuses.getByText("it answered 404 Not Found: no_service").waitFor();
  await refuses.getByText(/last tried/).waitFor();
  assert.ok(!(await page.content()).includes("/200"), "the URL is a secret");
});

test("a failing channel says how many wait and why, and what gives up is counted", real, async () => {
  const page = await world.open("/notifications");
  await add(page, "slack", "Busy", { "Webhook URL": receiver.url("/busy/slow%20down") });
  const call = shim.call("delete_repo", '{"repo":"very-secret"}');
  const busy = channel(page, "Busy");
  await busy.getByText("it answered 429 Too Many Requests: slow down").waitFor();
  await busy.getByText("1 message waiting").waitFor();
  await channel(page, "Refuses").getByText("1 given up this week").waitFor();
  await until(
    () => receiver.got.some(({ path, body }) => path === "/200" && body.includes("delete_repo")),
    "the message of the one that works",
  );
  await channel(page, "Works").getByText("working").waitFor();
  assert.ok(receiver.got.every(({ body }) => !body.includes("very-secret")));
  call.cancel();
});

test("what the hub refuses is said in the form, and nothing is kept of it", real, async () => {
  const page = await world.open("/notifications");
  await page.getByLabel("Add a channel").selectOption("slack");
  const form = page.getByRole("dialog");
  await form.getByLabel("Webhook URL").fill("https://evil.example/hook");
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByRole("alert").getByText("hooks.slack.com").waitFor();
  await form.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await page.getByText("evil.example").count(), 0);
});

test("what is typed stays while the page behind it looks again", real, async () => {
  const page = await world.open("/notifications");
  await page.getByLabel("Add a channel").selectOption("email");
  const form = page.getByRole("dialog");
  const typed = { Name: "Night shift", To: "ops@example.com", Servers: "github" };
  for (const [label, value] of Object.entries(typed)) await form.getByLabel(new RegExp(`^${label}`)).fill(value);
  await form.getByLabel("Trust threshold").selectOption("high");
  await form.getByLabel("Encryption").selectOption("tls");
  await form.getByLabel("decisions").check();
  await form.getByLabel("Quiet hours").check();
  await form.getByLabel("Quiet from").fill("21:30");
  const again = page.waitForResponse("**/api/v1/notifications");
  await page.clock.fastForward(6000);
  await again;
  await page.clock.fastForward(6000);
  for (const [label, value] of Object.entries(typed))
    assert.equal(await form.getByLabel(new RegExp(`^${label}`)).inputValue(), value, label);
  assert.equal(await form.getByLabel("Trust threshold").inputValue(), "high");
  assert.equal(await form.getByLabel("Encryption").inputValue(), "tls");
  assert.equal(await form.getByLabel("Quiet from").inputValue(), "21:30");
  assert.ok(await form.getByLabel("decisions").isChecked());
});

test("a webhook's secret is shown once, and names from elsewhere stay text", real, async () => {
  const page = await world.open("/notifications");
  await add(page, "webhook", "<b>@channel</b>\u202e", { URL: receiver.url("/200") });
  const dialog = page.getByRole("dialog", { name: "The webhook's signing secret" });
  await dialog.getByText(/^whsec_/).waitFor();
  await dialog.getByRole("button", { name: "I have stored it" }).click();
  await page.locator("li.channel h2", { hasText: "<b>@channel</b>" }).waitFor();
  assert.equal(await page.locator("li.channel b").count(), 0);
  assert.equal(await page.getByText(/whsec_/).count(), 0);
});

test("switching off, editing and removing take effect on the hub", real, async () => {
  const page = await world.open("/notifications");
  await page.getByRole("switch", { name: "Use Works" }).click();
  await channel(page, "Works").getByText("off", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Edit Refuses" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Webhook URL").fill(receiver.url("/200/mended"));
  await form.getByRole("button", { name: "Save" }).click();
  await form.waitFor({ state: "detached" });
  await channel(page, "Refuses").getByRole("button", { name: "Send test" }).click();
  await toast(page, "Refuses took the test message");
  await page.getByRole("button", { name: "Remove Busy" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await channel(page, "Busy").waitFor({ state: "detached" });
  const kept = await (await page.request.get("/api/v1/notifications", { headers: await shown(page) })).json();
  assert.deepEqual(
    kept.items.map(({ name, enabled }) => [name.replace("\u202e", ""), enabled]),
    [
      ["Ops of the file", true],
      ["Works", false],
      ["Refuses", true],
      ["<b>@channel</b>", true],
    ],
  );
});

test("an approver sees how channels do and can change none", real, async () => {
  const page = await world.open("/notifications", { user: "grace" });
  await channel(page, "Refuses").getByText("working").waitFor();
  assert.equal(await page.getByLabel("Add a channel").count(), 0);
  assert.deepEqual(await page.locator("li.channel").getByRole("button").allTextContents(), []);
  for (const toggle of await page.locator("li.channel").getByRole("switch").all()) assert.ok(await toggle.isDisabled());
});

test("nothing on these pages broke the content security policy or threw", real, () => {
  assert.deepEqual(world.violations, []);
});
