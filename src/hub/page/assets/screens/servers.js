// The servers that shims reported, and what is gated on each.

import { html } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { plural } from "../rules/format.js";
import { Name } from "../components/text.js";
import { Trouble } from "../components/controls.js";
import { FirstSteps } from "../components/start.js";
import { gates, undescribed } from "../rules/gates.js";
import { Ungated } from "../components/ungated.js";

export function Servers() {
  const { data, error, reload } = useLoad(api.servers, [], ["policy", "sessions"]);
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head"><h1 id="title">Servers</h1></header>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    <${Ungated} />
    ${data?.length === 0 && html`<${NoServers} />`}
    ${data && data.length > 0 && html`<ul class="tiles">${data.map((server) => html`<${Tile} key=${server.name} server=${server} />`)}</ul>`}
  </section>`;
}

/** @param {{server: import("../rules/types.js").Server}} props */
function Tile({ server }) {
  const counts = { high: 0, medium: 0, low: 0 };
  for (const tool of server.tools) counts[tool.trust]++;
  const levels = /** @type {const} */ (["high", "medium", "low"]).filter((level) => counts[level]);
  return html`<li><a class="tile" href=${`/servers/${encodeURIComponent(server.name)}`}>
    <span class="tile-head"><${Name} of=${server.name} class="tile-name" />
      <span class=${server.sessions ? "dot dot-on" : "dot"}></span><span class="small quiet">${server.sessions ? plural(server.sessions, "connection") : "not connected"}</span></span>
    <span class="tile-line">${gates(server)}</span>
    <span class="tile-line quiet small">${server.tools.length ? html`${plural(server.tools.length, "tool")}: ${levels.map((level) => `${counts[level]} ${level}`).join(", ")}` : "no tools listed yet"}${undescribed(server) && html` · <span class="badge drift">none described</span>`}</span>
  </a></li>`;
}

const NoServers = () => html`<div class="empty">
  <h2>No server yet</h2>
  <p>A server appears here when a client starts it through <code>hitl-wrap</code>.</p>
  <div class="panel"><${FirstSteps} /><p class="quiet">The <a href="/guide">guide</a> has the rest.</p></div>
</div>`;
