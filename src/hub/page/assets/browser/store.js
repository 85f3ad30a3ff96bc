// The page's state: one object, replaced on change, with subscribers. No rule lives here.

import { useState, useLayoutEffect, useRef } from "./ui.js";

/** @typedef {import("../rules/types.js").Item} Item */
/** @typedef {import("../rules/types.js").Session} Session */
/** @typedef {{id: number, kind: "ok"|"warn"|"error", text: string}} Toast */

/**
 * @typedef {object} State
 * @property {Session|null|undefined} session      undefined: not asked yet, null: signed out
 * @property {boolean} ended                       the hub no longer knows the session; the screens wait for another
 * @property {string} trouble                      why the page cannot even begin, in words
 * @property {"connecting"|"live"|"lost"} line
 * @property {number} dataAt                       page time of the last sign of life of the hub
 * @property {number} retryAt                      page time of the next try while lost
 * @property {boolean} loaded                      the queue was read at least once
 * @property {Item[]} queue                        oldest first
 * @property {string|null} focus                   the approval that keys act on
 * @property {Set<string>} selected
 * @property {{id: string, at: number}|null} confirm   a high-trust approve that waits for its second press
 * @property {{id: string, what: "reject"|"approve"}|null} writing   the card whose words are being written
 * @property {string|null} finding               the card in whose arguments something is looked for
 * @property {{focus: string|null, selected: Set<string>, top: number}|null} place   where the queue was left for a card
 * @property {Map<string, Set<string>>} opened     per approval, the folds that were opened
 * @property {import("../rules/queue.js").Filter} filter
 * @property {Record<string, number>} changes      per kind of event, how many there were
 * @property {import("../rules/types.js").Look[]} looking   who has which approval before them
 * @property {Toast[]} toasts
 * @property {string} spoken                       the last words for the live region
 * @property {"help"|"notify"|"password"|null} dialog
 */

/** @type {State} */
let state = {
  session: undefined,
  ended: false,
  trouble: "",
  line: "connecting",
  dataAt: Date.now(),
  retryAt: 0,
  loaded: false,
  queue: [],
  focus: null,
  selected: new Set(),
  confirm: null,
  writing: null,
  finding: null,
  place: null,
  opened: new Map(),
  filter: { server: "", agent: "", trust: "", text: "", order: "oldest", grouped: false },
  changes: {},
  looking: [],
  toasts: [],
  spoken: "",
  dialog: null,
};

/** @type {Set<() => void>} */
const subscribers = new Set();

/** The state as it is now. */
export const get = () => state;

/**
 * Replaces the given fields.
 * @param {Partial<State>} patch
 */
export function set(patch) {
  state = { ...state, ...patch };
  for (const wake of [...subscribers]) wake();
}

/** @param {() => void} wake */
export function subscribe(wake) {
  subscribers.add(wake);
  return () => void subscribers.delete(wake);
}

/** The hub says that nobody is signed in. What is on the page stays, out of sight, for whoever signs in again. */
export const endSession = () => set(state.session ? { ended: true } : { session: null });

/**
 * A part of the state, followed by the component that asks.
 * @template T
 * @param {(state: State) => T} select
 * @returns {T}
 */
export function useStore(select) {
  const [, redraw] = useState(0);
  const chosen = useRef(select);
  chosen.current = select;
  const value = select(state);
  const last = useRef(value);
  last.current = value;
  useLayoutEffect(() => {
    const check = () => {
      if (!Object.is(chosen.current(state), last.current)) redraw((n) => n + 1);
    };
    check();
    return subscribe(check);
  }, []);
  return value;
}

let toasts = 0;

/**
 * Says something at the edge of the page, and to screen readers.
 * @param {Toast["kind"]} kind
 * @param {string} text
 */
export function toast(kind, text) {
  const id = ++toasts;
  const others = state.toasts.filter((one) => one.text !== text);
  set({ toasts: [...others.slice(-3), { id, kind, text }], spoken: text });
  setTimeout(() => dismiss(id), kind === "ok" ? 5000 : 12000);
}

/** @param {number} id */
export function dismiss(id) {
  set({ toasts: state.toasts.filter((one) => one.id !== id) });
}

/** Words for the live region alone. @param {string} text */
export const say = (text) => set({ spoken: text });
