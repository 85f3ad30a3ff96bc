// Limits per server, of an agent or a user: a list to look at and a dialog to change it.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { Name } from "./text.js";
import { Dialog } from "./dialog.js";

/** @typedef {import("../rules/types.js").Level} Level */
/** @typedef {Record<string, Level>} Limits */

/** @param {{limits: Limits}} props */
export const LimitList = ({ limits }) =>
  Object.keys(limits).length === 0
    ? html`<span class="quiet">none</span>`
    : html`<div>${Object.entries(limits).map(([server, level]) => html`<div class="small"><${Name} of=${server} />: ${level}</div>`)}</div>`;

/**
 * @param {{title: string, words: string, limits: Limits, onSave: (limits: Limits) => Promise<void>, onClose: () => void}} props
 */
export function LimitDialog({ title, words, limits, onSave, onClose }) {
  const { data: servers } = useLoad(api.servers, [], ["policy"]);
  const [draft, setDraft] = useState(limits);
  const [find, setFind] = useState("");
  const names = [...new Set([...Object.keys(draft), ...(servers ?? []).map((server) => server.name)])].sort();
  const shown = names.filter((name) => name.toLowerCase().includes(find.toLowerCase()));
  const pick = (/** @type {string} */ name, /** @type {string} */ level) => {
    const next = { ...draft };
    if (level) next[name] = /** @type {Level} */ (level);
    else delete next[name];
    setDraft(next);
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <p class="quiet small">${words}</p>
    ${names.length > 8 && html`<input type="search" aria-label="Find a server" placeholder="Find a server" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />`}
    ${names.length === 0 && html`<p class="quiet">No server is known yet.</p>`}
    <ul class="rows limits">${shown.map(
      (name) => html`<li key=${name}><${Name} of=${name} />
      <select aria-label=${`Limit on ${name}`} value=${draft[name] ?? ""} onChange=${(/** @type {any} */ e) => pick(name, e.target.value)}>
        <option value="" selected=${!draft[name]}>no limit</option>
        ${["high", "medium", "low"].map((level) => html`<option value=${level} selected=${draft[name] === level}>up to ${level}</option>`)}
      </select></li>`,
    )}</ul>
    <div class="actions"><button class="button primary" onClick=${() => onSave(draft)}>Save</button><button class="button ghost" onClick=${onClose}>Cancel</button></div>
  </${Dialog}>`;
}
