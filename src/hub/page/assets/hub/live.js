// Keeps the state in step with the hub: reads the queue, follows the events, says when the line is lost.

import * as api from "./api.js";
import { get, set, say } from "../browser/store.js";
import { synchronise } from "../browser/clock.js";
import { read } from "./sse.js";
import { upsert, reconcile } from "../rules/queue.js";
import { announce } from "./notify.js";
import { settled } from "./push.js";
import { visible } from "../rules/glyphs.js";

/** @typedef {import("../rules/types.js").Approval} Approval */

const SILENCE_MS = 35_000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

/** @type {AbortController|null} */
let running = null;
let lastId = "";
/** @type {Set<string>} */
let touched = new Set();
/** @type {() => void} */
let hurry = () => {};

/** Starts following; again after sign-in. */
export function start() {
  stop();
  running = new AbortController();
  void follow(running.signal);
}

/** Stops following, as on sign-out. */
export function stop() {
  running?.abort();
  running = null;
  lastId = "";
}

/** Tries to reconnect now instead of later. */
export const reconnect = () => hurry();

/** @param {AbortSignal} signal */
async function follow(signal) {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await read("/api/v1/events", {
        lastId,
        silence: SILENCE_MS,
        signal,
        onOpen: () => {
          attempt = -1;
          set({ line: "live", dataAt: Date.now() });
          void loadQueue();
        },
        onAlive: () => set({ dataAt: Date.now(), line: "live" }),
        onMessage: receive,
      });
    } catch (error) {
      if (/** @type {any} */ (error).status === 401) return set({ session: null });
    }
    if (signal.aborted) return;
    await pause(RETRY_MS[Math.min(Math.max(attempt, 0), RETRY_MS.length - 1)] ?? 8000);
  }
}

/** @param {number} ms */
function pause(ms) {
  set({ line: "lost", retryAt: Date.now() + ms });
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      hurry = () => {};
      resolve(undefined);
    }
    hurry = done;
  });
}

/** @param {import("./sse.js").Message} message */
function receive(message) {
  const data = parse(message.data);
  if (message.id) lastId = message.id;
  if (message.event === "hello") {
    synchronise(data.now);
  } else if (message.event === "snapshot") {
    changed("approval", "policy", "agents", "users", "sessions");
    void loadQueue();
  } else {
    if (message.event === "approval" && data.approval) take(data.approval);
    changed(message.event);
  }
}

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Tells the screens that follow such events to read again. @param {...string} kinds */
function changed(...kinds) {
  const changes = { ...get().changes };
  for (const kind of kinds) changes[kind] = (changes[kind] ?? 0) + 1;
  set({ changes });
}

/** Puts one approval, as the hub sent it, where it belongs. @param {Approval} approval */
export function take(approval) {
  const before = get().queue.find((item) => item.approval.id === approval.id);
  touched.add(approval.id);
  set({ queue: upsert(get().queue, approval, Date.now()) });
  if (approval.status !== "pending") void settled(approval.id).catch(() => {});
  else if (!before) tell(approval);
}

/** Says that a card is new, to eyes and ears that are elsewhere. @param {Approval} approval */
function tell(approval) {
  say(`New approval: ${visible(approval.tool)} on ${visible(approval.server)}, trust ${approval.trust}.`);
  announce(approval);
}

/** Reads the whole queue, page by page. */
export async function loadQueue() {
  touched = new Set();
  const since = touched;
  try {
    /** @type {Approval[]} */
    const all = [];
    /** @type {string|null} */
    let cursor = null;
    do {
      /** @type {import("../rules/types.js").Page<Approval>} */
      const page = await api.approvals({ status: "pending", limit: 200, cursor });
      all.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor);
    const { queue, gone } = reconcile(get().queue, all, since, Date.now());
    const before = new Set(get().queue.map((item) => item.approval.id));
    const again = get().loaded;
    set({ queue, loaded: true, dataAt: Date.now() });
    // What came in while the line was lost is as new as what an event brings.
    if (again) for (const approval of all) if (!before.has(approval.id)) tell(approval);
    for (const id of gone) void api.approval(id).then(take, () => {});
  } catch {
    // The line's own banner tells; the next connection reads again.
  }
}
