// Numbers, times and names as people read them.

import { visible } from "./glyphs.js";

const count = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

/** 12,345 @param {number} n */
export const number = (n) => count.format(n);

/** "1 card", "2 cards" @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** 14:03:22 @param {number} at */
export const time = (at) => clock.format(at);

/** Today's times short, older ones with the day. @param {number} at @param {number} now */
export const moment = (at, now) =>
  new Date(at).toDateString() === new Date(now).toDateString() ? time(at) : day.format(at);

/** With weekday, year, seconds and time zone. @param {number} at */
export const exact = (at) => full.format(at);

/** 4:32, or 1:02:03; never negative. @param {number} ms */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${rest}` : rest.replace(/^0(?=\d:)/, "");
}

/** "12 ms", "1.4 s", "2 min 5 s", "3 h 20 min" @param {number} ms */
export function duration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60 ? `${seconds % 60} s` : ""}`.trim();
  const minutes = Math.round(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60 ? `${minutes % 60} min` : ""}`.trim();
  return `${Math.round(minutes / 1440)} days`;
}

/** "just now", "28 s ago", "3 min ago", "2 h ago", "5 days ago" @param {number} ms */
export function ago(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 2) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

/** The words for each status. */
export const statusWords = {
  pending: "Pending",
  approved: "Approved",
  rejected: "Rejected",
  timed_out: "Timed out",
  cancelled: "Cancelled",
};

/** The words for each outcome. */
export const outcomeWords = {
  waiting: "waiting",
  not_executed: "not executed",
  released: "running",
  succeeded: "succeeded",
  failed: "failed",
  unknown: "outcome unknown",
};

/** For whom an agent calls, and whether that is only claimed. @param {{user: string|null, claimed_user: string|null}} of */
export function forWhom({ user, claimed_user: claimed }) {
  if (user) return ` for ${visible(user)}`;
  return claimed ? ` for ${visible(claimed)} (claimed)` : "";
}

/** What became of an approved call. @param {{outcome: import("./types.js").Outcome, handed_off?: boolean}} of */
export const outcomeOf = ({ outcome, handed_off: away }) =>
  away && outcome === "waiting" ? "waits for the client to call again" : outcomeWords[outcome];

/** The words for each step of an approval's timeline, after the name of who took it. @type {Record<string, string>} */
export const actionWords = {
  "approval.created": "asked",
  "approval.seen": "opened the card",
  "approval.extended": "gave more time",
  "approval.kept": "stopped waiting and will call again",
  "approval.grace_extended": "left more time to use the approval",
  "approval.joined": "called again",
  "approval.approved": "approved",
  "approval.rejected": "rejected",
  "approval.timed_out": "timed out",
  "approval.cancelled": "cancelled",
  "approval.expired": "voided the approval",
  "approval.released": "released the call to the server",
  "approval.continued": "went on with the call, as its server asked",
  "approval.finished": "reported the outcome",
};
