// Time as the hub counts it: the page's clock plus the difference measured at every answer that carries the hub's.

import { useState, useEffect } from "./ui.js";

let offset = 0;

/** Takes the hub's time from an answer that just arrived. @param {number} hubTime */
export function synchronise(hubTime) {
  if (Number.isFinite(hubTime)) offset = hubTime - Date.now();
}

/** Now, by the hub's clock. */
export const now = () => Date.now() + offset;

/** A time of the page's clock, by the hub's. @param {number} local */
export const toHub = (local) => local + offset;

/** @type {Set<() => void>} */
const followers = new Set();
let timer = 0;

function tick() {
  for (const wake of [...followers]) wake();
  timer = followers.size ? window.setTimeout(tick, 1000 - (now() % 1000) + 5) : 0;
}

/** Draws the caller again at every full second of the hub's clock, and says what time it is. */
export function useNow() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const wake = () => redraw((n) => n + 1);
    followers.add(wake);
    if (!timer) tick();
    return () => void followers.delete(wake);
  }, []);
  return now();
}
