// A hub with its users, real shims with a real server behind them, and browsers that look at it.
// HITL_BROWSER_MOCK=1 puts the mock hub in its place, to work on the page without the binaries; that proves nothing.

import { spawn, execFile } from "node:child_process";
import { createInterface } from "node:readline";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { launch } from "./chromium.mjs";
import { startMock } from "./mock.mjs";

const run = promisify(execFile);
/** How long anything may take before a test says that it did not happen. */
export const PATIENCE = 60_000;
export const mocked = process.env.HITL_BROWSER_MOCK === "1";
const root = fileURLToPath(new URL("../../", import.meta.url));
const PASSWORD = "correct horse battery staple";
const users = { lin: "admin", grace: "approver", kim: "viewer" };

/** The folder of the programs under test. */
function programs() {
  const folders = [
    process.env.HITL_BIN_DIR,
    process.env.CARGO_TARGET_DIR && join(process.env.CARGO_TARGET_DIR, "debug"),
    join(root, "target/debug"),
  ];
  const folder = folders.find((path) => path && existsSync(join(path, "hitl-hub")));
  if (!folder) throw new Error("hitl-hub is not built: run `cargo build`, or set HITL_BIN_DIR");
  return folder;
}

/** Waits until `look` gives something, with a deadline. */
export async function until(look, what, ms = PATIENCE) {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/**
 * A moment from now, time stops on this page, until `page.clock.resume()`: two presses that belong together are one
 * moment to it then, however long the machine takes for them.
 */
export async function stopTime(page) {
  for (let ahead = 1000; ; ahead *= 2) {
    const now = await page.evaluate(() => Date.now());
    try {
      return await page.clock.pauseAt(now + ahead);
    } catch (error) {
      // The page was faster.
      if (!/past/.test(String(error))) throw error;
    }
  }
}

/** The headers with which a page's own requests show that they are its own. */
export async function shown(page) {
  const half = await page.evaluate(() => localStorage.getItem("hitl.session")).catch(() => null);
  return { "X-HITL-CSRF": half ?? "" };
}

/** In every page of the hub: what signing in there would have kept, until the page itself signs in anew. */
function keepsHalf([origin, half]) {
  if (location.origin !== origin || localStorage.getItem("test.half") === half) return;
  localStorage.setItem("test.half", half);
  localStorage.setItem("hitl.session", half);
}

/** Everything a test needs; `close` ends all of it. `config` is the text of the hub's config file. */
export async function startWorld({ config } = {}) {
  const hub = mocked ? await mockedHub() : await realHub(config);
  const browser = await launch();
  const pages = [];
  const shims = [];
  const violations = [];
  const calls = [];
  // One sign-in per user: the hub allows only so many in a minute.
  const sessions = new Map();

  /** A signed-in page; the browser's own complaints are collected. */
  async function open(
    path = "/approvals",
    { user = "lin", signedIn = true, ownSession = false, time, ...options } = {},
  ) {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 860 },
      locale: "en-GB",
      baseURL: hub.url(),
      reducedMotion: "reduce",
      ...options,
    });
    const page = await context.newPage();
    pages.push(page);
    page.setDefaultTimeout(PATIENCE);
    // Time flows as ever until a test moves it on.
    await page.clock.install(time === undefined ? {} : { time });
    page.on(
      "console",
      (message) =>
        /Content Security Policy|TrustedScript|TrustedHTML/.test(message.text()) && violations.push(message.text()),
    );
    page.on("pageerror", (error) => violations.push(String(error.stack)));
    const known = ownSession ? undefined : sessions.get(user);
    if (signedIn && known) {
      await context.addCookies(known.cookies);
      await context.addInitScript(keepsHalf, [hub.url(), known.half]);
    } else if (signedIn) {
      const half = await hub.signIn(page, user);
      if (!ownSession) sessions.set(user, { cookies: await context.cookies(), half });
    }
    await page.goto(path);
    return page;
  }

  /** Ends every page, with what it was doing, and takes back every call: the next test meets nothing of this one. */
  async function closePages() {
    for (const call of calls.splice(0)) call.cancel();
    const page = pages.find((page) => page.url().startsWith(hub.url()));
    if (page) await until(async () => !(await pendingCount(page)), "the end of every call");
    for (const page of pages.splice(0)) await page.context().close();
  }

  /** Waits until so many calls wait at the hub, whatever the page shows. */
  const wait = (page, count) => until(async () => (await pendingCount(page)) === count, `${count} calls at the hub`);

  /** How many wait, as far as whoever is signed in on the page may know; nobody signed in, nothing known. */
  async function pendingCount(page) {
    const headers = await shown(page);
    const answer = await page.request.get(`${hub.url()}/api/v1/approvals?status=pending`, { headers });
    return answer.ok() ? (await answer.json()).items.length : 0;
  }

  /** A client with a shim in front of the test server. */
  async function shim(server = "github", who = {}) {
    const made = await hub.shim(server, who);
    shims.push(made);
    const call = (...what) => {
      const one = made.call(...what);
      calls.push(one);
      return one;
    };
    return { ...made, call };
  }

  return {
    get url() {
      return hub.url();
    },
    hub,
    open,
    closePages,
    wait,
    shim,
    violations,
    async close() {
      await browser.close();
      for (const one of shims) one.close();
      await hub.close();
    },
  };
}

async function realHub(config) {
  const bin = programs();
  const data = mkdtempSync(join(tmpdir(), "hitl-page-"));
  const env = { ...process.env, HITL_DATA_DIR: data, HITL_PUSH_HOSTS: "127.0.0.1", NO_COLOR: "1" };
  delete env.HITL_CONFIG;
  if (config) writeFileSync((env.HITL_CONFIG = join(data, "config.toml")), config);
  let address = "";
  let child;
  const cli = (args, input) => {
    const made = run(join(bin, "hitl-hub"), [...args, "--data-dir", data], { env });
    // A command that asks for nothing may have ended already.
    made.child.stdin.on("error", () => {});
    made.child.stdin.end(input ?? "");
    return made.then(({ stdout }) => stdout.trim());
  };
  async function serve(listen) {
    child = spawn(join(bin, "hitl-hub"), ["serve", "--listen", listen, "--data-dir", data], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    address = await new Promise((ready, fail) => {
      const lines = createInterface({ input: child.stderr });
      let all = "";
      lines.on("line", (line) => {
        all += `${line}\n`;
        const found = /listening on (http:\/\/\S+)/.exec(line);
        if (found) ready(found[1]);
      });
      lines.on("close", () => fail(new Error(`hitl-hub ended:\n${all}`)));
    });
  }
  const ended = () => new Promise((done) => (child.exitCode !== null ? done() : child.once("exit", done)));
  for (const [name, role] of Object.entries(users))
    await cli(["user", "add", name, "--role", role, "--password-stdin"], `${PASSWORD}\n`);
  let agents = 0;
  await serve("127.0.0.1:0");

  return {
    url: () => address,
    link: () => cli(["open", "--no-browser"]),
    async signIn(page, user) {
      const attempt = async () => {
        const answer = await page.request.post(`${address}/api/v1/session`, {
          data: { name: user, password: PASSWORD },
        });
        return answer.status() === 429 ? null : answer;
      };
      // Every test signs in anew, which the hub's limit on attempts may slow down.
      const answer = await until(attempt, `sign-in of ${user}`);
      if (!answer.ok()) throw new Error(`sign-in of ${user}: ${answer.status()} ${await answer.text()}`);
      const half = (await answer.json()).csrf;
      await page.context().addInitScript(keepsHalf, [address, half]);
      return half;
    },
    password: PASSWORD,
    // An agent of its own each: the hub takes only so many calls a minute from one.
    // Without a user, nobody is known to stand behind it.
    // With `tools`, these are what its server lists; with `token`, it is an agent that is there already.
    async shim(
      server,
      {
        agent = `laptop-${++agents}`,
        user = "ada",
        client = { name: "test-client", version: "1.0" },
        tools,
        token,
        env: more,
      },
    ) {
      token ??= await cli(["agent", "add", agent, ...(user ? ["--user", user] : [])]);
      const file = tools && join(data, `tools-${++agents}.json`);
      if (tools) writeFileSync(file, JSON.stringify(tools));
      const shim = await realShim(
        join(bin, "hitl-wrap"),
        server,
        client,
        { ...env, ...more, HITL_HUB: address, HITL_AGENT_TOKEN: token },
        file,
      );
      return { ...shim, token };
    },
    /** Starts `hitl-wrap` with its home in a folder of its own: the process. */
    wrap(...args) {
      const home = mkdtempSync(join(data, "home-"));
      const alone = {
        ...process.env,
        HOME: home,
        HITL_DATA_DIR: home,
        HITL_CONFIG: join(home, "config.toml"),
        NO_COLOR: "1",
      };
      return Object.assign(spawn(join(bin, "hitl-wrap"), args, { env: alone, stdio: ["ignore", "pipe", "pipe"] }), {
        home,
      });
    },
    async stop() {
      child.kill("SIGTERM");
      await ended();
    },
    start: () => serve(address.slice("http://".length)),
    async close() {
      child.kill("SIGKILL");
      await ended();
      // What is killed may be writing there still.
      rmSync(data, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

async function realShim(program, server, client, env, tools) {
  const child = spawn(
    program,
    [
      "--server",
      server,
      "--",
      process.execPath,
      fileURLToPath(new URL("server.mjs", import.meta.url)),
      ...(tools ? [tools] : []),
    ],
    { env, stdio: ["pipe", "pipe", process.env.HITL_SHOW ? "inherit" : "ignore"] },
  );
  // A test that ends while its client still speaks closes the pipe under it.
  child.stdin.on("error", () => {});
  const waiting = new Map();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message = JSON.parse(line);
    waiting.get(message.id)?.(message);
  });
  // Nobody waits for a program that is gone.
  child.once("exit", () => waiting.forEach((answer) => answer({ error: "hitl-wrap has ended" })));
  let last = 0;
  const send = (text) => child.stdin.write(`${text}\n`);
  const request = (method, params) => {
    const id = ++last;
    const answer = new Promise((done) => waiting.set(id, done));
    send(`{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params}}`);
    return { id, answer };
  };
  await request(
    "initialize",
    `{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":${JSON.stringify(client)}}`,
  ).answer;
  send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  await request("tools/list", "{}").answer;
  return {
    /** Calls a tool; `answer` is the text that the client receives in the end. */
    /** @param {string} tool @param {string} [raw] the arguments @param {string} [besides] more members of params */
    call(tool, raw = "{}", besides = "") {
      const { id, answer } = request("tools/call", `{"name":${JSON.stringify(tool)},"arguments":${raw}${besides}}`);
      const cancel = (reason = "the user pressed stop") =>
        send(
          `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":${JSON.stringify(reason)}}}`,
        );
      return { answer: answer.then((m) => m.result?.content?.[0]?.text ?? JSON.stringify(m.error)), cancel };
    },
    close: () => child.kill("SIGKILL"),
  };
}

/** The same over the mock: enough for the page, no proof of anything else. */
async function mockedHub() {
  const mock = await startMock({ signedIn: true });
  mock.state.agents[0].name = "laptop";
  const port = Number(new URL(mock.url).port);
  return {
    mock,
    url: () => mock.url,
    link: async () => `${mock.url}/signin#onetime`,
    signIn: async () => {},
    password: "pw",
    stop: async () => mock.pause(),
    start: async () => mock.resume(port),
    close: () => mock.close(),
    async shim(server) {
      return {
        call(tool, raw = "{}", besides = "") {
          const trust = tool.startsWith("delete") ? "high" : tool.startsWith("create") ? "medium" : "low";
          const made = mock.add({
            tool,
            server,
            trust,
            arguments: raw,
            extra: besides && `{${besides.slice(1)}}`,
            agent: { client_id: "agt_7k2m9qx4", name: "laptop" },
            client: { name: "test-client", version: "1.0" },
            created_at: Date.now(),
            deadline_at: Date.now() + 300_000,
          });
          const answer = until(
            () =>
              made.status !== "pending" &&
              (made.status === "approved" ? `ran 1 ${tool}` : `Tool '${tool}' was rejected by admin: '${made.reason}'`),
            "an answer",
          );
          return {
            answer,
            cancel: () =>
              made.status === "pending" &&
              mock.settle(made.id, { status: "cancelled", reason: "the user pressed stop" }),
          };
        },
        close() {},
      };
    },
  };
}
