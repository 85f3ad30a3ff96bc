// The keys of the queue. Each looks at what is marked when it is pressed, never at what was when the list was drawn.

import { get, set } from "../browser/store.js";
import { inSight } from "../browser/sight.js";
import { navigate } from "../browser/router.js";
import { takesText } from "../browser/keys.js";
import { focus, pressApprove, mayDecide, extend } from "../hub/decide.js";
import { visibleCards, neighbour, waiting } from "../rules/queue.js";
import { toggle } from "../components/card.js";
import { openNextFold } from "../components/arguments.js";
import { find } from "../components/find.js";

/** @typedef {(event: KeyboardEvent) => void} Act */

/** The cards that pass the filter now. */
const cards = () => visibleCards(get().queue, get().filter);
const pending = () => waiting(cards()).map((item) => item.approval.id);

/** The element of a card of the queue. @param {string} id */
export const cardOf = (id) => document.querySelector(`.queue [data-id="${CSS.escape(id)}"]`);

/** @param {1|-1} step @returns {Act} */
const move = (step) => (event) => {
  const { target } = event;
  const scrolls = target instanceof Element && target.closest(".json-tall, summary, [role=tab]");
  if (event.key.startsWith("Arrow") && scrolls) return;
  event.preventDefault();
  const next = neighbour(cards(), get().focus, step);
  if (next) focus(next);
};

/** Acts on the marked card, if it still waits and nothing is being written. @param {(id: string) => void} act @returns {Act} */
const onMarked = (act) => (event) => {
  const at = get().focus;
  if (!at || !pending().includes(at) || get().writing) return;
  event.preventDefault();
  act(at);
};

/** @param {(id: string) => void} act */
const onDecidable = (act) => onMarked((id) => mayDecide() && act(id));

/** @type {import("../browser/keys.js").Keymap} */
export const keymap = {
  j: move(1),
  ArrowDown: move(1),
  k: move(-1),
  ArrowUp: move(-1),
  a: onDecidable((id) => inSight(cardOf(id)) && pressApprove(id, "key")),
  "Shift+a": onDecidable((id) => set({ writing: { id, what: "approve" }, confirm: null })),
  r: onDecidable((id) => set({ writing: { id, what: "reject" }, confirm: null })),
  e: onDecidable(extend),
  o: onMarked((id) => openNextFold(cardOf(id))),
  f: onMarked(find),
  x: onDecidable(toggle),
  "Shift+x": () => {
    const all = pending();
    if (mayDecide()) set({ selected: new Set(all.every((one) => get().selected.has(one)) ? [] : all) });
  },
  Enter: ({ target }) => {
    const at = get().focus;
    // Enter on a button or link is that button's own.
    if (at && target instanceof Element && target.matches("article.card"))
      navigate(`/approvals/${encodeURIComponent(at)}`);
  },
  Escape: takeBack,
  "/": (event) => {
    event.preventDefault();
    const field = document.getElementById("filter");
    if (field instanceof HTMLInputElement) field.select();
  },
};

/** Takes back the nearest thing: a confirmation, a panel, the selection, the mark. */
function takeBack() {
  const state = get();
  if (state.confirm || state.writing) set({ confirm: null, writing: null });
  else if (state.selected.size) set({ selected: new Set() });
  else focus(null);
}

/** From the filter to the cards: to the marked one if it is shown, else to the first. */
export function toCards() {
  const shown = pending();
  const at = get().focus;
  const to = at && shown.includes(at) ? at : shown[0];
  const field = document.activeElement;
  if (takesText(field) && field instanceof HTMLElement) field.blur();
  focus(to ?? null);
  const card = to ? cardOf(to) : null;
  const place = card instanceof HTMLElement ? card : document.getElementById("main");
  place?.focus({ preventScroll: true });
  card?.scrollIntoView({ block: "nearest" });
}
