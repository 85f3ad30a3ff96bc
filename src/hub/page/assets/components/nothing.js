// The empty queue: what is connected, and what to do to see a card here.

import { html } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { plural } from "../rules/format.js";
import { gates } from "../rules/gates.js";
import { Command } from "./controls.js";
import { FirstSteps } from "./start.js";
import { Name } from "./text.js";

export function NothingWaits() {
  const { data: servers } = useLoad(api.servers, [], ["sessions", "policy"]);
  const connected = (servers ?? []).filter((server) => server.sessions > 0);
  return html`<div class="empty">
    <svg class="empty-mark" viewBox="0 0 48 48" width="44" height="44" aria-hidden="true"><circle cx="24" cy="24" r="21" /><path d="M15 24.5l6.5 6.5L33.5 18" /></svg>
    <h2>Nothing waits for you</h2>
    <p>Calls that need approval appear here the moment an agent makes one. The page is live; leave it open.</p>
    ${
      connected.length > 0 &&
      html`<div class="panel">
      <h3>Connected now</h3>
      <ul class="rows">
        ${connected.map((server) => html`<li><a href=${`/servers/${encodeURIComponent(server.name)}`}><${Name} of=${server.name} /></a><span class="quiet">${plural(server.sessions, "connection")} · ${gates(server)}</span></li>`)}
      </ul>
    </div>`
    }
    ${
      servers &&
      connected.length === 0 &&
      html`<div class="panel">
      <h3>Nothing is connected</h3>
      <${FirstSteps} />
      <p class="quiet">Or see the whole thing at work first:</p>
      <${Command} text="hitl-wrap demo" />
      <p class="quiet">The <a href="/guide">guide</a> has the rest.</p>
    </div>`
    }
  </div>`;
}
