// The same policy for another server: everything but whom it lets through.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { toast } from "../browser/store.js";
import { useLoad } from "../hub/load.js";
import { plural } from "../rules/format.js";
import { visible } from "../rules/glyphs.js";
import { Dialog } from "./dialog.js";

/** @typedef {import("../rules/types.js").Server} Server */
/** @typedef {import("../rules/types.js").Tool} Tool */

/** What an admin set of a tool. @param {Tool} tool */
const setOf = ({ hitl, trust, trust_from, reason }) => ({ hitl, trust: trust_from === "admin" ? trust : null, reason });

/** Puts one server's policy, and what was set of tools of the same name, on another: how many tools that were. @param {Server} from @param {string} to */
async function copy({ policy, tools }, to) {
  const { require_all, threshold, timeout_seconds, gate_changed_tools, rules } = policy;
  const target = await api.putPolicy(to, { require_all, threshold, timeout_seconds, gate_changed_tools, rules });
  const names = new Set(/** @type {Server} */ (target).tools.map((tool) => tool.name));
  const alike = tools.filter((tool) => names.has(tool.name));
  for (const tool of alike) await api.putTool(to, tool.name, setOf(tool));
  return alike.length;
}

/** @param {{server: Server}} props */
export function CopyPolicy({ server }) {
  const { data: servers } = useLoad(api.servers, [], ["sessions"]);
  const [open, setOpen] = useState(false);
  const [to, choose] = useState("");
  const [busy, setBusy] = useState(false);
  const others = (servers ?? []).filter((other) => other.name !== server.name);
  if (!others.length) return null;
  const apply = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const tools = await copy(server, to);
      toast(
        "ok",
        `${visible(to)} has the policy of ${visible(server.name)}, and ${plural(tools, "tool")} of the same name.`,
      );
      setOpen(false);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
    setBusy(false);
  };
  return html`<div class="setting"><h3>The same elsewhere</h3><button class="button small" onClick=${() => setOpen(true)}>Copy policy…</button></div>
    ${
      open &&
      html`<${Dialog} title=${`Copy the policy of ${visible(server.name)}`} onClose=${() => setOpen(false)}>
      <form class="stack" onSubmit=${apply}>
        <p>Copied are whether all tools need approval, the threshold, the time to decide, what is set for new and changed tools, the ${plural(server.policy.rules.length, "argument rule")}, and switch, risk and reason of tools that both servers have. What the other server has of these goes. Whom it lets through stays as it is there.</p>
        <label>To<select required value=${to} onChange=${(/** @type {any} */ e) => choose(e.target.value)}>
          <option value="" selected=${to === ""}>Choose a server…</option>
          ${others.map(({ name }) => html`<option value=${name} selected=${to === name}>${visible(name)}</option>`)}
        </select></label>
        <div class="actions"><button class="button primary" disabled=${!to || busy}>Copy</button><button type="button" class="button ghost" onClick=${() => setOpen(false)}>Cancel</button></div>
      </form>
    </${Dialog}>`
    }`;
}
