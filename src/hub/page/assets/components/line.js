// Whether what the page shows is live: a dot while it is, a banner with the time of the data when it is not.

import { html } from "../browser/ui.js";
import { useStore } from "../browser/store.js";
import { reconnect } from "../hub/live.js";
import { useNow, toHub } from "../browser/clock.js";
import { time } from "../rules/format.js";

export function LineDot() {
  const line = useStore((state) => state.line);
  const words = { connecting: "connecting", live: "live", lost: "not live" };
  return html`<span class="line-dot"><span class=${line === "live" ? "dot dot-on" : line === "lost" ? "dot dot-off" : "dot"}></span>${words[line]}</span>`;
}

export function LineBanner() {
  const line = useStore((state) => state.line);
  return line === "lost" ? html`<${Lost} />` : null;
}

function Lost() {
  const at = useStore((state) => state.dataAt);
  const retryAt = useStore((state) => state.retryAt);
  const seconds = Math.ceil((toHub(retryAt) - useNow()) / 1000);
  return html`<div class="banner" role="alert">
    <strong>The line to the hub is lost.</strong>
    <span>What you see is from <time>${time(at)}</time> and may have changed since.</span>
    <span class="quiet-on" aria-hidden="true">${seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…"}</span>
    <button class="button small" onClick=${reconnect}>Try now</button>
  </div>`;
}
