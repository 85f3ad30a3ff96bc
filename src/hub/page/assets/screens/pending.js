// The queue: cards oldest first, keys, and a list that never moves under the pointer.

import { html, useLayoutEffect, useRef } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import { useKeys } from "../browser/keys.js";
import { leftAt } from "../browser/router.js";
import { visibleCards, waiting } from "../rules/queue.js";
import { plural } from "../rules/format.js";
import { Card } from "../components/card.js";
import { BatchBar } from "../components/batchbar.js";
import { QueueFilters, clearFilter, filtering } from "../components/filters.js";
import { useSweep } from "../components/sweep.js";
import { ApprovalTabs } from "../components/tabs.js";
import { NothingWaits } from "../components/nothing.js";
import { keymap, toCards } from "./pending-keys.js";

export function Pending() {
  const queue = useStore((state) => state.queue);
  const filter = useStore((state) => state.filter);
  const loaded = useStore((state) => state.loaded);
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  const cards = visibleCards(queue, filter);
  useSweep(list, queue);
  useKeys(keymap);
  usePlace();
  const count = waiting(queue).length;
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head">
      <h1 id="title">Approvals</h1>
      <${ApprovalTabs} at="pending" />
    </header>
    ${queue.length > 0 && html`<div class="bar"><${QueueFilters} onDone=${toCards} /><span class="grow"></span><span class="quiet">${plural(count, "call")} waiting</span></div>`}
    <div class="queue" ref=${list}>
      ${cards.map((item) => html`<${Card} key=${item.approval.id} item=${item} />`)}
    </div>
    ${!loaded && html`<p class="quiet loading">Asking the hub…</p>`}
    ${loaded && queue.length === 0 && html`<${NothingWaits} />`}
    ${queue.length > 0 && cards.length === 0 && filtering(filter) && html`<div class="empty"><h2>No card matches the filter</h2><p>${plural(count, "call waits", "calls wait")} behind it.</p><button class="button" onClick=${clearFilter}>Show all</button></div>`}
    <${BatchBar} />
  </section>`;
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
