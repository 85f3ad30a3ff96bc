// What is changed of one agent: its token, and the servers it may stand in front of.

import { html, useState } from "../browser/ui.js";
import { now } from "../browser/clock.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { exact } from "../rules/format.js";
import { visible } from "../rules/glyphs.js";
import { Name } from "./text.js";
import { Command } from "./controls.js";
import { Dialog } from "./dialog.js";

/** @typedef {import("../rules/types.js").Agent} Agent */

/** A new token, this one time. @param {{token: string, until?: number, onClose: () => void}} props */
export const Token = ({ token, until, onClose }) => html`<${Dialog} title="The agent's token" onClose=${onClose}>
  <p>It is shown this one time. On the agent's machine, put it into a file that only its user can read, and name that file as <code>agent_token_file</code> in hitl's <code>config.toml</code>.</p>
  <${Command} text=${token} />
  ${until !== undefined && html`<p>${until > now() ? `The old one is good until ${exact(until)}. Start the agent's clients again by then.` : "The old one is worthless now. Start the agent's clients again."}</p>`}
  <div class="actions"><button class="button primary" onClick=${onClose}>I have stored it</button></div>
</${Dialog}>`;

/** @type {[string, string][]} */
const overlaps = [
  ["0", "not at all: it may be in wrong hands"],
  ["3600", "for an hour"],
  ["86400", "for a day"],
  ["604800", "for a week"],
];

/** Asks how long the old token stays good, then shows the new one. @param {{agent: Agent, onClose: () => void}} props */
export function NewToken({ agent, onClose }) {
  const [made, setMade] = useState(/** @type {{token: string, old_token_until?: number}|null} */ (null));
  const [overlap, setOverlap] = useState("86400");
  const [error, setError] = useState("");
  const make = async () => {
    try {
      setMade(await api.rotateAgent(agent.client_id, Number(overlap)));
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  if (made) return html`<${Token} token=${made.token} until=${made.old_token_until} onClose=${onClose} />`;
  return html`<${Dialog} title=${`A new token for ${visible(agent.name)}`} onClose=${onClose}>
    <div class="stack">
      ${error && html`<p class="trouble" role="alert">${error}</p>`}
      <p>Its client id, limits and history stay. When the old token ends, so do the connections it opened.</p>
      <label>The old token stays good<select value=${overlap} onChange=${(/** @type {any} */ e) => setOverlap(e.target.value)}>
        ${overlaps.map(([seconds, words]) => html`<option value=${seconds} selected=${seconds === overlap}>${words}</option>`)}
      </select></label>
      <div class="actions"><button class="button primary" onClick=${make}>Make it</button><button class="button ghost" onClick=${onClose}>Cancel</button></div>
    </div>
  </${Dialog}>`;
}

/** @param {{agent: Agent, onSave: (servers: string[]|null) => void, onClose: () => void}} props */
export function ItsServers({ agent, onSave, onClose }) {
  const { data: servers } = useLoad(api.servers, [], ["policy"]);
  const [chosen, setChosen] = useState(agent.servers);
  const names = [...new Set([...(agent.servers ?? []), ...(servers ?? []).map((server) => server.name)])].sort();
  const pick = (/** @type {string} */ name, /** @type {boolean} */ on) =>
    setChosen((chosen ?? []).filter((other) => other !== name).concat(on ? [name] : []));
  return html`<${Dialog} title=${`Servers of ${visible(agent.name)}`} onClose=${onClose}>
    <div class="stack">
      <p class="quiet small">In front of any other server its shims are refused, and those that are connected there are cut.</p>
      <label class="check"><input type="checkbox" checked=${chosen === null} onChange=${(/** @type {any} */ e) => setChosen(e.target.checked ? null : names)} /> Every server</label>
      ${chosen && html`<ul class="rows limits">${names.map((name) => html`<li key=${name}><label class="pick-server"><input type="checkbox" checked=${chosen.includes(name)} onChange=${(/** @type {any} */ e) => pick(name, e.target.checked)} /> <${Name} of=${name} /></label></li>`)}</ul>`}
      <div class="actions"><button class="button primary" onClick=${() => onSave(chosen)}>Save</button><button class="button ghost" onClick=${onClose}>Cancel</button></div>
    </div>
  </${Dialog}>`;
}
