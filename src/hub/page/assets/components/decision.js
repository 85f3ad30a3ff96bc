// The buttons of a pending approval, and the line that takes their place when it is settled.

import { html, cls, useState, useEffect, useRef, useId } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import { pressApprove, reject, extend, mayDecide, winnerWords } from "../hub/decide.js";
import { GUARD_MS, CONFIRM_MS } from "../browser/guard.js";
import { unopened } from "../rules/fold.js";
import { plural } from "../rules/format.js";
import { lastInput } from "../browser/keys.js";
import { RejectPanel, useField } from "./reject.js";
import { OutcomeWord } from "./controls.js";
import { Text, Name } from "./text.js";

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
  const { id } = approval;
  const writing = useStore((state) => (state.writing?.id === id ? state.writing.what : null));
  if (approval.status !== "pending") return html`<${Settled} item=${item} />`;
  if (!mayDecide()) return html`<p class="quiet card-foot">Your role lets you look, not decide.</p>`;
  const back = () => set({ writing: null, confirm: null });
  const refuse = (/** @type {string|undefined} */ why) => reject(id, why);
  return html`<div class="card-foot">
    ${error && html`<p class="card-error" role="alert">${error}</p>`}
    ${writing === "reject" && html`<${RejectPanel} busy=${!!busy} onReject=${refuse} onCancel=${back} />`}
    ${writing === "approve" && html`<${CommentPanel} item=${item} onCancel=${back} />`}
    ${!writing && html`<${Buttons} item=${item} />`}
  </div>`;
}

/** @param {{item: Item}} props */
function Buttons({ item }) {
  const { approval, busy } = item;
  const { id } = approval;
  const folded = useStore((state) => unopened(approval, state.opened));
  const write = (/** @type {"reject"|"approve"} */ what) => () => set({ writing: { id, what }, confirm: null });
  return html`<div class="actions">
    <${ApproveButton} item=${item} onPress=${() => pressApprove(id, "pointer")} />
    <button class="button reject-open" disabled=${!!busy} aria-keyshortcuts="R" onClick=${write("reject")}>
      ${busy === "reject" ? "Rejecting…" : "Reject"}<kbd aria-hidden="true">R</kbd>
    </button>
    <button class="button extend" disabled=${!!busy} aria-keyshortcuts="E" title="Five minutes more to decide" onClick=${() => extend(id)}>
      ${busy === "extend" ? "Extending…" : "+5 min"}<kbd aria-hidden="true">E</kbd>
    </button>
    <button class="link quiet comment-open" disabled=${!!busy} aria-keyshortcuts="Shift+A" onClick=${write("approve")}>Approve with a comment…</button>
    ${folded > 0 && html`<span class="hint">Open the ${plural(folded, "folded part")} of the arguments to approve. <kbd>O</kbd></span>`}
  </div>`;
}

/** Says what it does; where the risk is high, once more before it does. @param {{item: Item, submit?: boolean, onPress: () => void}} props */
export function ApproveButton({ item: { approval, busy }, submit, onPress }) {
  const armed = useArmed();
  const confirming = useConfirming(approval.id);
  const folded = useStore((state) => unopened(approval, state.opened));
  const words = confirming ? html`<span>Really <${Name} of=${approval.tool} />?</span>` : "Approve";
  return html`<button type=${submit ? "submit" : "button"} class=${cls("button approve", confirming && "confirming")} disabled=${!armed || !!busy || folded > 0} aria-keyshortcuts="A" aria-live=${confirming ? "polite" : undefined} onClick=${submit ? undefined : onPress}>
    ${busy === "approve" ? "Approving…" : words}<kbd aria-hidden="true">${submit ? "↵" : "A"}</kbd>
  </button>`;
}

/** Words that stay with the approval. @param {{item: Item, onCancel: () => void}} props */
function CommentPanel({ item, onCancel }) {
  const field = useRef(/** @type {HTMLInputElement|null} */ (null));
  const id = useId();
  useField(field);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    pressApprove(item.approval.id, lastInput(), field.current?.value.trim());
  };
  const press = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    onCancel();
  };
  return html`<form class="comment" onSubmit=${submit} onKeyDown=${press} aria-label="Comment on the approval">
    <label class="sr" for=${id}>Comment, kept with the approval</label>
    <input id=${id} ref=${field} type="text" maxlength="500" autocomplete="off" placeholder="Comment, kept with the approval" />
    <div class="actions">
      <${ApproveButton} item=${item} submit onPress=${submit} />
      <button type="button" class="button ghost" onClick=${onCancel}>Back</button>
    </div>
  </form>`;
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
