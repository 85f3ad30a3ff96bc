// Why not: three presets, or own words.

import { html, useState, useRef, useLayoutEffect, useId } from "../browser/ui.js";

/** The reasons that are one press away. */
export const PRESETS = ["Unauthorized scope", "Suspicious arguments", "Wrong environment"];

/** @param {{busy: boolean, what?: string, onReject: (reason?: string) => void, onCancel: () => void}} props */
export function RejectPanel({ busy, what = "Reject", onReject, onCancel }) {
  const [words, setWords] = useState("");
  const field = useRef(/** @type {HTMLInputElement|null} */ (null));
  const id = useId();
  // In the same moment as the panel: what is typed after R must not be taken for keys.
  useLayoutEffect(() => field.current?.focus({ preventScroll: true }), []);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    onReject(words.trim() || undefined);
  };
  const escape = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    onCancel();
  };
  return html`<form class="reject" onSubmit=${submit} onKeyDown=${escape} aria-label="Reason for the rejection">
    <div class="presets">
      ${PRESETS.map((preset) => html`<button type="button" class="button small" disabled=${busy} onClick=${() => onReject(preset)}>${preset}</button>`)}
    </div>
    <div class="reject-words">
      <label class="sr" for=${id}>Own words, sent to the agent</label>
      <input id=${id} ref=${field} type="text" maxlength="500" autocomplete="off" placeholder="Own words for the agent and its user (optional)" value=${words} onInput=${(/** @type {any} */ e) => setWords(e.target.value)} />
      <button type="submit" class="button danger" disabled=${busy}>${what}</button>
      <button type="button" class="button ghost" onClick=${onCancel}>Back</button>
    </div>
  </form>`;
}
