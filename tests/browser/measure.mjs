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

/** What the page's own thread has worked so far, in milliseconds of processor time: the same on a busy machine. */
async function worked(page) {
  const line = await page.context().newCDPSession(page);
  await line.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await line.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  };
}

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
  const [whole, work, keys, workOfKeys] = [[], [], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    const page = await world.open("/servers");
    await page.evaluate((one) => localStorage.setItem("hitl.prefs", JSON.stringify({ view: one })), view);
    await page.clock.resume();
    const busy = await worked(page);
    const before = await busy();
    await page.goto("/approvals");
    whole.push(await drawn(page, selector));
    work.push((await busy()) - before);
    const start = await busy();
    await answered(page);
    for (let press = 0; press < KEYS / ROUNDS; press++) {
      await page.keyboard.press("j");
      await page.waitForFunction((count) => window.took.length > count, press);
    }
    keys.push(...(await page.evaluate(() => window.took)));
    workOfKeys.push(((await busy()) - start) / (KEYS / ROUNDS));
    await page.context().close();
  }
  line(`${CARDS} calls as ${view}, from the address to the last of them painted`, whole);
  line("  the page's own work of that", work);
  line(`${view}: a key, from the press to the paint after it`, keys);
  line("  the page's own work of that", workOfKeys);
}
await world.close();
