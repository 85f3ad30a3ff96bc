// Filters over the queue that is on the page already.

import { html, cls, useState } from "../browser/ui.js";
import { set, get, useStore } from "../browser/store.js";
import { useDraft } from "../hub/load.js";
import { visible } from "../rules/glyphs.js";

/** @param {Partial<import("../browser/store.js").State["filter"]>} patch */
const change = (patch) => set({ filter: { ...get().filter, ...patch } });

/** Back to all cards. */
export const clearFilter = () => change({ server: "", agent: "", trust: "", text: "" });

/** Whether any filter is set. @param {import("../browser/store.js").State["filter"]} filter */
export const filtering = (filter) => Boolean(filter.server || filter.agent || filter.trust || filter.text.trim());

/** @param {{label: string, value: string, options: [string, string][], onChange: (value: string) => void}} props */
export const Select = ({ label, value, options, onChange }) =>
  html`<select aria-label=${label} value=${value} class=${value ? "set" : ""} onChange=${(/** @type {any} */ e) => onChange(e.target.value)}>
    <option value="">${label}: all</option>
    ${options.map(([key, words]) => html`<option value=${key} selected=${key === value}>${visible(words)}</option>`)}
  </select>`;

/** @param {[string, string][]} pairs @returns {[string, string][]} */
const distinct = (pairs) => [...new Map(pairs)].sort((a, b) => a[1].localeCompare(b[1]));

/** @type {[string, string][]} */
const levels = ["high", "medium", "low"].map((level) => [level, level]);
/** @type {[import("../rules/arrange.js").Order, string][]} */
const orders = [
  ["oldest", "Oldest first"],
  ["deadline", "Least time first"],
  ["risk", "Highest risk first"],
];

/** Whether a filter is set that a phone would hide. @param {import("../browser/store.js").State["filter"]} filter */
const narrowed = (filter) => Boolean(filter.server || filter.agent || filter.trust);

/** @param {{onDone: () => void}} props  `onDone` goes from the field to the cards */
export function QueueFilters({ onDone }) {
  const leave = (/** @type {KeyboardEvent} */ event) => {
    if (!["Enter", "ArrowDown", "Escape"].includes(event.key) || event.isComposing) return;
    event.preventDefault();
    onDone();
  };
  const filter = useStore((state) => state.filter);
  const queue = useStore((state) => state.queue);
  const [open, setOpen] = useState(false);
  const servers = distinct(queue.map(({ approval: a }) => [a.server, visible(a.server)]));
  const agents = distinct(queue.map(({ approval: a }) => [a.agent.client_id, visible(a.agent.name)]));
  const set = (/** @type {string} */ key) => (/** @type {string} */ value) => change({ [key]: value });
  return html`<div class="filters" role="search">
    <input id="filter" type="search" placeholder="Filter" aria-label="Filter the cards" aria-keyshortcuts="/" value=${filter.text} onInput=${(/** @type {any} */ e) => change({ text: e.target.value })} onKeyDown=${leave} />
    <button class="button filters-more" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>Filters</button>
    <span class=${cls("selects", (open || narrowed(filter)) && "open")}>
      <${Select} label="Server" value=${filter.server} options=${servers} onChange=${set("server")} />
      <${Select} label="Agent" value=${filter.agent} options=${agents} onChange=${set("agent")} />
      <${Select} label="Risk" value=${filter.trust} options=${levels} onChange=${set("trust")} />
      <select aria-label="Order" onChange=${(/** @type {any} */ e) => change({ order: e.target.value })}>
        ${orders.map(([key, words]) => html`<option value=${key} selected=${key === filter.order}>${words}</option>`)}
      </select>
    </span>
    ${filtering(filter) && html`<button class="link" onClick=${clearFilter}>Clear</button>`}
  </div>`;
}

/** Keeps what is being typed when the list behind it is drawn again. @param {{label: string, value: string, onSearch: (words: string) => void}} props */
export function Search({ label, value, onSearch }) {
  const [text, setText] = useDraft(value);
  return html`<input id="filter" type="search" placeholder="Search" aria-label=${label} value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)} onChange=${(/** @type {any} */ e) => onSearch(e.target.value)} />`;
}

/** @param {{from: string, to: string, onChange: (patch: {from?: string, to?: string}) => void}} props */
export const Dates = ({ from, to, onChange }) =>
  html`<span class="dates"><label class="date">From <input type="date" value=${from} onChange=${(/** @type {any} */ e) => onChange({ from: e.target.value })} /></label>
    <label class="date">to <input type="date" value=${to} onChange=${(/** @type {any} */ e) => onChange({ to: e.target.value })} /></label></span>`;
