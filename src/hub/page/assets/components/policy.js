// The server approval policy: require all, threshold, time to decide, trusted agent bypass.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { Text, Name } from "./text.js";
import { Switch, Ago, When } from "./controls.js";
import { CopyPolicy } from "./copy.js";
import { now as hubNow } from "../browser/clock.js";

/** @param {{server: import("../rules/types.js").Server, admin: boolean, onChange: (change: object) => Promise<void>}} props */
export function PolicyCard({ server, admin, onChange }) {
  const { policy } = server;
  const thresholds = [
    ["", "Off"],
    ["high", "High only"],
    ["medium", "Medium and high"],
    ["low", "Low: every tool"],
  ];
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
    <${Changed} policy=${policy} admin=${admin} onChange=${onChange} />
    <${Bypass} entries=${policy.bypass_entries} admin=${admin} onChange=${onChange} />
    ${admin && html`<${CopyPolicy} server=${server} />`}
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

/** @param {{policy: import("../rules/types.js").Policy, admin: boolean, onChange: (change: object) => Promise<void>}} props */
function Changed({ policy, admin, onChange }) {
  const value = policy.gate_changed_tools === null ? "" : policy.gate_changed_tools ? "on" : "off";
  const choices = [
    ["", "Automatic"],
    ["on", "Always"],
    ["off", "Never"],
  ];
  const save = (/** @type {any} */ event) =>
    onChange({ gate_changed_tools: { on: true, off: false }[/** @type {"on"|"off"} */ (event.target.value)] ?? null });
  return html`<div class="setting">
    <label for="changed"><h3>New and changed tools wait</h3><p class="quiet small">Until an admin accepts them. Automatic: where anything is gated.</p></label>
    <select id="changed" disabled=${!admin} value=${value} onChange=${save}>${choices.map(([one, words]) => html`<option value=${one} selected=${one === value}>${words}</option>`)}</select>
  </div>`;
}

/** @typedef {import("../rules/types.js").Bypass} Entry */

/** An entry as the hub takes it. @param {Entry} entry */
const kept = ({ client_id, reason, expires_at }) => ({ client_id, reason, expires_at });

/** @param {{entries: Entry[], admin: boolean, onChange: (change: object) => Promise<void>}} props */
function Bypass({ entries, admin, onChange }) {
  const { data: agents } = useLoad(api.agents, [], ["agents"]);
  const nameOf = (/** @type {string} */ id) => agents?.find((agent) => agent.client_id === id)?.name;
  // The hub refuses times that are past, so what has expired goes when the list is sent again.
  const others = (/** @type {string} */ id) =>
    entries.filter((entry) => entry.client_id !== id && !entry.expired).map(kept);
  const free = (agents ?? []).filter(
    (agent) => !entries.some((entry) => entry.client_id === agent.client_id && !entry.expired),
  );
  return html`<div class="setting setting-wide">
    <h3>Trusted agent bypass</h3>
    <p class="quiet small">These agents skip the approval check on this server, whatever else is set. For pipelines you trust entirely.</p>
    ${
      entries.length > 0 &&
      html`<ul class="rows">
      ${entries.map(
        (entry) => html`<li key=${entry.client_id} class=${entry.expired ? "expired" : ""}><div>
          <span><${Text} of=${nameOf(entry.client_id) ?? "unknown agent"} /> <${Name} of=${entry.client_id} class="quiet small" /></span>
          <p class="quiet small">${entry.reason ? html`“<${Text} of=${entry.reason} />” · ` : ""}added by <${Text} of=${entry.added_by} /> <${Ago} at=${entry.added_at} />${entry.expires_at ? html` · ${entry.expired ? "expired" : "until"} <${When} at=${entry.expires_at} />` : ""} · ${entry.last_used_at ? html`used <${Ago} at=${entry.last_used_at} />` : "not used yet"}</p>
        </div>
        ${admin && html`<button class="link danger" aria-label=${`Remove ${nameOf(entry.client_id) ?? entry.client_id} from the bypass list`} onClick=${() => onChange({ bypass: others(entry.client_id) })}>Remove</button>`}</li>`,
      )}
    </ul>`
    }
    ${admin && html`<${LetThrough} free=${free} onAdd=${(/** @type {object} */ entry, /** @type {string} */ id) => onChange({ bypass: [...others(id), entry] })} />`}
  </div>`;
}

/** @param {{free: import("../rules/types.js").Agent[], onAdd: (entry: object, id: string) => Promise<void>}} props */
function LetThrough({ free, onAdd }) {
  const [picked, pick] = useState("");
  const [reason, setReason] = useState("");
  const [days, setDays] = useState("");
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!picked) return;
    const expires_at = days ? hubNow() + Number(days) * 86_400_000 : null;
    await onAdd({ client_id: picked, reason: reason.trim() || null, expires_at }, picked);
    pick("");
    setReason("");
  };
  return html`<form class="inline bypass-form" onSubmit=${add}>
    <select aria-label="Agent to let through" value=${picked} onChange=${(/** @type {any} */ e) => pick(e.target.value)}>
      <option value="" selected=${picked === ""}>${free.length ? "Choose an agent…" : "No other agents"}</option>
      ${free.map((agent) => html`<option value=${agent.client_id} selected=${picked === agent.client_id}>${agent.name} (${agent.client_id})</option>`)}
    </select>
    <input aria-label="Why" placeholder="Why (optional)" maxlength="500" autocomplete="off" value=${reason} onInput=${(/** @type {any} */ e) => setReason(e.target.value)} />
    <select aria-label="For how long" value=${days} onChange=${(/** @type {any} */ e) => setDays(e.target.value)}>
      ${[
        ["", "for good"],
        ["1", "for a day"],
        ["7", "for a week"],
        ["30", "for 30 days"],
      ].map(([value, words]) => html`<option value=${value} selected=${value === days}>${words}</option>`)}
    </select>
    <button class="button small" disabled=${!picked}>Let through</button>
  </form>`;
}
