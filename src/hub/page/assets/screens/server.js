// One server: its policy, and its tools with their toggles and trust levels.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useStore, toast } from "../browser/store.js";
import { useLoad } from "../hub/load.js";
import { plural } from "../rules/format.js";
import { visible } from "../rules/glyphs.js";
import { Text, Name } from "../components/text.js";
import { Switch, Risk, Trouble, Ago } from "../components/controls.js";
import { PolicyCard } from "../components/policy.js";
import { Rules } from "../components/rules.js";
import { Simulate, Coverage } from "../components/simulate.js";
import { Drift, Varies } from "../components/drift.js";
import { Removal } from "../components/removal.js";

/** @typedef {import("../rules/types.js").Tool} Tool */
/** @typedef {import("../rules/types.js").Server} Server */

/** @param {{name: string}} props */
export function OneServer({ name }) {
  const { data: server, error, reload } = useLoad(() => api.server(name), [name], ["policy", "sessions"]);
  const admin = useStore((state) => state.session?.user.role === "admin");
  const attempt = async (/** @type {Promise<unknown>} */ change) => {
    try {
      await change;
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
    await reload();
  };
  return html`<section class="screen" aria-labelledby="title">
    <p class="crumbs"><a href="/servers">Servers</a> <span aria-hidden="true">/</span></p>
    <header class="screen-head"><h1 id="title"><${Name} of=${name} /></h1>
      ${server && html`<span class="grow"></span><span class=${server.sessions ? "dot dot-on" : "dot"}></span><span class="quiet">${server.sessions ? `${plural(server.sessions, "shim")} connected` : "not connected now"}</span>`}
    </header>
    ${server && server.command.length > 0 && html`<p class="quiet small">Started as <${Name} of=${server.command.join(" ")} /></p>`}
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!server && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    ${server && !admin && html`<p class="note">Only admins change policy. You see what is in force.</p>`}
    <${Health} />
    ${
      server &&
      html`<div class="split">
      <div class="column">
        <${Tools} server=${server} admin=${admin} onChange=${(/** @type {string} */ tool, /** @type {object} */ change) => attempt(api.putTool(name, tool, change))} onAccepted=${reload} />
        <${Rules} server=${server} admin=${admin} onSaved=${reload} />
        <${Coverage} server=${server} />
      </div>
      <div class="column">
      <${PolicyCard} server=${server} admin=${admin} onChange=${(/** @type {object} */ change) => attempt(api.putPolicy(name, change))} />
      <${Simulate} server=${server} />
      ${admin && html`<${Removal} server=${server} />`}
      </div>
    </div>`
    }
  </section>`;
}

/** Why a tool is gated, or that it is not. @param {Server} server @param {Tool} tool */
function verdict({ policy, tools }, tool) {
  const ranks = { low: 0, medium: 1, high: 2 };
  const anything = policy.require_all || policy.threshold || policy.rules.length > 0 || tools.some((one) => one.hitl);
  if (tool.drift && (policy.gate_changed_tools ?? anything)) return `gated: ${tool.drift.kind}`;
  if (policy.require_all) return "gated: all tools here";
  if (tool.hitl) return "gated: switched on";
  if (policy.threshold && ranks[tool.trust] >= ranks[policy.threshold])
    return `gated: trust ${tool.trust} ≥ ${policy.threshold}`;
  return policy.rules.length ? "passes, but for rules" : "passes";
}

/** Says when calls are denied because the external decision point cannot be asked. */
function Health() {
  const { data } = useLoad(api.health, [], ["sessions", "policy", "approval"]);
  const point = data?.decision_point;
  return point && !point.ok
    ? html`<p class="trouble" role="alert">The external decision point cannot be asked, so calls are denied: <${Text} of=${point.trouble} /></p>`
    : null;
}

/** So that what comes after them is in reach; a server may have thousands. */
const TOOLS_AT_FIRST = 40;
const TOOLS_MORE = 200;

/** @param {{server: Server, admin: boolean, onChange: (tool: string, change: object) => Promise<void>, onAccepted: () => Promise<void>}} props */
function Tools({ server, admin, onChange, onAccepted }) {
  const [find, setFind] = useState("");
  const [most, setMost] = useState(TOOLS_AT_FIRST);
  const found = server.tools.filter((tool) => tool.name.toLowerCase().includes(find.toLowerCase()));
  // What waits to be accepted must not be far down in a long list.
  const tools = [...found.filter((tool) => tool.drift), ...found.filter((tool) => !tool.drift)].slice(0, most);
  if (!server.tools.length)
    return html`<div class="panel"><h2>Tools</h2><p class="quiet">The client has not listed this server's tools yet. Until it does, calls are gated if anything on this server is, or if new tools always wait.</p></div>`;
  return html`<section class="panel" aria-labelledby="tools">
    <header class="panel-head"><h2 id="tools">Tools</h2><span class="quiet">${server.tools.length}</span><span class="grow"></span>
      ${server.tools.length > 8 && html`<input id="filter" type="search" placeholder="Find a tool" aria-label="Find a tool" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />`}</header>
    <ul class="tools">
      ${tools.map((tool) => html`<${OneTool} key=${tool.name} server=${server.name} tool=${tool} onAccepted=${onAccepted} words=${verdict(server, tool)} admin=${admin} onChange=${(/** @type {object} */ change) => onChange(tool.name, change)} />`)}
    </ul>
    ${tools.length === 0 && html`<p class="quiet">No tool is called that.</p>`}
    ${found.length > tools.length && html`<p class="more"><button class="button small" onClick=${() => setMost(most + TOOLS_MORE)}>Show ${found.length - tools.length > TOOLS_MORE ? `${TOOLS_MORE} more of ${found.length}` : plural(found.length - tools.length, "more tool")}</button></p>`}
  </section>`;
}

const sources = { name: "by name", hint: "by hint", admin: "set by an admin" };

/** @param {{server: string, tool: Tool, words: string, admin: boolean, onChange: (change: object) => Promise<void>, onAccepted: () => Promise<void>}} props */
function OneTool({ server, tool, words, admin, onChange, onAccepted }) {
  const [busy, setBusy] = useState(false);
  const change = async (/** @type {object} */ patch) => {
    setBusy(true);
    await onChange(patch);
    setBusy(false);
  };
  const level = tool.trust_from === "admin" ? tool.trust : "";
  const shown = visible(tool.name);
  return html`<li class="tool-row">
    <div class="tool-main">
      <p><${Name} of=${tool.name} class="strong" /> <${Risk} level=${tool.trust} /> <span class="quiet small">${sources[tool.trust_from]}</span> <${Drift} server=${server} tool=${tool} admin=${admin} onDone=${onAccepted} /></p>
      ${tool.description && html`<details class="claim"><summary>${visible(tool.description.slice(0, 140).split("\n")[0] ?? "")}</summary><p><${Text} of=${tool.description} newlines /></p><p class="quiet small">The server's own words.</p></details>`}
      <${Note} tool=${tool} admin=${admin} onChange=${change}>${tool.calls ? html`${plural(tool.calls, "call")}, last <${Ago} at=${tool.last_used ?? 0} />` : "not called yet"}${tool.approvals ? ` · ${plural(tool.approvals, "approval")}` : ""}</${Note}>
      <${Varies} server=${server} tool=${tool} admin=${admin} onDone=${onAccepted} />
    </div>
    <span class=${words === "passes" ? "verdict" : "verdict gated"}>${words}</span>
    <select aria-label=${`Trust level of ${shown}`} disabled=${!admin || busy} value=${level} onChange=${(/** @type {any} */ e) => change({ trust: e.target.value || null })}>
      <option value="" selected=${level === ""}>trust: derived</option>
      ${["low", "medium", "high"].map((one) => html`<option value=${one} selected=${level === one}>${one}</option>`)}
    </select>
    <label class="hitl"><span class="small quiet">HITL</span><${Switch} on=${tool.hitl} label=${`Require approval for ${shown}`} disabled=${!admin} busy=${busy} onChange=${(/** @type {boolean} */ hitl) => change({ hitl })} /></label>
  </li>`;
}

/** Its use, and why it needs approval in an admin's words; approvers see these on the card. @param {{tool: Tool, admin: boolean, onChange: (change: object) => Promise<void>, children?: unknown}} props */
function Note({ tool, admin, onChange, children }) {
  const [editing, edit] = useState(false);
  const save = async (/** @type {any} */ event) => {
    event.preventDefault();
    const reason = new FormData(event.target).get("reason");
    edit(false);
    await onChange({ reason: String(reason ?? "").trim() || null });
  };
  if (editing)
    return html`<form class="inline" onSubmit=${save}><input name="reason" maxlength="1000" autocomplete="off" aria-label=${`Why ${visible(tool.name)} needs approval`} placeholder="Why this needs approval" defaultValue=${tool.reason ?? ""} /><button class="button small">Save</button><button type="button" class="link" onClick=${() => edit(false)}>Cancel</button></form>`;
  return html`<p class="small"><span class="quiet">${children}</span>${tool.reason && html`<span class="quiet"> · </span><span>approvers are told “<${Text} of=${tool.reason} />”</span>`}${admin && html`<span class="quiet"> · </span><button class="link" onClick=${() => edit(true)}>${tool.reason ? "Change" : "Add a reason"}</button>`}</p>`;
}
