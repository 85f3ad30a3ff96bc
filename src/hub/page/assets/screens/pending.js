// The queue: cards oldest first, keys, and a list that never moves under the pointer.

import { html, useEffect, useLayoutEffect, useRef } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import { focus, pressApprove, mayDecide, moveOn } from "../hub/decide.js";
import { shifted } from "../browser/guard.js";
import { visibleCards, neighbour, waiting } from "../rules/queue.js";
import { useKeys } from "../browser/keys.js";
import { inSight } from "../browser/sight.js";
import { navigate } from "../browser/router.js";
import { plural } from "../rules/format.js";
import { Card, toggle } from "../components/card.js";
import { BatchBar } from "../components/batchbar.js";
import { QueueFilters, clearFilter, filtering } from "../components/filters.js";
import { ApprovalTabs } from "../components/tabs.js";
import { NothingWaits } from "../components/nothing.js";

/** A settled card stays this long, so that its end can be read. */
const KEEP_MS = 3000;

export function Pending() {
  const queue = useStore((state) => state.queue);
  const filter = useStore((state) => state.filter);
  const loaded = useStore((state) => state.loaded);
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  const cards = visibleCards(queue, filter);
  useSweep(list, queue);
  useKeys(keymap(cards));
  useEffect(() => () => set({ focus: null, confirm: null, rejecting: null, selected: new Set() }), []);
  const count = waiting(queue).length;
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head">
      <h1 id="title">Approvals</h1>
      <${ApprovalTabs} at="pending" />
    </header>
    ${queue.length > 0 && html`<div class="bar"><${QueueFilters} /><span class="grow"></span><span class="quiet">${plural(count, "call")} waiting</span></div>`}
    <div class="queue" ref=${list}>
      ${cards.map((item) => html`<${Card} key=${item.approval.id} item=${item} />`)}
    </div>
    ${!loaded && html`<p class="quiet loading">Asking the hub…</p>`}
    ${loaded && queue.length === 0 && html`<${NothingWaits} />`}
    ${queue.length > 0 && cards.length === 0 && filtering(filter) && html`<div class="empty"><h2>No card matches the filter</h2><p>${plural(count, "call waits", "calls wait")} behind it.</p><button class="button" onClick=${clearFilter}>Show all</button></div>`}
    <${BatchBar} />
  </section>`;
}

/** What the keys do here. @param {import("../rules/types.js").Item[]} cards @returns {import("../browser/keys.js").Keymap} */
function keymap(cards) {
  const id = get().focus;
  const pending = waiting(cards).map((item) => item.approval.id);
  const move = (/** @type {1|-1} */ step) => (/** @type {KeyboardEvent} */ event) => {
    if (
      event.key.startsWith("Arrow") &&
      event.target instanceof Element &&
      event.target.closest(".json-tall, summary, [role=tab]")
    )
      return;
    event.preventDefault();
    const next = neighbour(cards, get().focus, step);
    if (next) focus(next);
  };
  const onFocused = (/** @type {(id: string) => void} */ act) => (/** @type {KeyboardEvent} */ event) => {
    const at = get().focus;
    if (!at || !pending.includes(at) || get().rejecting) return;
    event.preventDefault();
    act(at);
  };
  return {
    j: move(1),
    ArrowDown: move(1),
    k: move(-1),
    ArrowUp: move(-1),
    a: onFocused((at) => inSight(cardOf(at)) && pressApprove(at, "key")),
    r: onFocused((at) => mayDecide() && set({ rejecting: at, confirm: null })),
    x: onFocused(toggle),
    "Shift+x": () => set({ selected: new Set(pending.every((one) => get().selected.has(one)) ? [] : pending) }),
    Enter: (event) => {
      // Enter on a button or link is that button's own.
      if (id && event.target instanceof Element && event.target.matches("article.card"))
        navigate(`/approvals/${encodeURIComponent(id)}`);
    },
    Escape: escape,
    "/": (event) => {
      event.preventDefault();
      document.getElementById("filter")?.focus();
    },
  };
}

/** @param {string} id */
const cardOf = (id) => document.querySelector(`.queue > [data-id="${CSS.escape(id)}"]`);

/** Takes back the nearest thing: a confirmation, a panel, the selection, the focus. */
function escape() {
  const state = get();
  if (state.confirm || state.rejecting) set({ confirm: null, rejecting: null });
  else if (state.selected.size) set({ selected: new Set() });
  else focus(null);
}

/** Takes settled cards away, but never while the pointer rests on the list or the answer to a decision of ours is on its way, and without moving the focused card. @param {{current: HTMLElement|null}} list @param {import("../rules/types.js").Item[]} queue */
function useSweep(list, queue) {
  const anchor = useRef(/** @type {{element: Element, top: number}|null} */ (null));
  const settled = queue.some((item) => item.settledAt);
  useEffect(() => {
    if (!settled) return;
    const timer = setInterval(() => {
      if (list.current?.matches(":hover")) return;
      const old = get().queue.filter((item) => item.settledAt && !item.busy && Date.now() - item.settledAt >= KEEP_MS);
      if (!old.length) return;
      const ids = new Set(old.map((item) => item.approval.id));
      if (ids.has(get().focus ?? "")) moveOn(get().focus ?? "");
      anchor.current = stillThing(list.current, ids);
      set({ queue: get().queue.filter((item) => !ids.has(item.approval.id)) });
      shifted();
    }, 250);
    return () => clearInterval(timer);
  }, [settled]);
  useLayoutEffect(() => {
    const kept = anchor.current;
    anchor.current = null;
    if (kept?.element.isConnected) window.scrollBy(0, kept.element.getBoundingClientRect().top - kept.top);
  }, [queue]);
}

/** The card that must not move on the screen: the focused one, or the first in sight. @param {HTMLElement|null} list @param {Set<string>} leaving */
function stillThing(list, leaving) {
  const staying = [...(list?.children ?? [])].filter((card) => !leaving.has(card.getAttribute("data-id") ?? ""));
  const element =
    staying.find((card) => card.classList.contains("focused")) ??
    staying.find((card) => card.getBoundingClientRect().bottom > 0);
  return element ? { element, top: element.getBoundingClientRect().top } : null;
}
