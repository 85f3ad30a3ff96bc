// Finding inside a card's arguments: marks every place, counts them, and goes from one to the next. What is folded is
// counted, too, and opened when it is the next.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../browser/ui.js";
import { set, useStore } from "../browser/store.js";
import { unopened } from "../rules/fold.js";
import { countIn, findIn } from "../rules/find.js";
import { number } from "../rules/format.js";
import { openNextFold } from "./arguments.js";

/** @typedef {import("../rules/types.js").Approval} Approval */

const MOST = 2000;

/** Opens the field, or puts the cursor into it. @param {string} id */
export function find(id) {
  set({ finding: id });
  const field = document.querySelector(".find input");
  if (field instanceof HTMLInputElement) field.select();
}

/** The places in the lines that are drawn. @param {Element|null|undefined} card @param {string} words */
function placesIn(card, words) {
  /** @type {Range[]} */
  const places = [];
  for (const line of card?.querySelectorAll(".json .line, .json .plain") ?? []) {
    const nodes = textsOf(line);
    const texts = nodes.map((node) => node.data);
    for (const { from, to } of findIn(texts, words, MOST - places.length)) {
      const range = new Range();
      range.setStart(/** @type {Text} */ (nodes[from.piece]), from.at);
      range.setEnd(/** @type {Text} */ (nodes[to.piece]), to.at);
      places.push(range);
    }
  }
  return places;
}

/** The pieces of a line that are the call's own text. @param {Element} line */
function textsOf(line) {
  /** @type {Text[]} */
  const texts = [];
  const all = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  for (let node = all.nextNode(); node; node = all.nextNode())
    if (node instanceof Text && !node.parentElement?.closest(".fold, .depth")) texts.push(node);
  return texts;
}

/** Brings a place into the middle of what is seen. @param {Range|undefined} place */
function show(place) {
  const inside = place?.startContainer.parentElement?.closest(".json-tall");
  if (!place) return;
  const middle = () => place.getBoundingClientRect().top;
  if (inside) inside.scrollTop += middle() - inside.getBoundingClientRect().top - inside.clientHeight / 2;
  window.scrollBy(0, middle() - window.innerHeight / 2);
}

/** Marks the places, where the browser can do that without touching the text. @param {Range[]} places @param {number} at */
function mark(places, at) {
  if (!CSS.highlights) return;
  CSS.highlights.set("found", new Highlight(...places));
  CSS.highlights.set("found-now", new Highlight(...places.slice(at, at + 1)));
}

function unmark() {
  CSS.highlights?.delete("found");
  CSS.highlights?.delete("found-now");
}

/** The field above a card's arguments, while somebody looks for something there. @param {{approval: Approval}} props */
export function Find({ approval }) {
  const finding = useStore((state) => state.finding === approval.id);
  return finding ? html`<${Field} approval=${approval} />` : null;
}

/** @param {{approval: Approval}} props */
function Field({ approval }) {
  const form = useRef(/** @type {HTMLElement|null} */ (null));
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const [places, setPlaces] = useState(/** @type {Range[]} */ ([]));
  const opened = useStore((state) => state.opened);
  const card = () => form.current?.closest(".card");
  useLayoutEffect(() => {
    form.current?.querySelector("input")?.focus({ preventScroll: true });
    return unmark;
  }, []);
  useEffect(() => {
    const found = placesIn(card(), words);
    setPlaces(found);
    show(found[Math.min(at, found.length - 1)]);
  }, [words, opened, approval.arguments]);
  // With the count, so that what it says is marked.
  useLayoutEffect(() => mark(places, at), [places, at]);
  const folded = unopened(approval, opened)
    ? countIn(approval.arguments + (approval.extra ?? ""), words) - places.length
    : 0;
  const step = (/** @type {1|-1} */ way) => {
    if (way === 1 && at + 1 >= places.length && folded > 0) {
      setAt(places.length);
      return openNextFold(card() ?? null);
    }
    const next = (at + way + places.length) % Math.max(1, places.length);
    setAt(next);
    show(places[next]);
  };
  const close = () => {
    set({ finding: null });
    const whole = card();
    if (whole instanceof HTMLElement) whole.focus({ preventScroll: true });
  };
  const press = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" && event.key !== "Enter") return;
    if (event.target instanceof HTMLButtonElement && event.key === "Enter") return;
    event.preventDefault();
    if (event.key === "Escape") close();
    else step(event.shiftKey ? -1 : 1);
  };
  const said = places.length
    ? `${number(Math.min(at, places.length - 1) + 1)} of ${number(places.length)}${places.length >= MOST ? " or more" : ""}`
    : words && folded <= 0 && "not found";
  return html`<form class="find" ref=${form} role="search" aria-label="In this call" onKeyDown=${press} onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
    <input type="search" aria-label="Find in the arguments" placeholder="Find in the arguments" autocomplete="off" spellcheck=${false} value=${words} onInput=${(/** @type {any} */ e) => (setAt(0), setWords(e.target.value))} />
    <button type="button" class="button small" aria-label="Previous place" disabled=${places.length < 2} onClick=${() => step(-1)}>↑</button>
    <button type="button" class="button small" aria-label="Next place" disabled=${places.length < 2 && folded <= 0} onClick=${() => step(1)}>↓</button>
    <span class="quiet small" role="status">${said}${folded > 0 && ` ${places.length ? "and" : ""} ${number(folded)} in folded parts`}</span>
    <span class="grow"></span>
    <button type="button" class="link" onClick=${close}>Close</button>
  </form>`;
}
