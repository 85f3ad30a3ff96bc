// Every call that the shims reported, with its verdict.

import { html, useState, useEffect } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { toast } from "../browser/store.js";
import { useLoad } from "../hub/load.js";
import { duration } from "../rules/format.js";
import { Text, Name } from "../components/text.js";
import { When, OutcomeWord, Trouble } from "../components/controls.js";
import { Select } from "../components/filters.js";

/** @typedef {import("../rules/types.js").ActivityRow} Row */

const LIMIT = 100;
const words = /** @type {Record<string, string>} */ ({
  pass: "passed",
  bypass: "bypassed",
  gate: "gated",
  deny: "denied",
  dropped: "not recorded",
});
const nothing = { server: "", agent: "", verdict: "" };

export function Activity() {
  const [filter, setFilter] = useState(nothing);
  const [rows, setRows] = useState(/** @type {Row[]} */ ([]));
  const [cursor, setCursor] = useState(/** @type {string|null} */ (null));
  const { data, error, reload } = useLoad(() => api.activity({ ...filter, limit: LIMIT }), [JSON.stringify(filter)]);
  const { data: servers } = useLoad(api.servers, []);
  const { data: agents } = useLoad(api.agents, []);
  useEffect(() => {
    setRows(data?.items ?? []);
    setCursor(data?.next_cursor ?? null);
  }, [data]);
  // Passing calls raise no events: look again now and then, as long as somebody looks at the newest.
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && rows.length <= LIMIT && reload(), 5000);
    return () => clearInterval(timer);
  }, [rows.length, filter]);
  const more = async () => {
    try {
      const page = await api.activity({ ...filter, limit: LIMIT, cursor });
      setRows([...rows, ...page.items]);
      setCursor(page.next_cursor);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
  };
  const change = (/** @type {Partial<typeof nothing>} */ patch) => setFilter({ ...filter, ...patch });
  const active = Object.values(filter).some(Boolean);
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head"><h1 id="title">Activity</h1></header>
    <div class="bar"><div class="filters" role="search">
      <${Select} label="Server" value=${filter.server} options=${(servers ?? []).map((s) => [s.name, s.name])} onChange=${(/** @type {string} */ server) => change({ server })} />
      <${Select} label="Agent" value=${filter.agent} options=${(agents ?? []).map((a) => [a.client_id, a.name])} onChange=${(/** @type {string} */ agent) => change({ agent })} />
      <${Select} label="Verdict" value=${filter.verdict} options=${Object.entries(words)} onChange=${(/** @type {string} */ verdict) => change({ verdict })} />
      ${active && html`<button class="link" onClick=${() => setFilter(nothing)}>Clear</button>`}
    </div></div>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    ${rows.length > 0 && html`<${Table} rows=${rows} />`}
    ${data && data.items.length === 0 && html`<div class="empty"><h2>${active ? "Nothing matches" : "No calls yet"}</h2><p>Every tool call of a wrapped server is listed here with what policy said: passed, bypassed, gated or denied.</p></div>`}
    ${cursor && html`<p class="more"><button class="button" onClick=${more}>Show older</button></p>`}
  </section>`;
}

/** @param {{rows: Row[]}} props */
const Table = ({ rows }) => html`<div class="table-wrap"><table class="table dense">
  <thead><tr><th scope="col">When</th><th scope="col">Verdict</th><th scope="col">Tool</th><th scope="col">Server</th><th scope="col">Agent</th><th scope="col">Outcome</th><th scope="col">Took</th></tr></thead>
  <tbody>${rows.map(
    (row) => html`<tr key=${row.id}>
    <td data-th="When"><${When} at=${row.at} /></td>
    <td data-th="Verdict"><span class=${`badge verdict-${row.verdict}`}>${words[row.verdict] ?? row.verdict}</span></td>
    <td data-th="Tool">${row.approval ? html`<a href=${`/approvals/${encodeURIComponent(row.approval)}`}><${Name} of=${row.tool} /></a>` : row.dropped ? `${row.dropped} ${row.dropped === 1 ? "call" : "calls"}` : html`<${Name} of=${row.tool} />`}</td>
    <td data-th="Server"><a href=${`/servers/${encodeURIComponent(row.server)}`}><${Name} of=${row.server} /></a></td>
    <td data-th="Agent"><${Text} of=${row.agent.name} /></td>
    <td data-th="Outcome"><${OutcomeWord} of=${row} /></td>
    <td data-th="Took" class="num">${row.duration_ms === null ? "–" : row.duration_ms === 0 ? "< 1 ms" : duration(row.duration_ms)}</td>
  </tr>`,
  )}</tbody>
</table></div>`;
