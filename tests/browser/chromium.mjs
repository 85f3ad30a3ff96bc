// The browser of the system, quiet: no updates, no telemetry, no first-run pages.

import { chromium } from "playwright-core";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const candidates = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How long it may take to start, on a machine that is busy with something else. */
const timeout = 120_000;

/** Launches it, with the fonts that pictures are made with. */
export const launch = () => chromium.launch(options({}));

/** The same with a profile in a folder, as a person has one: only there do notifications live on. */
export const launchPersistent = (folder, env) =>
  chromium.launchPersistentContext(folder, {
    ...options(env),
    viewport: { width: 1280, height: 860 },
    locale: "en-GB",
    reducedMotion: "reduce",
  });

function options(env) {
  const executablePath = candidates.find((path) => path && existsSync(path));
  if (!executablePath)
    throw new Error("no Chromium found: install the package `chromium`, or set CHROMIUM to its path");
  return {
    executablePath,
    timeout,
    args: flags,
    env: { ...process.env, FONTCONFIG_FILE: fileURLToPath(new URL("fonts.conf", import.meta.url)), ...env },
  };
}
