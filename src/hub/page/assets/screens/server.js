// One server: its policy, and its tools with their toggles and trust levels.

import { html } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useStore, toast } from "../browser/store.js";
import { useLoad } from "../hub/load.js";
import { plural } from "../rules/format.js";
import { Text, Name } from "../components/text.js";
import { Trouble } from "../components/controls.js";
import { Choose } from "../components/choose.js";
import { PolicyCard } from "../components/policy.js";
import { Rules } from "../components/rules.js";
import { Simulate, Coverage } from "../components/simulate.js";
import { Tools } from "../components/tools.js";
import { Removal } from "../components/removal.js";

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
  const setPolicy = (/** @type {object} */ change) => attempt(api.putPolicy(name, change));
  return html`<section class="screen" aria-labelledby="title">
    <p class="crumbs"><a href="/servers">Servers</a> <span aria-hidden="true">/</span></p>
    <header class="screen-head"><h1 id="title"><${Name} of=${name} /></h1>
      ${server && html`<span class="grow"></span><span class=${server.sessions ? "dot dot-on" : "dot"}></span><span class="quiet">${server.sessions ? plural(server.sessions, "connection") : "not connected now"}</span>`}
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
        <${Choose} server=${server} admin=${admin} onChange=${setPolicy} />
        <${PolicyCard} server=${server} admin=${admin} onChange=${setPolicy} />
      </div>
      <div class="column">
        <${Tools} server=${server} admin=${admin} onChange=${(/** @type {string} */ tool, /** @type {object} */ change) => attempt(api.putTool(name, tool, change))} onDone=${reload} />
        <${Rules} server=${server} admin=${admin} onSaved=${reload} />
        <${Coverage} server=${server} />
        <${Simulate} server=${server} />
        ${admin && html`<${Removal} server=${server} />`}
      </div>
    </div>`
    }
  </section>`;
}

/** Says when calls are denied because the external decision point cannot be asked. */
function Health() {
  const { data } = useLoad(api.health, [], ["sessions", "policy", "approval"]);
  const point = data?.decision_point;
  return point && !point.ok
    ? html`<p class="trouble" role="alert">The external decision point cannot be asked, so calls are denied: <${Text} of=${point.trouble} /></p>`
    : null;
}
