// Why not: three presets, or own words.

import { html, useState, useRef, useLayoutEffect, useId } from "../browser/ui.js";
import { lastInput } from "../browser/keys.js";

/** The reasons that are one press away. */
export const PRESETS = ["Unauthorized scope", "Suspicious arguments", "Wrong environment"];

/** @param {{current: HTMLInputElement|null}} field */
export function useField(field) {
  // In the same moment as the panel: what is typed after its key must not be taken for keys.
  useLayoutEffect(() => {
    field.current?.focus({ preventScroll: true });
    if (lastInput() === "key") field.current?.scrollIntoView({ block: "nearest" });
  }, []);
}

/** @param {{busy: boolean, what?: string, onReject: (reason?: string) => void, onCancel: () => void}} props */
export function RejectPanel({ busy, what = "Reject", onReject, onCancel }) {
  const [words, setWords] = useState("");
  const field = useRef(/** @type {HTMLInputElement|null} */ (null));
  const id = useId();
  useField(field);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    onReject(words.trim() || undefined);
  };
  const press = (/** @type {KeyboardEvent} */ event) => {
    const preset =
      words === "" && !event.ctrlKey && !event.metaKey && !event.altKey ? PRESETS[Number(event.key) - 1] : "";
    if (event.key !== "Escape" && !preset) return;
    event.preventDefault();
    if (!preset) return onCancel();
    // Selected, so that whoever meant to begin with a digit only has to write on.
    setWords(preset);
    queueMicrotask(() => field.current?.select());
  };
  return html`<form class="reject" onSubmit=${submit} onKeyDown=${press} aria-label="Reason for the rejection">
    <div class="presets">
      ${PRESETS.map((preset, i) => html`<button type="button" class="button small" disabled=${busy} aria-keyshortcuts=${i + 1} onClick=${() => onReject(preset)}>${preset}<kbd aria-hidden="true">${i + 1}</kbd></button>`)}
    </div>
    <div class="reject-words">
      <label class="sr" for=${id}>Own words, sent to the agent</label>
      <input id=${id} ref=${field} type="text" maxlength="500" autocomplete="off" placeholder="Own words for the agent and its user (optional)" value=${words} onInput=${(/** @type {any} */ e) => setWords(e.target.value)} />
      <button type="submit" class="button danger" disabled=${busy}>${what}</button>
      <button type="button" class="button ghost" onClick=${onCancel}>Back</button>
    </div>
  </form>`;
}
