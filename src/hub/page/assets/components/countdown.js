// The time an approver has, by the hub's clock.

import { html, useEffect, useRef } from "../browser/ui.js";
import { useNow } from "../browser/clock.js";
import { countdown } from "../rules/format.js";
import { say } from "../browser/store.js";
import { visible } from "../rules/glyphs.js";

/** In the last seconds the card offers more time. */
export const LAST_MS = 60_000;

/** @param {{approval: import("../rules/types.js").Approval}} props */
export function Countdown({ approval }) {
  const left = approval.deadline_at - useNow();
  const share = Math.min(1, Math.max(0, left / Math.max(1, approval.deadline_at - approval.created_at)));
  const warned = useRef(left <= LAST_MS);
  useEffect(() => {
    if (left <= LAST_MS && left > 0 && !warned.current) {
      warned.current = true;
      say(`One minute left for ${visible(approval.tool)}.`);
    }
    if (left > LAST_MS) warned.current = false;
  }, [left <= LAST_MS]);
  const round = 2 * Math.PI * 8;
  return html`<span class=${left <= LAST_MS ? "countdown countdown-last" : "countdown"} role="timer" title="Time left before it is rejected">
    <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true">
      <circle class="ring" cx="10" cy="10" r="8" />
      <circle class="ring-left" cx="10" cy="10" r="8" stroke-dasharray=${`${share * round} ${round}`} transform="rotate(-90 10 10)" />
    </svg>
    ${left > 0 ? html`<span class="sr">Time left </span>${countdown(left)}` : "time is up"}
  </span>`;
}
