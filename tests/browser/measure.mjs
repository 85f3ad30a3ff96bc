// How quickly the page draws 200 cards and answers a key: node measure.mjs. Numbers, no test; benches/README.md keeps them.

import { startWorld, until } from "./world.mjs";

const CARDS = 200;
// As many as the hub lets one agent have waiting at once.
const EACH = 20;
const ROUNDS = 5;
const KEYS = 40;

const world = await startWorld();
const shims = [];
for (let at = 0; at < CARDS / EACH; at++) shims.push(await world.shim(`server-${at}`));
for (let at = 0; at < CARDS; at++)
  shims[Math.floor(at / EACH)].call(
    "delete_repo",
    JSON.stringify({ owner: "acme", repo: `repo-${at}`, reason: "It was not used for a year.\n".repeat(8) }),
  );

/** Milliseconds from the start of the page's way until so many things of the selector are painted. */
const drawn = (page, selector) =>
  page.evaluate(
    ([wanted, count]) =>
      new Promise((done) => {
        const look = () =>
          document.querySelectorAll(wanted).length >= count
            ? requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())))
            : requestAnimationFrame(look);
        look();
      }),
    [selector, CARDS],
  );

/** Milliseconds from each press of J until the next card is marked and painted. */
const answered = (page) =>
  page.evaluate(() => {
    const took = [];
    let at = 0;
    addEventListener(
      "keydown",
      () => {
        at = performance.now();
        requestAnimationFrame(() => requestAnimationFrame(() => took.push(performance.now() - at)));
      },
      true,
    );
    window.took = took;
  });

const sorted = (list) => list.toSorted((a, b) => a - b);
const line = (what, list) => {
  const all = sorted(list);
  const at = (share) => all[Math.min(all.length - 1, Math.floor(all.length * share))].toFixed(0);
  console.log(`${what}: median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms (${all.length})`);
};

const first = await world.open();
await until(
  async () =>
    (await first.locator("[data-id], [data-row]").count()) >= 1 && (await first.title()).includes(`(${CARDS})`),
  "all calls",
);
for (const [view, selector] of [
  ["cards", ".queue [data-id]"],
  ["list", ".queue [data-row]"],
]) {
  const [whole, keys] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const page = await world.open("/servers");
    await page.evaluate((one) => localStorage.setItem("hitl.prefs", JSON.stringify({ view: one })), view);
    await page.clock.resume();
    await page.goto("/approvals");
    whole.push(await drawn(page, selector));
    await answered(page);
    for (let press = 0; press < KEYS / ROUNDS; press++) {
      await page.keyboard.press("j");
      await page.waitForFunction((count) => window.took.length > count, press);
    }
    keys.push(...(await page.evaluate(() => window.took)));
    await page.context().close();
  }
  line(`${CARDS} calls as ${view}, from the address to the last of them painted`, whole);
  line(`${view}: a key, from the press to the paint after it`, keys);
}
await world.close();
