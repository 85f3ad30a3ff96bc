// Small parts that several screens use: switch, copy button, badges, times.

import { html, useState, useRef, useEffect } from "../browser/ui.js";
import { useNow } from "../browser/clock.js";
import { toast } from "../browser/store.js";
import { ago, exact, moment, statusWords, outcomeOf } from "../rules/format.js";

/** @typedef {import("../rules/types.js").Level} Level */

/** @param {{on: boolean, label: string, disabled?: boolean, busy?: boolean, onChange: (on: boolean) => void}} props */
export const Switch = ({ on, label, disabled, busy, onChange }) =>
  html`<button type="button" role="switch" class="switch" aria-checked=${on ? "true" : "false"} aria-label=${label} aria-busy=${busy ? "true" : undefined} disabled=${disabled} onClick=${() => onChange(!on)}><span class="knob"></span></button>`;

/** @param {{text: string, label: string, class?: string}} props */
export function CopyButton({ text, label, class: name }) {
  const [done, setDone] = useState(false);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      timer.current = window.setTimeout(() => setDone(false), 1500);
    } catch {
      toast("error", "The browser does not let this page copy. Select the text instead.");
    }
  };
  return html`<button type="button" class=${name ?? "link"} onClick=${copy}>${done ? "Copied" : label}</button>`;
}

/** What the tool's trust level means to whoever decides. @param {{level: Level}} props */
export const Risk = ({ level }) =>
  html`<span class=${`badge trust-${level}`} title=${`The tool's trust level is ${level}: so much of it a call needs.`}>${level} risk</span>`;

/** @param {{status: import("../rules/types.js").Status}} props */
export const Status = ({ status }) =>
  html`<span class=${`badge status-${status}`}>${statusWords[status] ?? status}</span>`;

/** What became of the call; nothing where the status says it all. @param {{of: {outcome: import("../rules/types.js").Outcome|null, handed_off?: boolean}}} props */
export const OutcomeWord = ({ of: { outcome, handed_off } }) =>
  outcome
    ? html`<span class=${`outcome outcome-${outcome}`}>${outcomeOf({ outcome, handed_off })}</span>`
    : html`<span class="quiet">–</span>`;

/** "3 min ago", with the exact time behind it. @param {{at: number}} props */
export function Ago({ at }) {
  const now = useNow();
  return html`<time dateTime=${new Date(at).toISOString()} title=${exact(at)}>${ago(now - at)}</time>`;
}

/** The time of day, or with the day when that is another. @param {{at: number}} props */
export const When = ({ at }) =>
  html`<time dateTime=${new Date(at).toISOString()} title=${exact(at)}>${moment(at, Date.now())}</time>`;

/** @param {{title: string, children?: unknown}} props */
export const Empty = ({ title, children }) => html`<div class="empty"><h2>${title}</h2>${children}</div>`;

/** @param {{error: string, onRetry?: () => void}} props */
export const Trouble = ({ error, onRetry }) =>
  html`<div class="trouble" role="alert"><p>${error}</p>${onRetry && html`<button class="button" onClick=${onRetry}>Try again</button>`}</div>`;

/** A command to copy. @param {{text: string}} props */
export const Command = ({ text }) =>
  html`<div class="command"><code>${text}</code><${CopyButton} text=${text} label="Copy" /></div>`;
