// What can be done to all selected cards at once.

import { html, cls, useState, useEffect, useRef } from "../browser/ui.js";
import { set, useStore } from "../browser/store.js";
import { CONFIRM_MS, SECOND_PRESS_AFTER_MS } from "../browser/guard.js";
import { decideBatch, extendBatch, focus, mayDecide } from "../hub/decide.js";
import { visibleCards, waiting } from "../rules/queue.js";
import { unopened } from "../rules/fold.js";
import { plural } from "../rules/format.js";
import { useArmed } from "./decision.js";
import { openNextFold } from "./arguments.js";
import { RejectPanel } from "./reject.js";

/** The selected cards of these that still wait. @param {import("../rules/types.js").Item[]} cards @param {Set<string>} selected */
const chosen = (cards, selected) => waiting(cards).filter((item) => selected.has(item.approval.id));

export function BatchBar() {
  const selected = useStore((state) => state.selected);
  const queue = useStore((state) => state.queue);
  const filter = useStore((state) => state.filter);
  const opened = useStore((state) => state.opened);
  const [mode, setMode] = useState(/** @type {""|"confirm"|"reject"} */ (""));
  const asked = useRef(0);
  // What the filter hides is not decided: nobody sees it.
  const cards = chosen(visibleCards(queue, filter), selected);
  const hidden = chosen(queue, selected).length - cards.length;
  const armed = useArmed(cards.length > 0);
  useEffect(() => setMode(""), [selected, filter]);
  useEffect(() => {
    if (mode !== "confirm") return;
    const timer = setTimeout(() => setMode(""), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [mode]);
  if (!cards.length || !mayDecide()) return null;
  const ids = cards.map((item) => item.approval.id);
  const folded = cards.filter((item) => unopened(item.approval, opened)).length;
  const high = cards.filter((item) => item.approval.trust === "high").length;
  const busy = cards.some((item) => item.busy) && queue.length > 0;
  const approve = () => {
    if (!high) return void decideBatch(ids, "approve");
    if (mode === "confirm")
      return Date.now() - asked.current < SECOND_PRESS_AFTER_MS ? undefined : void decideBatch(ids, "approve");
    asked.current = Date.now();
    setMode("confirm");
  };
  const label =
    mode === "confirm" ? `Really approve ${cards.length}? ${high} with high risk` : `Approve ${cards.length}`;
  const refuse = (/** @type {string|undefined} */ why) => (setMode(""), decideBatch(ids, "reject", why));
  const [fold] = cards.filter((item) => unopened(item.approval, opened)).map((item) => item.approval.id);
  const confirming = mode === "confirm";
  return html`<section class="batch" aria-label="Selected approvals">
    ${mode === "reject" && html`<${RejectPanel} busy=${busy} what=${`Reject ${cards.length}`} onReject=${refuse} onCancel=${() => setMode("")} />`}
    ${
      mode !== "reject" &&
      html`<div class="actions">
        <strong>${plural(cards.length, "card")} selected</strong>
        <button class=${cls("button approve", confirming && "confirming")} disabled=${!armed || busy || folded > 0} onClick=${approve}>${label}</button>
        <button class="button reject-open" disabled=${busy} onClick=${() => setMode("reject")}>Reject ${cards.length}</button>
        <button class="button" disabled=${busy} title="Five minutes more for each" onClick=${() => extendBatch(ids)}>+5 min</button>
        <button class="button ghost" onClick=${() => set({ selected: new Set() })}>Clear<kbd aria-hidden="true">Esc</kbd></button>
        ${hidden > 0 && html`<span class="hint">${plural(hidden, "more is", "more are")} hidden by the filter, and left alone.</span>`}
        ${fold && html`<span class="hint">${plural(folded, "card has", "cards have")} folded arguments that nobody opened.</span> <button class="link" onClick=${() => toFold(fold)}>Show the next fold</button>`}
      </div>`
    }
  </section>`;
}

/** Opens the first fold of a card, before the eyes of whoever is about to decide about it. @param {string} id */
function toFold(id) {
  focus(id);
  openNextFold(document.querySelector(`.queue [data-id="${CSS.escape(id)}"]`));
}
