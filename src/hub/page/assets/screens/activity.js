// Every call that the shims reported, with its verdict; of a denied one, what it was and why.

import { html, useState, useEffect } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { toast } from "../browser/store.js";
import { useFilter, withTimes } from "../browser/filter.js";
import { useLoad } from "../hub/load.js";
import { activityColumns } from "../rules/csv.js";
import { duration } from "../rules/format.js";
import { Text, Name } from "../components/text.js";
import { CopyButton, When, OutcomeWord, Trouble } from "../components/controls.js";
import { Select, Search, Dates } from "../components/filters.js";
import { Export } from "../components/export.js";

/** @typedef {import("../rules/types.js").ActivityRow} Row */
/** @typedef {{q: string, server: string, tool: string, agent: string, verdict: string, from: string, to: string}} Filter */

const LIMIT = 100;
const words = /** @type {Record<string, string>} */ ({
  pass: "passed",
  bypass: "bypassed",
  gate: "gated",
  deny: "denied",
  dropped: "not recorded",
});
/** @type {Filter} */
const nothing = { q: "", server: "", tool: "", agent: "", verdict: "", from: "", to: "" };

export function Activity() {
  const [filter, change] = useFilter("/activity", nothing);
  const [rows, setRows] = useState(/** @type {Row[]} */ ([]));
  const [cursor, setCursor] = useState(/** @type {string|null} */ (null));
  const query = withTimes(filter);
  const key = JSON.stringify(filter);
  const { data, error, reload } = useLoad(() => api.activity({ ...query, limit: LIMIT }), [key]);
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
      const page = await api.activity({ ...query, limit: LIMIT, cursor });
      setRows([...rows, ...page.items]);
      setCursor(page.next_cursor);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
  };
  const active = key !== JSON.stringify(nothing);
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head"><h1 id="title">Activity</h1></header>
    <div class="bar"><${Filters} filter=${filter} active=${active} onChange=${change} /><span class="grow"></span><${Export} name="activity" query=${query} read=${api.activity} columns=${activityColumns} /></div>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    ${rows.length > 0 && html`<${Table} rows=${rows} />`}
    ${data && data.items.length === 0 && html`<div class="empty"><h2>${active ? "Nothing matches" : "No calls yet"}</h2><p>Every tool call of a wrapped server is listed here with what policy said: passed, bypassed, gated or denied.</p></div>`}
    ${cursor && html`<p class="more"><button class="button" onClick=${more}>Show older</button></p>`}
  </section>`;
}

/** @param {{filter: Filter, active: boolean, onChange: (patch: Partial<Filter>|null) => void}} props */
function Filters({ filter, active, onChange }) {
  const { data: servers } = useLoad(api.servers, []);
  const { data: agents } = useLoad(api.agents, []);
  const tools = (servers ?? [])
    .filter((server) => !filter.server || server.name === filter.server)
    .flatMap((server) => server.tools.map((tool) => tool.name));
  const pairs = (/** @type {string[]} */ names) => [...new Set(names)].sort().map((name) => [name, name]);
  return html`<div class="filters" role="search">
    <${Search} label="Search tool, server, agent, reason, arguments and digest" value=${filter.q} onSearch=${(/** @type {string} */ q) => onChange({ q })} />
    <${Select} label="Verdict" value=${filter.verdict} options=${Object.entries(words)} onChange=${(/** @type {string} */ verdict) => onChange({ verdict })} />
    <${Select} label="Server" value=${filter.server} options=${pairs((servers ?? []).map((server) => server.name))} onChange=${(/** @type {string} */ server) => onChange({ server })} />
    <${Select} label="Tool" value=${filter.tool} options=${pairs(tools)} onChange=${(/** @type {string} */ tool) => onChange({ tool })} />
    <${Select} label="Agent" value=${filter.agent} options=${(agents ?? []).map((a) => [a.client_id, a.name])} onChange=${(/** @type {string} */ agent) => onChange({ agent })} />
    <${Dates} from=${filter.from} to=${filter.to} onChange=${onChange} />
    ${active && html`<button class="link" onClick=${() => onChange(null)}>Clear</button>`}
  </div>`;
}

/** @param {{rows: Row[]}} props */
const Table = ({ rows }) => html`<div class="table-wrap"><table class="table dense">
  <thead><tr><th scope="col">When</th><th scope="col">Verdict</th><th scope="col">Tool</th><th scope="col">Server</th><th scope="col">Agent</th><th scope="col">Outcome</th><th scope="col">Took</th></tr></thead>
  <tbody>${rows.map(
    (row) => html`<tr key=${row.id}>
    <td data-th="When"><${When} at=${row.at} /></td>
    <td data-th="Verdict"><span class=${`badge verdict-${row.verdict}`}>${words[row.verdict] ?? row.verdict}</span></td>
    <td data-th="Tool"><div>${row.approval ? html`<a href=${`/approvals/${encodeURIComponent(row.approval)}`}><${Name} of=${row.tool} /></a>` : row.dropped ? `${row.dropped} ${row.dropped === 1 ? "call" : "calls"}` : html`<${Name} of=${row.tool} />`}${row.reasons && html`<${Why} row=${row} />`}</div></td>
    <td data-th="Server"><a href=${`/servers/${encodeURIComponent(row.server)}`}><${Name} of=${row.server} /></a></td>
    <td data-th="Agent"><${Text} of=${row.agent.name} /></td>
    <td data-th="Outcome"><${OutcomeWord} of=${row} /></td>
    <td data-th="Took" class="num">${row.duration_ms === null ? "–" : row.duration_ms === 0 ? "< 1 ms" : duration(row.duration_ms)}</td>
  </tr>`,
  )}</tbody>
</table></div>`;

/** Why a call was denied, and what it was. @param {{row: Row}} props */
const Why = ({ row }) => html`<details class="why small">
  <summary><${Text} of=${(row.reasons ?? []).join("; ")} /></summary>
  ${row.arguments === undefined ? html`<p class="quiet">Its arguments are not kept.</p>` : html`<pre tabindex="0" aria-label="Arguments"><${Text} of=${row.arguments} newlines /></pre>`}
  ${row.digest && html`<p class="quiet">Call <code title=${row.digest}>${row.digest.slice(0, 12)}…</code> <${CopyButton} text=${`${location.origin}/activity?q=${row.digest}`} label="Copy link" /></p>`}
</details>`;
