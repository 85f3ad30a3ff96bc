// Agents: who may connect, with the client ids that bypass lists need.

import { html, useState, useRef, useLayoutEffect } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useStore, toast } from "../browser/store.js";
import { useLoad } from "../hub/load.js";
import { visible } from "../rules/glyphs.js";
import { Text, Name } from "../components/text.js";
import { CopyButton, Ago, Trouble, Command } from "../components/controls.js";
import { Dialog } from "../components/dialog.js";
import { Token, NewToken, ItsServers } from "../components/agent.js";
import { LimitList, LimitDialog } from "../components/limits.js";

/** @typedef {import("../rules/types.js").Agent} Agent */

export function Agents() {
  const { data, error, reload } = useLoad(api.agents, [], ["agents", "sessions"]);
  const admin = useStore((state) => state.session?.user.role === "admin");
  const [adding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState(/** @type {Agent|null} */ (null));
  const [limiting, setLimiting] = useState(/** @type {Agent|null} */ (null));
  const [serving, setServing] = useState(/** @type {Agent|null} */ (null));
  const [rotating, setRotating] = useState(/** @type {Agent|null} */ (null));
  const change = async (/** @type {Agent} */ agent, /** @type {object} */ patch) => {
    try {
      await api.putAgent(agent.client_id, patch);
      setLimiting(null);
      setServing(null);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
    await reload();
  };
  const revoke = async (/** @type {Agent} */ agent) => {
    try {
      await api.removeAgent(agent.client_id);
      toast("ok", `The token of ${visible(agent.name)} is worthless now.`);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
    setLeaving(null);
    await reload();
  };
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head"><h1 id="title">Agents</h1><span class="grow"></span>${admin && html`<a class="button ghost" href="/enrol">Enrol a machine</a> <button class="button primary" onClick=${() => setAdding(true)}>New agent</button>`}</header>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    ${data?.length === 0 && html`<div class="empty"><h2>No agent yet</h2><p>An agent is the identity behind a client. Its token lets <code>hitl-wrap</code> connect, and nothing else: it cannot approve anything.</p><p>A machine gets one when it runs this and an admin confirms its code:</p><${Command} text=${`hitl-wrap login ${location.origin}`} /></div>`}
    ${data && data.length > 0 && html`<${Table} agents=${data} admin=${admin} onLimit=${setLimiting} onServe=${setServing} onRotate=${setRotating} onRevoke=${setLeaving} />`}
    ${serving && html`<${ItsServers} agent=${serving} onSave=${(/** @type {string[]|null} */ servers) => change(serving, { servers })} onClose=${() => setServing(null)} />`}
    ${rotating && html`<${NewToken} agent=${rotating} onClose=${() => (setRotating(null), reload())} />`}
    ${limiting && html`<${LimitDialog} title=${`Trust of ${visible(limiting.name)}`} words="Tools above the trust of this agent on a server are denied, approval or not. Without a limit nothing is." limits=${limiting.trust} onSave=${(/** @type {object} */ trust) => change(limiting, { trust })} onClose=${() => setLimiting(null)} />`}
    ${adding && html`<${NewAgent} onClose=${() => (setAdding(false), reload())} />`}
    ${
      leaving &&
      html`<${Dialog} title=${`Revoke ${visible(leaving.name)}?`} onClose=${() => setLeaving(null)}>
      <p>Its connections are cut at once and the calls they hold are cancelled. This cannot be taken back; a new agent gets a new client id.</p>
      <div class="actions"><button class="button danger" onClick=${() => revoke(leaving)}>Revoke</button><button class="button ghost" onClick=${() => setLeaving(null)}>Keep it</button></div>
    </${Dialog}>`
    }
  </section>`;
}

/** @param {{agents: Agent[], admin: boolean, onLimit: (agent: Agent) => void, onServe: (agent: Agent) => void, onRotate: (agent: Agent) => void, onRevoke: (agent: Agent) => void}} props */
const Table = ({
  agents,
  admin,
  onLimit,
  onServe,
  onRotate,
  onRevoke,
}) => html`<div class="table-wrap"><table class="table">
  <thead><tr><th scope="col">Agent</th><th scope="col">Client id</th><th scope="col">User</th><th scope="col">Limits</th><th scope="col">Last seen</th>${admin && html`<th><span class="sr">Actions</span></th>`}</tr></thead>
  <tbody>${agents.map(
    (agent) => html`<tr key=${agent.client_id}>
    <td data-th="Agent"><${Text} of=${agent.name} class="strong" /></td>
    <td data-th="Client id"><${Name} of=${agent.client_id} /> <${CopyButton} text=${agent.client_id} label="Copy" /></td>
    <td data-th="User">${agent.user ? html`<${Text} of=${agent.user} />` : html`<span class="quiet">–</span>`}</td>
    <td data-th="Limits"><div><div class="limited"><${LimitList} limits=${agent.trust} />${admin && html`<button class="link" aria-label=${`Change the trust of ${visible(agent.name)}`} onClick=${() => onLimit(agent)}>Change</button>`}</div><div class="small quiet">${agent.servers ? html`only on ${agent.servers.length ? agent.servers.map((name, index) => html`${index > 0 && ", "}<${Name} of=${name} />`) : "no server"}` : "every server"}${admin && html` <button class="link" aria-label=${`Change the servers of ${visible(agent.name)}`} onClick=${() => onServe(agent)}>Change</button>`}</div></div></td>
    <td data-th="Last seen">${agent.last_seen ? html`<${Ago} at=${agent.last_seen} />` : html`<span class="quiet">never</span>`}</td>
    ${admin && html`<td class="row-end"><button class="link" aria-label=${`New token for ${visible(agent.name)}`} onClick=${() => onRotate(agent)}>New token</button><button class="link danger" aria-label=${`Revoke ${visible(agent.name)}`} onClick=${() => onRevoke(agent)}>Revoke</button></td>`}
  </tr>`,
  )}</tbody>
</table></div>`;

/** Asks for a name, then shows the token this one time. @param {{onClose: () => void}} props */
function NewAgent({ onClose }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState("");
  const name = useRef(/** @type {HTMLInputElement|null} */ (null));
  const user = useRef(/** @type {HTMLInputElement|null} */ (null));
  useLayoutEffect(() => name.current?.focus(), []);
  const create = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const forUser = user.current?.value.trim();
      const answer = await api.addAgent({
        name: name.current?.value.trim() ?? "",
        ...(forUser ? { user: forUser } : {}),
      });
      setToken(answer.token);
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  if (token) return html`<${Token} token=${token} onClose=${onClose} />`;
  return html`<${Dialog} title="New agent" onClose=${onClose}>
    <form class="stack" onSubmit=${create}>
      ${error && html`<p class="trouble" role="alert">${error}</p>`}
      <label>Name<input ref=${name} required maxlength="100" autocomplete="off" placeholder="Release pipeline" /></label>
      <label>User it works for (optional)<input ref=${user} maxlength="100" autocomplete="off" /></label>
      <div class="actions"><button class="button primary">Create</button><button type="button" class="button ghost" onClick=${onClose}>Cancel</button></div>
    </form>
  </${Dialog}>`;
}
