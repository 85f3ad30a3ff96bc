// Users: the people who sign in, their roles, and how far the agents that work for them may go.

import { html, useState, useRef, useLayoutEffect } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { get, useStore, toast } from "../browser/store.js";
import { useLoad } from "../hub/load.js";
import { visible } from "../rules/glyphs.js";
import { Text } from "../components/text.js";
import { Trouble, Command } from "../components/controls.js";
import { Dialog } from "../components/dialog.js";
import { LimitList, LimitDialog } from "../components/limits.js";

/** @typedef {import("../rules/types.js").User} User */

const roles = /** @type {const} */ (["viewer", "approver", "admin"]);

export function Users() {
  const admin = useStore((state) => state.session?.user.role === "admin");
  const { data, error, reload } = useLoad(() => (admin ? api.users() : Promise.resolve([])), [admin], ["users"]);
  const [adding, setAdding] = useState(false);
  const [limiting, setLimiting] = useState(/** @type {User|null} */ (null));
  const [leaving, setLeaving] = useState(/** @type {User|null} */ (null));
  const [link, setLink] = useState(/** @type {{name: string, link: string}|null} */ (null));
  const attempt = async (/** @type {Promise<unknown>} */ change) => {
    try {
      await change;
      setLimiting(null);
      setLeaving(null);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
    await reload();
  };
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head"><h1 id="title">Users</h1><span class="grow"></span>${admin && html`<button class="button primary" onClick=${() => setAdding(true)}>New user</button>`}</header>
    ${!admin && html`<p class="note">Only admins see and change users.</p>`}
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    ${data && data.length > 0 && html`<${Table} users=${data} onRole=${(/** @type {User} */ user, /** @type {string} */ role) => attempt(api.putUser(user.name, { role }))} onLimit=${setLimiting} onRemove=${setLeaving} onLink=${(/** @type {User} */ { name }) => attempt(api.newLink(name).then(({ link: made }) => setLink({ name, link: made })))} />`}
    ${link && html`<${HandOver} words=${`It signs ${visible(link.name)} in, once, within ten minutes. Earlier links do not work any more.`} link=${link.link} onClose=${() => setLink(null)} />`}
    ${adding && html`<${NewUser} onClose=${() => (setAdding(false), reload())} />`}
    ${limiting && html`<${LimitDialog} title=${`Trust limits of ${visible(limiting.name)}`} words="Agents that work for this person may not call tools above the limit of a server, approval or not." limits=${limiting.ceilings} onSave=${(/** @type {object} */ ceilings) => attempt(api.putUser(limiting.name, { ceilings }))} onClose=${() => setLimiting(null)} />`}
    ${
      leaving &&
      html`<${Dialog} title=${`Remove ${visible(leaving.name)}?`} onClose=${() => setLeaving(null)}>
      <p>They are signed out at once. What they decided stays on record.</p>
      <div class="actions"><button class="button danger" onClick=${() => attempt(api.removeUser(leaving.name))}>Remove</button><button class="button ghost" onClick=${() => setLeaving(null)}>Keep</button></div>
    </${Dialog}>`
    }
  </section>`;
}

/** @param {{users: User[], onRole: (user: User, role: string) => void, onLimit: (user: User) => void, onRemove: (user: User) => void, onLink: (user: User) => void}} props */
const Table = ({ users, onRole, onLimit, onRemove, onLink }) => html`<div class="table-wrap"><table class="table">
  <thead><tr><th scope="col">User</th><th scope="col">Role</th><th scope="col">Trust limits</th><th><span class="sr">Actions</span></th></tr></thead>
  <tbody>${users.map(
    (user) => html`<tr key=${user.name}>
    <td data-th="User"><${Text} of=${user.name} class="strong" />${user.name === get().session?.user.name && html` <span class="quiet small">you</span>`}</td>
    <td data-th="Role"><select aria-label=${`Role of ${visible(user.name)}`} value=${user.role} onChange=${(/** @type {any} */ e) => onRole(user, e.target.value)}>
      ${roles.map((role) => html`<option value=${role} selected=${user.role === role}>${role}</option>`)}
    </select></td>
    <td data-th="Trust limits"><div class="limited"><${LimitList} limits=${user.ceilings} /><button class="link" aria-label=${`Change the trust limits of ${visible(user.name)}`} onClick=${() => onLimit(user)}>Change</button></div></td>
    <td class="row-end"><button class="link" aria-label=${`New link for ${visible(user.name)} to sign in`} onClick=${() => onLink(user)}>New link</button> <button class="link danger" aria-label=${`Remove ${visible(user.name)}`} onClick=${() => onRemove(user)}>Remove</button></td>
  </tr>`,
  )}</tbody>
</table></div>`;

/** @param {{words: string, link: string, onClose: () => void}} props */
const HandOver = ({ words, link, onClose }) => html`<${Dialog} title="Hand over this link" onClose=${onClose}>
  <p>${words}</p>
  <${Command} text=${link} />
  <div class="actions"><button class="button primary" onClick=${onClose}>Done</button></div>
</${Dialog}>`;

/** Asks for a name and a role, then shows the link to hand over. @param {{onClose: () => void}} props */
function NewUser({ onClose }) {
  const [link, setLink] = useState("");
  const [error, setError] = useState("");
  const name = useRef(/** @type {HTMLInputElement|null} */ (null));
  const role = useRef(/** @type {HTMLSelectElement|null} */ (null));
  useLayoutEffect(() => name.current?.focus(), []);
  const create = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const answer = await api.addUser({
        name: name.current?.value.trim() ?? "",
        role: role.current?.value ?? "viewer",
      });
      setLink(answer.link ?? "");
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  if (link)
    return html`<${HandOver} words="It signs the new user in, once, within ten minutes." link=${link} onClose=${onClose} />`;
  return html`<${Dialog} title="New user" onClose=${onClose}>
    <form class="stack" onSubmit=${create}>
      ${error && html`<p class="trouble" role="alert">${error}</p>`}
      <label>Name<input ref=${name} required maxlength="64" autocomplete="off" /></label>
      <label>Role<select ref=${role}>${roles.map((one) => html`<option value=${one} selected=${one === "approver"}>${one}</option>`)}</select></label>
      <div class="actions"><button class="button primary">Create</button><button type="button" class="button ghost" onClick=${onClose}>Cancel</button></div>
    </form>
  </${Dialog}>`;
}
