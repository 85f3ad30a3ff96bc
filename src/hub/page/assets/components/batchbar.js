// What can be done to all selected cards at once.

import { html, useState, useEffect } from "../ui.js";
import { get, set, useStore } from "../store.js";
import { decideBatch, CONFIRM_MS } from "../decide.js";
import { unopened } from "../fold.js";
import { plural } from "../format.js";
import { RejectPanel } from "./reject.js";

/** The selected cards that still wait. @param {import("../store.js").State} state */
const chosen = (state) => state.queue.filter((i) => state.selected.has(i.approval.id) && i.approval.status === "pending");

export function BatchBar() {
  const selected = useStore((state) => state.selected);
  const queue = useStore((state) => state.queue);
  const folded = useStore((state) => chosen(state).filter((i) => unopened(i.approval, state.opened)).length);
  const [mode, setMode] = useState(/** @type {""|"confirm"|"reject"} */ (""));
  const cards = chosen(get());
  useEffect(() => setMode(""), [selected]);
  useEffect(() => {
    if (mode !== "confirm") return;
    const timer = setTimeout(() => setMode(""), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [mode]);
  if (!cards.length) return null;
  const high = cards.filter((item) => item.approval.trust === "high").length;
  const busy = cards.some((item) => item.busy) && queue.length > 0;
  const approve = () => (high && mode !== "confirm" ? setMode("confirm") : void decideBatch("approve"));
  const label = mode === "confirm" ? `Press again: ${high} with high trust` : `Approve ${cards.length}`;
  return html`<section class="batch" aria-label="Selected approvals">
    ${mode === "reject"
      ? html`<${RejectPanel} busy=${busy} what=${`Reject ${cards.length}`} onReject=${(/** @type {string|undefined} */ why) => (setMode(""), decideBatch("reject", why))} onCancel=${() => setMode("")} />`
      : html`<div class="actions">
          <strong>${plural(cards.length, "card")} selected</strong>
          <button class=${mode === "confirm" ? "button approve confirming" : "button approve"} disabled=${busy || folded > 0} onClick=${approve}>${label}</button>
          <button class="button reject-open" disabled=${busy} onClick=${() => setMode("reject")}>Reject ${cards.length}</button>
          <button class="button ghost" onClick=${() => set({ selected: new Set() })}>Clear<kbd aria-hidden="true">Esc</kbd></button>
          ${folded > 0 && html`<span class="hint">${plural(folded, "card has", "cards have")} folded arguments that nobody opened.</span>`}
        </div>`}
  </section>`;
}
