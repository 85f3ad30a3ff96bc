// Keys: who gets them, when they are off, and the two-key sequences. What they do belongs to the screens.

import { useLayoutEffect, useRef } from "./ui.js";
import { get } from "./store.js";
import * as prefs from "./prefs.js";

/** @typedef {(event: KeyboardEvent) => void} Act */
/** @typedef {Record<string, Act>} Keymap  key as in KeyboardEvent.key, with `Shift+` and `g ` prefixes */

/** @type {{current: Keymap}[]} */
const maps = [];
const SEQUENCE_MS = 1500;
let prefixAt = 0;

/** Whether what is typed there is text. @param {EventTarget|null} target */
export function takesText(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button"].includes(target.type);
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** The name of a pressed key as keymaps know it. @param {KeyboardEvent} event */
function nameOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const sequence = Date.now() - prefixAt < SEQUENCE_MS ? "g " : "";
  const letter = /^[a-z]$/.test(key);
  return `${sequence}${event.shiftKey && letter ? "Shift+" : ""}${key}`;
}

/** @param {KeyboardEvent} event */
function press(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (takesText(event.target) || get().dialog || document.querySelector("dialog[open]")) return;
  const single = event.key.length === 1;
  if (single && !prefs.get().keys) return;
  const name = nameOf(event);
  prefixAt = 0;
  if (name === "g") {
    prefixAt = Date.now();
    return;
  }
  const act = maps.findLast((map) => map.current[name])?.current[name];
  if (!act) return;
  // A key that repeats because it is held down moves, but never decides.
  if (event.repeat && !["j", "k", "ArrowDown", "ArrowUp"].includes(name)) return;
  act(event);
}

/** @type {"key"|"pointer"} */
let input = "pointer";

/** What the person last used. */
export const lastInput = () => input;

/** Enter that repeats because it is held down does not press what it pressed, or what came in its place, once more. @param {KeyboardEvent} event */
function holdBack(event) {
  const pressed = event.target instanceof Element && event.target.closest("button, input, a, summary");
  if (event.repeat && event.key === "Enter" && pressed) event.preventDefault();
}

/** Listens; called once. */
export function listen() {
  document.addEventListener("keydown", holdBack, true);
  document.addEventListener("keydown", () => void (input = "key"), true);
  document.addEventListener("pointerdown", () => void (input = "pointer"), true);
  document.addEventListener("keydown", press);
}

/** Keys of the calling component, as long as it is on the page; the latest component wins. @param {Keymap} map */
export function useKeys(map) {
  const mine = useRef(map);
  mine.current = map;
  // With what is drawn: a key that is pressed at once is for what is seen.
  useLayoutEffect(() => {
    maps.push(mine);
    return () => void maps.splice(maps.indexOf(mine), 1);
  }, []);
}
