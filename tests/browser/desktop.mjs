// A desktop of our own, so that notifications are really shown and really pressed: a session bus with a notification
// service on it, and a browser that uses both.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launchPersistent } from "./chromium.mjs";
import { PATIENCE, until } from "./world.mjs";

const python = fileURLToPath(new URL("../.cache/venv/bin/python", import.meta.url));
const server = (name) => fileURLToPath(new URL(`../servers/${name}`, import.meta.url));

/** A program that tells in lines of JSON; `lines` grows. */
export async function telling(program, args, env = {}) {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", process.env.HITL_SHOW ? "inherit" : "ignore"],
  });
  const lines = [];
  createInterface({ input: child.stdout }).on("line", (line) =>
    lines.push(line.startsWith("{") ? JSON.parse(line) : line),
  );
  await until(() => lines.length > 0 || child.exitCode !== null, `the first line of ${args.at(-1)}`);
  return {
    child,
    lines,
    first: lines[0],
    say: (text) => child.stdin.write(`${text}\n`),
    close: () => child.kill("SIGKILL"),
  };
}

/** A push service with a browser's keys, `tests/servers/push.py`. */
export async function startPushService() {
  const { lines, first, close } = await telling(python, ["-I", server("push.py")]);
  const got = () => lines.slice(1);
  return {
    endpoint: (path) => `http://127.0.0.1:${first.port}${path}`,
    keys: first.keys,
    got,
    next: (count) => until(() => got().length >= count && got()[count - 1], `message ${count}`),
    close,
  };
}

/** A browser with a profile of its own on a desktop of its own. */
export async function startDesktop() {
  const bus = await telling("dbus-daemon", [
    `--config-file=${server("bus.conf")}`,
    "--nofork",
    "--nopidfile",
    "--print-address",
  ]);
  const env = { DBUS_SESSION_BUS_ADDRESS: bus.first };
  const shown = await telling(python, ["-I", server("desktop.py")], env);
  const profile = mkdtempSync(join(tmpdir(), "hitl-profile-"));
  const context = await launchPersistent(profile, env);
  context.setDefaultTimeout(PATIENCE);
  return {
    context,
    /** Everything that was shown or closed, oldest first. */
    seen: () => shown.lines.slice(1),
    next: (count) => until(() => shown.lines.length > count && shown.lines[count], `notification ${count}`),
    press: (id) => shown.say(`press ${id}`),
    async close() {
      await context.close();
      shown.close();
      bus.close();
      // Not every process of the browser is gone when it is.
      rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}
