// Keeps the state in step with the hub: follows the events, in this tab or through the one that holds the line, and says
// when the line is lost.

import * as api from "./api.js";
import { get, set, endSession } from "../browser/store.js";
import { synchronise } from "../browser/clock.js";
import { read } from "./sse.js";
import { share } from "./share.js";
import { loadQueue, take } from "./pending.js";
import { takeLooks } from "./looking.js";

/** @typedef {import("./share.js").News} News */

const SILENCE_MS = 35_000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

/** @type {AbortController|null} */
let running = null;
/** @type {ReturnType<typeof share>|null} */
let line = null;
let lastId = "";
let silence = 0;
/** @type {() => void} */
let hurry = () => {};

/** Starts following; again after sign-in. */
export function start() {
  stop();
  running = new AbortController();
  line = share(`hitl.events.${get().session?.user.name}`, { lead, asked, hear, signal: running.signal });
}

/** Stops following, as on sign-out. */
export function stop() {
  running?.abort();
  running = null;
  line = null;
  lastId = "";
  clearTimeout(silence);
}

/** Tries to reconnect now instead of later. */
export const reconnect = () => line?.ask("hurry");

/** What this tab, which holds the line, says when another asks. @param {"who"|"hurry"} ask @returns {News[]} */
function asked(ask) {
  if (ask === "hurry") hurry();
  const { line, retryAt } = get();
  /** @type {News} */
  const state = line === "lost" ? { kind: "lost", ms: Math.max(0, retryAt - Date.now()) } : { kind: "alive" };
  return line === "connecting" ? [{ kind: "here", lastId }] : [{ kind: "here", lastId }, state];
}

/** Holds the line until the signal, for all tabs. @param {(news: News) => void} tell @param {AbortSignal} signal */
async function lead(tell, signal) {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await read("/api/v1/events", {
        headers: api.shown(),
        lastId,
        silence: SILENCE_MS,
        signal,
        onOpen: () => {
          attempt = -1;
          tell({ kind: "open" });
        },
        onAlive: () => tell({ kind: "alive" }),
        onMessage: (message) => tell({ kind: "message", message }),
      });
    } catch (error) {
      if (/** @type {any} */ (error).status === 401 && !signal.aborted) tell({ kind: "over" });
    }
    if (signal.aborted) return;
    const ms = RETRY_MS[Math.min(Math.max(attempt, 0), RETRY_MS.length - 1)] ?? 8000;
    tell({ kind: "lost", ms });
    await pause(ms, signal);
  }
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      hurry = () => {};
      resolve(undefined);
    }
    hurry = done;
  });
}

/** What happens on the line, wherever it ends. @param {News} news */
function hear(news) {
  expectMore(news.kind === "lost" ? news.ms : SILENCE_MS);
  if (news.kind === "open" || news.kind === "alive") alive();
  if (news.kind === "open") void loadQueue();
  if (news.kind === "lost") set({ line: "lost", retryAt: Date.now() + news.ms });
  if (news.kind === "over") endSession();
  if (news.kind === "here" && (news.lastId !== lastId || !get().loaded)) catchUp(news.lastId);
  if (news.kind === "message") receive(news.message);
}

function alive() {
  const { line, toasts, queue } = get();
  set({ line: "live", dataAt: Date.now() });
  if (line === "live") return;
  // What was said while it was away is not true any more.
  const right = (/** @type {import("../rules/types.js").Item} */ item) =>
    item.error === api.UNREACHABLE ? { ...item, error: undefined } : item;
  set({ toasts: toasts.filter((one) => one.text !== api.UNREACHABLE), queue: queue.map(right) });
}

/** The tab that holds the line may have been stopped: whoever hears nothing of it says so, and asks. @param {number} ms */
function expectMore(ms) {
  clearTimeout(silence);
  const late = () => {
    set({ line: "lost", retryAt: Date.now() });
    reconnect();
    silence = window.setTimeout(late, SILENCE_MS);
  };
  silence = window.setTimeout(late, ms + 5000);
}

/** @param {import("./sse.js").Message} message */
function receive(message) {
  const data = parse(message.data);
  if (message.id) lastId = message.id;
  if (message.event === "hello") {
    synchronise(data.now);
  } else if (message.event === "looking") {
    takeLooks(data.looking ?? []);
  } else if (message.event === "snapshot") {
    catchUp(lastId);
  } else {
    if (message.event === "approval") arrived(data);
    changed(message.event);
  }
}

/** An event brings the card with it, unless that is large. @param {{subject: string, approval: import("../rules/types.js").Approval|null}} data */
function arrived({ subject, approval }) {
  if (approval) take(approval);
  // Else the next connection reads it with all that waits.
  else void api.approval(subject).then(take, () => {});
}

/** Reads everything again: what happened up to that event was not heard here. @param {string} id */
function catchUp(id) {
  lastId = id;
  changed("approval", "policy", "agents", "users", "sessions");
  void loadQueue();
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
