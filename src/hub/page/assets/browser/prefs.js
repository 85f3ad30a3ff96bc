// What this browser remembers: theme, single keys, sound, notifications, its name for pushes, cards or list, what it need not be told again. Never anything of an approval.

import { useState, useEffect } from "./ui.js";

/** @typedef {{theme: "auto"|"light"|"dark", keys: boolean, sound: boolean, notify: boolean, push: string, view: "auto"|"cards"|"list", seen: string[]}} Prefs */

const KEY = "hitl.prefs";
/** @type {Prefs} */
const defaults = { theme: "auto", keys: true, sound: false, notify: true, push: "", view: "auto", seen: [] };

/** @returns {Prefs} */
function load() {
  try {
    return { ...defaults, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return defaults;
  }
}

let prefs = load();
/** @type {Set<() => void>} */
const followers = new Set();

/** The preferences as they are now. */
export const get = () => prefs;

/** @param {Partial<Prefs>} patch */
export function set(patch) {
  prefs = { ...prefs, ...patch };
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs));
  } catch {
    // A browser that keeps nothing still obeys until the page is closed.
  }
  apply();
  for (const wake of [...followers]) wake();
}

/** Puts the theme on the document. */
export function apply() {
  if (prefs.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = prefs.theme;
}

/** The preferences, followed. */
export function usePrefs() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const wake = () => redraw((n) => n + 1);
    followers.add(wake);
    return () => void followers.delete(wake);
  }, []);
  return prefs;
}

window.addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  prefs = load();
  apply();
  for (const wake of [...followers]) wake();
});
