// The tabs of the approvals page: links, so that each has its address.

import { html, cls } from "../browser/ui.js";
import { useStore } from "../browser/store.js";
import { waiting } from "../rules/queue.js";

/** @param {{at: "pending"|"history"|"notifications"}} props */
export function ApprovalTabs({ at }) {
  const count = useStore((state) => waiting(state.queue).length);
  const tab = (/** @type {string} */ id, /** @type {string} */ href, /** @type {unknown} */ words) =>
    html`<a href=${href} class=${cls("tab", at === id && "at")} aria-current=${at === id ? "page" : undefined}>${words}</a>`;
  return html`<nav class="tabs" aria-label="Approvals">
    ${tab("pending", "/approvals", html`Pending${count > 0 && html` <span class="count">${count}</span>`}`)}
    ${tab("history", "/history", "History")}
    ${tab("notifications", "/notifications", "Notifications")}
  </nav>`;
}
