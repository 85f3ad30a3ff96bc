// A server's tools: what the calls of each come to and why, its level and switch, and changes of many at once.

import { html, cls, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { toast } from "../browser/store.js";
import { plural } from "../rules/format.js";
import { visible } from "../rules/glyphs.js";
import { Text, Name } from "./text.js";
import { Switch, Risk, Ago } from "./controls.js";
import { Verdict } from "./simulate.js";
import { Drift, Varies } from "./drift.js";
import { Dialog } from "./dialog.js";

/** @typedef {import("../rules/types.js").Tool} Tool */
/** @typedef {import("../rules/types.js").Server} Server */

/** So that what comes after them is in reach; a server may have thousands. */
const TOOLS_AT_FIRST = 40;
const TOOLS_MORE = 200;

/** @param {{server: Server, admin: boolean, onChange: (tool: string, change: object) => Promise<void>, onDone: () => Promise<void>}} props */
export function Tools({ server, admin, onChange, onDone }) {
  const [find, setFind] = useState("");
  const [most, setMost] = useState(TOOLS_AT_FIRST);
  const found = server.tools.filter((tool) => tool.name.toLowerCase().includes(find.toLowerCase()));
  // What waits to be accepted must not be far down in a long list.
  const tools = [...found.filter((tool) => tool.drift), ...found.filter((tool) => !tool.drift)].slice(0, most);
  if (!server.tools.length)
    return html`<div class="panel"><h2>Tools</h2><p class="quiet">The client has not listed this server's tools yet. Until it does, calls wait if anything on this server does, or if new tools always wait.</p></div>`;
  return html`<section class="panel" aria-labelledby="tools">
    <header class="panel-head"><h2 id="tools">Tools</h2><span class="quiet">${server.tools.length}</span><span class="grow"></span>
      ${server.tools.length > 8 && html`<input id="filter" type="search" placeholder="Find a tool" aria-label="Find a tool" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />`}
      ${admin && found.length > 1 && html`<${Bulk} server=${server.name} tools=${found} onDone=${onDone} />`}</header>
    <p class="quiet small">What calls come to, for an agent without limits that nobody let through.</p>
    <ul class="tools">
      ${tools.map((tool) => html`<${OneTool} key=${tool.name} server=${server.name} tool=${tool} onAccepted=${onDone} admin=${admin} onChange=${(/** @type {object} */ change) => onChange(tool.name, change)} />`)}
    </ul>
    ${tools.length === 0 && html`<p class="quiet">No tool is called that.</p>`}
    ${found.length > tools.length && html`<p class="more"><button class="button small" onClick=${() => setMost(most + TOOLS_MORE)}>Show ${found.length - tools.length > TOOLS_MORE ? `${TOOLS_MORE} more of ${found.length}` : plural(found.length - tools.length, "more tool")}</button></p>`}
  </section>`;
}

const sources = { name: "by name", hint: "by hint", admin: "set by an admin" };

/** @param {{server: string, tool: Tool, admin: boolean, onChange: (change: object) => Promise<void>, onAccepted: () => Promise<void>}} props */
function OneTool({ server, tool, admin, onChange, onAccepted }) {
  const [busy, setBusy] = useState(false);
  const [open, setOpen] = useState(false);
  const change = async (/** @type {object} */ patch) => {
    setBusy(true);
    await onChange(patch);
    setBusy(false);
  };
  const level = tool.trust_from === "admin" ? tool.trust : "";
  const shown = visible(tool.name);
  return html`<li class=${cls("tool-row", open && "tool-open")}>
    <div class="tool-main">
      <p><${Name} of=${tool.name} class="strong" /> <${Risk} level=${tool.trust} /> <span class="quiet small">${sources[tool.trust_from]}</span> <${Drift} server=${server} tool=${tool} admin=${admin} onDone=${onAccepted} /></p>
      ${tool.description && html`<details class="claim tool-more"><summary>${visible(tool.description.slice(0, 140).split("\n")[0] ?? "")}</summary><p><${Text} of=${tool.description} newlines /></p><p class="quiet small">The server's own words.</p></details>`}
      <div class="tool-more"><${Note} tool=${tool} admin=${admin} onChange=${change}>${tool.calls ? html`${plural(tool.calls, "call")}, last <${Ago} at=${tool.last_used ?? 0} />` : "not called yet"}${tool.approvals ? ` · ${plural(tool.approvals, "approval")}` : ""}</${Note}>
        <${Varies} server=${server} tool=${tool} admin=${admin} onDone=${onAccepted} /></div>
    </div>
    <${ComesTo} ruling=${tool.comes_to} />
    <select class="tool-more" aria-label=${`Trust level of ${shown}`} disabled=${!admin || busy} value=${level} onChange=${(/** @type {any} */ e) => change({ trust: e.target.value || null })}>
      <option value="" selected=${level === ""}>automatic</option>
      ${["low", "medium", "high"].map((one) => html`<option value=${one} selected=${level === one}>${one}</option>`)}
    </select>
    <label class="hitl"><span class="small quiet">Needs approval</span><${Switch} on=${tool.hitl} label=${`Require approval for ${shown}`} disabled=${!admin} busy=${busy} onChange=${(/** @type {boolean} */ hitl) => change({ hitl })} /></label>
    <button class="link small tool-toggle" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>${open ? "Less" : "More"}<span class="sr"> about ${shown}</span></button>
  </li>`;
}

/** What would happen, and by which switch, rule or level. @param {{ruling: import("../rules/types.js").Ruling|undefined}} props */
const ComesTo = ({ ruling }) =>
  ruling
    ? html`<div class="comes-to"><${Verdict} ruling=${ruling} />${(ruling.reasons ?? []).map((reason) => html`<p class="quiet small"><${Text} of=${reason} /></p>`)}</div>`
    : html`<span></span>`;

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

/** @type {[string, string, object][]} */
const changes = [
  ["on", "need approval", { hitl: true }],
  ["off", "need no approval of their own", { hitl: false }],
  ["low", "have low risk", { trust: "low" }],
  ["medium", "have medium risk", { trust: "medium" }],
  ["high", "have high risk", { trust: "high" }],
  ["automatic", "have the risk that name and hints say", { trust: null }],
];

/** One change of all tools that are found. @param {{server: string, tools: Tool[], onDone: () => Promise<void>}} props */
function Bulk({ server, tools, onDone }) {
  const [picked, pick] = useState("");
  const [done, setDone] = useState(-1);
  const [, words, change] = changes.find(([key]) => key === picked) ?? ["", "", {}];
  const apply = async () => {
    try {
      for (const [index, tool] of tools.entries()) {
        setDone(index);
        await api.putTool(server, tool.name, change);
      }
      toast("ok", `${plural(tools.length, "tool")} now ${words}.`);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
    setDone(-1);
    pick("");
    await onDone();
  };
  return html`<select class="bulk" aria-label="Change all tools found" value=${picked} onChange=${(/** @type {any} */ e) => pick(e.target.value)}>
      <option value="" selected=${picked === ""}>Change ${tools.length}…</option>
      ${changes.map(([key, one]) => html`<option value=${key} selected=${picked === key}>${one}</option>`)}
    </select>
    ${
      picked &&
      html`<${Dialog} title=${`${plural(tools.length, "tool")} will ${words}`} onClose=${() => done < 0 && pick("")}>
      <p>${tools.slice(0, 12).map((tool, i) => html`${i > 0 && ", "}<${Name} of=${tool.name} />`)}${tools.length > 12 && ` and ${tools.length - 12} more`}</p>
      <div class="actions"><button class="button primary" disabled=${done >= 0} onClick=${apply}>${done < 0 ? `Change ${plural(tools.length, "tool")}` : `${done} of ${tools.length}…`}</button><button class="button ghost" disabled=${done >= 0} onClick=${() => pick("")}>Leave them</button></div>
    </${Dialog}>`
    }`;
}
