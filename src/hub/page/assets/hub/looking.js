// "Ada is looking at this": tells the hub which card this person has before them, and keeps what it tells of others.

import * as api from "./api.js";
import { mayDecide } from "./decide.js";
import { get, set, subscribe } from "../browser/store.js";
import { shifted } from "../browser/guard.js";

/** Who only passes by does not look. */
const AFTER_MS = 1000;
/** The hub forgets whoever does not say it again. */
const AGAIN_MS = 20_000;

/** @type {string|null} */
let at = null;
/** @type {string|null} */
let told = null;
let timer = 0;

/** The card that this person has before them. */
function before() {
  const { session, ended, focus, queue } = get();
  if (!session || ended || document.hidden || !mayDecide()) return null;
  const waits = queue.some(({ approval }) => approval.id === focus && approval.status === "pending");
  return waits ? focus : null;
}

function look() {
  const now = before();
  if (now === at) return;
  at = now;
  clearTimeout(timer);
  timer = window.setTimeout(tell, AFTER_MS);
}

function tell() {
  if (at !== null || told !== null) api.look(at).catch(() => {});
  told = at;
  if (at !== null) timer = window.setTimeout(tell, AGAIN_MS);
}

/** Watches what is marked and whether it is in sight. */
export function watch() {
  subscribe(look);
  document.addEventListener("visibilitychange", look);
}

/** What the hub tells of everybody. @param {import("../rules/types.js").Look[]} looking */
export function takeLooks(looking) {
  const names = (/** @type {typeof looking} */ all) =>
    all.map(({ user, approval }) => `${approval} ${user}`).join("\n");
  // Where a name appears, cards grow.
  if (names(looking) !== names(get().looking)) shifted();
  set({ looking });
}
