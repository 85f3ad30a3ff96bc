// What would happen: one call tried against policy, and every tool for one agent.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { moment } from "../rules/format.js";
import { visible } from "../rules/glyphs.js";
import { Text, Name } from "./text.js";
import { Risk } from "./controls.js";

/** @typedef {import("../rules/types.js").Ruling} Ruling */
/** @typedef {import("../rules/types.js").Server} Server */

const words = { pass: "passes", gate: "waits for approval", deny: "denied", ask: "depends on the call" };

/** @param {{ruling: Ruling}} props */
export const Verdict = ({ ruling }) =>
  html`<span class=${ruling.verdict === "pass" ? "verdict" : `verdict gated verdict-${ruling.verdict}`}>${ruling.bypass ? "bypass" : words[ruling.verdict]}</span>`;

/** @param {{reasons?: string[]}} props */
const Reasons = ({ reasons }) =>
  html`<ul class="reasons small">${(reasons ?? []).map((reason) => html`<li><${Text} of=${reason} /></li>`)}</ul>`;

/** @param {{value: string, onPick: (id: string) => void, id: string}} props */
function AgentChoice({ value, onPick, id }) {
  const { data: agents } = useLoad(api.agents, [], ["agents"]);
  return html`<select id=${id} value=${value} onChange=${(/** @type {any} */ e) => onPick(e.target.value)}>
    <option value="" selected=${value === ""}>${agents?.length === 0 ? "No agents yet" : "Choose an agent…"}</option>
    ${(agents ?? []).map((agent) => html`<option value=${agent.client_id} selected=${value === agent.client_id}>${agent.name}</option>`)}
  </select>`;
}

/** A call of the last days to start from. @param {{server: string, onPick: (past: import("../rules/types.js").Approval) => void}} props */
function PastCall({ server, onPick }) {
  const { data: calls } = useLoad(() => api.approvals({ server, limit: 30 }).then((page) => page.items), [server]);
  if (!calls?.length) return null;
  const pick = (/** @type {any} */ event) => {
    const past = calls.find((call) => call.id === event.target.value);
    if (past) onPick(past);
  };
  return html`<label>Take a call from the history<select onChange=${pick}>
    <option value="">Or write one below…</option>
    ${calls.map((call) => html`<option value=${call.id}>${visible(call.tool)}, ${visible(call.agent.name)}, ${moment(call.created_at, Date.now())}</option>`)}
  </select></label>`;
}

/** @param {{server: Server}} props */
export function Simulate({ server }) {
  const [agent, setAgent] = useState("");
  const [tool, setTool] = useState("");
  const [text, setText] = useState("{}");
  const [answer, setAnswer] = useState(/** @type {Ruling|null} */ (null));
  const [error, setError] = useState("");
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      setAnswer(await api.simulate(server.name, { agent, tool, arguments: text.trim() || "{}" }));
      setError("");
    } catch (problem) {
      setAnswer(null);
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  const take = (/** @type {import("../rules/types.js").Approval} */ past) => {
    setAgent(past.agent.client_id);
    setTool(past.tool);
    setText(past.arguments);
    setAnswer(null);
  };
  return html`<section class="panel" aria-labelledby="simulate">
    <h2 id="simulate">Try a call</h2>
    <p class="quiet small">Nothing runs: this only says what the call would come to now, and why.</p>
    <form class="stack" onSubmit=${run}>
      <${PastCall} server=${server.name} onPick=${take} />
      <label>Agent<${AgentChoice} id="sim-agent" value=${agent} onPick=${setAgent} /></label>
      <label>Tool<input list="sim-tools" autocomplete="off" value=${tool} onInput=${(/** @type {any} */ e) => setTool(e.target.value)} /></label>
      <datalist id="sim-tools">${server.tools.map((one) => html`<option value=${one.name}></option>`)}</datalist>
      <label>Arguments as JSON<textarea class="mono" rows="3" spellcheck="false" value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)}></textarea></label>
      <div class="actions"><button class="button" disabled=${!(agent && tool)}>Try it</button></div>
    </form>
    ${error && html`<p class="trouble" role="alert"><${Text} of=${error} /></p>`}
    ${answer && html`<div class="answer" role="status"><p><${Verdict} ruling=${answer} /> <${Risk} level=${answer.trust} /></p><${Reasons} reasons=${answer.reasons} /></div>`}
  </section>`;
}

/** @param {{server: Server}} props */
export function Coverage({ server }) {
  const [agent, setAgent] = useState("");
  const { data, error } = useLoad(
    () => (agent ? api.coverage(server.name, agent) : Promise.resolve(null)),
    [server.name, agent],
    ["policy", "agents", "users"],
  );
  return html`<section class="panel" aria-labelledby="coverage">
    <h2 id="coverage">What an agent may do here</h2>
    <label for="cov-agent" class="sr">Agent</label><${AgentChoice} id="cov-agent" value=${agent} onPick=${setAgent} />
    ${error && html`<p class="trouble" role="alert">${error}</p>`}
    ${
      data &&
      html`<div class="table-wrap coverage" tabindex="0" role="region" aria-label="What it may do, tool by tool"><table class="table">
      <thead><tr><th scope="col">Tool</th><th scope="col">Comes to</th><th scope="col">Why</th></tr></thead>
      <tbody>
        ${data.tools.map((row) => html`<tr key=${row.tool}><td data-th="Tool"><${Name} of=${row.tool} /></td><td data-th="Comes to"><${Verdict} ruling=${row} /></td><td data-th="Why"><${Reasons} reasons=${row.reasons} /></td></tr>`)}
        <tr><td data-th="Tool" class="quiet">any other tool</td><td data-th="Comes to"><${Verdict} ruling=${data.unlisted} /></td><td data-th="Why"><${Reasons} reasons=${data.unlisted.reasons} /></td></tr>
      </tbody></table></div>`
    }
  </section>`;
}
