// A modal dialog of the browser: focus stays inside, Escape closes, the place before gets the focus back.

import { html, useRef, useLayoutEffect, useId } from "../browser/ui.js";

/** @param {{title: string, onClose: () => void, children?: unknown}} props */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => before instanceof HTMLElement && before.focus({ preventScroll: true });
  }, []);
  const outside = (/** @type {MouseEvent} */ event) => event.target === dialog.current && onClose();
  return html`<dialog ref=${dialog} aria-labelledby=${id} onCancel=${(/** @type {Event} */ e) => (e.preventDefault(), onClose())} onClick=${outside}>
    <div class="dialog-body">
      <header class="dialog-head"><h2 id=${id}>${title}</h2><button class="icon" aria-label="Close" onClick=${onClose}>✕</button></header>
      ${children}
    </div>
  </dialog>`;
}
