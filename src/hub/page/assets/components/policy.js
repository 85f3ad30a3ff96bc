// The server approval policy: require all, threshold, time to decide, trusted agent bypass.

import { html, useState } from "../ui.js";
import * as api from "../api.js";
import { useLoad } from "../load.js";
import { Text, Name } from "./text.js";
import { Switch } from "./controls.js";

/** @param {{server: import("../types.js").Server, admin: boolean, onChange: (change: object) => Promise<void>}} props */
export function PolicyCard({ server: { policy }, admin, onChange }) {
  const thresholds = [["", "Off"], ["high", "High only"], ["medium", "Medium and high"], ["low", "Low: every tool"]];
  return html`<section class="panel policy" aria-labelledby="policy">
    <h2 id="policy">Server approval policy</h2>
    <p class="quiet small">These and the tools' own switches stack: if any of them asks for approval, the call is held.</p>
    <div class="setting">
      <div><h3>Require approval for all tools</h3><p class="quiet small">Every call of this server waits for a person.</p></div>
      <${Switch} on=${policy.require_all} label="Require approval for all tools" disabled=${!admin} onChange=${(/** @type {boolean} */ on) => onChange({ require_all: on })} />
    </div>
    <div class="setting">
      <label for="threshold"><h3>Trust level threshold</h3><p class="quiet small">Tools of this level or higher wait.</p></label>
      <select id="threshold" disabled=${!admin} value=${policy.threshold ?? ""} onChange=${(/** @type {any} */ e) => onChange({ threshold: e.target.value || null })}>
        ${thresholds.map(([value, words]) => html`<option value=${value} selected=${value === (policy.threshold ?? "")}>${words}</option>`)}
      </select>
    </div>
    <${Timeout} seconds=${policy.timeout_seconds} admin=${admin} onChange=${onChange} />
    <${Bypass} bypass=${policy.bypass} admin=${admin} onChange=${onChange} />
  </section>`;
}

/** @param {{seconds: number, admin: boolean, onChange: (change: object) => Promise<void>}} props */
function Timeout({ seconds, admin, onChange }) {
  const save = (/** @type {any} */ event) => {
    const value = Number(event.target.value);
    if (event.target.reportValidity() && value !== seconds) void onChange({ timeout_seconds: value });
  };
  return html`<div class="setting">
    <label for="timeout"><h3>Time to decide</h3><p class="quiet small">In seconds, 5 to 3,600. Then the call is rejected.</p></label>
    <input id="timeout" type="number" min="5" max="3600" step="1" required disabled=${!admin} value=${seconds} onChange=${save} />
  </div>`;
}

/** @param {{bypass: string[], admin: boolean, onChange: (change: object) => Promise<void>}} props */
function Bypass({ bypass, admin, onChange }) {
  const { data: agents } = useLoad(api.agents, [], ["agents"]);
  const [picked, pick] = useState("");
  const nameOf = (/** @type {string} */ id) => agents?.find((agent) => agent.client_id === id)?.name;
  const free = (agents ?? []).filter((agent) => !bypass.includes(agent.client_id));
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (picked) await onChange({ bypass: [...bypass, picked] });
    pick("");
  };
  return html`<div class="setting setting-wide">
    <h3>Trusted agent bypass</h3>
    <p class="quiet small">These agents skip the approval check on this server, whatever else is set. For pipelines you trust entirely.</p>
    ${bypass.length > 0 && html`<ul class="rows">
      ${bypass.map((id) => html`<li><span><${Text} of=${nameOf(id) ?? "unknown agent"} /> <${Name} of=${id} class="quiet small" /></span>
        ${admin && html`<button class="link danger" aria-label=${`Remove ${nameOf(id) ?? id} from the bypass list`} onClick=${() => onChange({ bypass: bypass.filter((one) => one !== id) })}>Remove</button>`}</li>`)}
    </ul>`}
    ${admin && html`<form class="inline" onSubmit=${add}>
      <select aria-label="Agent to let through" value=${picked} onChange=${(/** @type {any} */ e) => pick(e.target.value)}>
        <option value="" selected=${picked === ""}>${free.length ? "Choose an agent…" : "No other agents"}</option>
        ${free.map((agent) => html`<option value=${agent.client_id} selected=${picked === agent.client_id}>${agent.name} (${agent.client_id})</option>`)}
      </select>
      <button class="button small" disabled=${!picked}>Let through</button>
    </form>`}
  </div>`;
}
