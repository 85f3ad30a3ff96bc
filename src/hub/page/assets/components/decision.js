// The buttons of a pending approval, and the line that takes their place when it is settled.

import { html, useState, useEffect } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import { pressApprove, reject, extend, mayDecide, winnerWords } from "../hub/decide.js";
import { GUARD_MS, CONFIRM_MS } from "../browser/guard.js";
import { unopened } from "../rules/fold.js";
import { plural } from "../rules/format.js";
import { LastMinute } from "./countdown.js";
import { RejectPanel } from "./reject.js";
import { OutcomeWord } from "./controls.js";
import { Text } from "./text.js";

/** @typedef {import("../rules/types.js").Item} Item */

/** True half a second after the caller's button was painted, so that a press meant for something else does not approve. */
export function useArmed(there = true) {
  const [armed, arm] = useState(false);
  useEffect(() => {
    arm(false);
    if (!there) return;
    let timer = 0;
    const frame = requestAnimationFrame(() => void (timer = window.setTimeout(() => arm(true), GUARD_MS)));
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [there]);
  return armed;
}

/** Whether the approval waits for its second press; forgets it after a while. @param {string} id */
function useConfirming(id) {
  const confirm = useStore((state) => (state.confirm?.id === id ? state.confirm : null));
  useEffect(() => {
    if (!confirm) return;
    const timer = setTimeout(() => get().confirm === confirm && set({ confirm: null }), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [confirm]);
  return confirm !== null;
}

/** @param {{item: Item}} props */
export function Decision({ item }) {
  const { approval, busy, error } = item;
  const rejecting = useStore((state) => state.rejecting === approval.id);
  if (approval.status !== "pending") return html`<${Settled} item=${item} />`;
  if (!mayDecide()) return html`<p class="quiet card-foot">Your role lets you look, not decide.</p>`;
  return html`<div class="card-foot">
    ${error && html`<p class="card-error" role="alert">${error}</p>`}
    ${
      rejecting
        ? html`<${RejectPanel} busy=${!!busy} onReject=${(/** @type {string|undefined} */ why) => reject(approval.id, why)} onCancel=${() => set({ rejecting: null })} />`
        : html`<${Buttons} item=${item} />`
    }
  </div>`;
}

/** @param {{item: Item}} props */
function Buttons({ item: { approval, busy } }) {
  const armed = useArmed();
  const confirming = useConfirming(approval.id);
  const folded = useStore((state) => unopened(approval, state.opened));
  const approve = busy === "approve" ? "Approving…" : confirming ? "Press again: trust is high" : "Approve";
  return html`<div class="actions">
    <button class=${confirming ? "button approve confirming" : "button approve"} disabled=${!armed || !!busy || folded > 0} aria-keyshortcuts="A" aria-live=${confirming ? "polite" : undefined} onClick=${() => pressApprove(approval.id, "pointer")}>
      ${approve}<kbd aria-hidden="true">A</kbd>
    </button>
    <button class="button reject-open" disabled=${!!busy} aria-keyshortcuts="R" onClick=${() => set({ rejecting: approval.id, confirm: null })}>
      ${busy === "reject" ? "Rejecting…" : "Reject"}<kbd aria-hidden="true">R</kbd>
    </button>
    <${LastMinute} approval=${approval}>
      <button class="button" disabled=${!!busy} onClick=${() => extend(approval.id)}>${busy === "extend" ? "Extending…" : "Extend +5 min"}</button>
    </${LastMinute}>
    ${folded > 0 && html`<span class="hint">Open the ${plural(folded, "folded part")} of the arguments to approve.</span>`}
  </div>`;
}

const marks = { approved: "✓", rejected: "✕", timed_out: "⌛", cancelled: "–", pending: "" };

/** What happened, who did it, and what became of the call. @param {{item: Item}} props */
function Settled({ item: { approval, late } }) {
  const mine = approval.decided_by !== null && approval.decided_by === get().session?.user.name;
  const who = mine ? "you" : approval.decided_by;
  const words = {
    approved: html`Approved by <${Text} of=${who} class="strong" />`,
    rejected: html`Rejected by <${Text} of=${who} class="strong" />${approval.reason && html`: “<${Text} of=${approval.reason} />”`}`,
    timed_out: html`Timed out: nobody decided, so it counts as rejected`,
    cancelled: html`Cancelled${approval.reason && html`: <${Text} of=${approval.reason} />`}`,
    pending: "",
  };
  return html`<div class=${`card-foot settled settled-${approval.status}`}>
    <span class="settled-mark" aria-hidden="true">${marks[approval.status]}</span>
    <span>${late ? winnerWords(approval) : words[approval.status]}</span>
    ${approval.status === "approved" && html`<span class="quiet">·</span> <${OutcomeWord} of=${approval} />`}
  </div>`;
}
