// The queue: cards oldest first, keys, and a list that never moves under the pointer.

import { html, cls, useLayoutEffect, useRef } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import { useKeys } from "../browser/keys.js";
import { shifted } from "../browser/guard.js";
import { leftAt } from "../browser/router.js";
import { mayDecide } from "../hub/decide.js";
import { visibleCards, waiting } from "../rules/queue.js";
import { plural } from "../rules/format.js";
import { Card } from "../components/card.js";
import { CompactList } from "../components/list.js";
import { BatchBar } from "../components/batchbar.js";
import { QueueFilters, clearFilter, filtering } from "../components/filters.js";
import { useSweep } from "../components/sweep.js";
import { ApprovalTabs } from "../components/tabs.js";
import { NothingWaits } from "../components/nothing.js";
import { useListed, useWide, ViewSwitch } from "../components/view.js";
import { keymap, toCards } from "./pending-keys.js";

export function Pending() {
  const queue = useStore((state) => state.queue);
  const filter = useStore((state) => state.filter);
  const loaded = useStore((state) => state.loaded);
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  const cards = visibleCards(queue, filter);
  const count = waiting(queue).length;
  const listed = useListed(loaded, count);
  const wide = useWide();
  useSweep(list, queue);
  useShift(cards);
  useKeys(keymap);
  usePlace();
  return html`<section class=${cls("screen", listed && wide && "screen-wide")} aria-labelledby="title">
    <header class="screen-head">
      <h1 id="title">Approvals</h1>
      <${ApprovalTabs} at="pending" />
    </header>
    ${queue.length > 0 && html`<div class="bar queue-bar"><${QueueFilters} onDone=${toCards} /><span class="grow"></span><${SelectAll} cards=${cards} /><span class="quiet">${plural(count, "call")} waiting</span><${ViewSwitch} listed=${listed} /></div>`}
    <div class=${cls("queue", listed && "queue-list", listed && wide && "queue-wide")} ref=${list}>
      ${listed ? cards.length > 0 && html`<${CompactList} cards=${cards} wide=${wide} />` : cards.map((item) => html`<${Card} key=${item.approval.id} item=${item} />`)}
    </div>
    ${!loaded && html`<p class="quiet loading">Asking the hub…</p>`}
    ${loaded && queue.length === 0 && html`<${NothingWaits} />`}
    ${queue.length > 0 && cards.length === 0 && filtering(filter) && html`<div class="empty"><h2>No card matches the filter</h2><p>${plural(count, "call waits", "calls wait")} behind it.</p><button class="button" onClick=${clearFilter}>Show all</button></div>`}
    <${BatchBar} />
  </section>`;
}

/** For mouse and thumb what Shift+X is for keys. @param {{cards: import("../rules/types.js").Item[]}} props */
function SelectAll({ cards }) {
  const ids = waiting(cards).map((item) => item.approval.id);
  const all = useStore((state) => ids.every((id) => state.selected.has(id)));
  if (ids.length < 2 || !mayDecide()) return null;
  return html`<button class="link" onClick=${() => set({ selected: new Set(all ? [] : ids) })}>${all ? "Select none" : `Select all ${ids.length} shown`}</button>`;
}

/** A card that comes in before others moves them: no press that was meant for one of them approves. @param {import("../rules/types.js").Item[]} cards */
function useShift(cards) {
  const before = useRef(/** @type {string[]} */ ([]));
  const ids = cards.map((item) => item.approval.id);
  useLayoutEffect(() => {
    const left = before.current.filter((id) => ids.includes(id));
    if (left.some((id, at) => ids[at] !== id)) shifted();
    before.current = ids;
  });
}

/** Who comes back from a card finds mark, selection and place as they were. */
function usePlace() {
  useLayoutEffect(() => {
    const { place, queue } = get();
    if (place) {
      const there = new Set(waiting(queue).map((item) => item.approval.id));
      const selected = new Set([...place.selected].filter((id) => there.has(id)));
      set({ place: null, selected, focus: place.focus && there.has(place.focus) ? place.focus : null });
      window.scrollTo(0, place.top);
    }
    return () => {
      const { focus, selected } = get();
      set({
        place: { focus, selected, top: leftAt() },
        focus: null,
        confirm: null,
        writing: null,
        selected: new Set(),
      });
    };
  }, []);
}
