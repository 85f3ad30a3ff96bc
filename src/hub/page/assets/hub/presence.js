// A session ends when nobody uses it. Somebody who reads and types uses it, too, so the hub hears of that now and then.

import { get } from "../browser/store.js";
import { whoami } from "./api.js";

const EVERY_MS = 5 * 60_000;
let told = Date.now();

/** Watches for signs of a person. */
export function watch() {
  for (const sign of ["pointerdown", "keydown", "wheel"])
    addEventListener(sign, tell, { passive: true, capture: true });
}

function tell() {
  if (!get().session || Date.now() - told < EVERY_MS) return;
  told = Date.now();
  void whoami().catch(() => {});
}
