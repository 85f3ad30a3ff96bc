// What was decided: filters, search, paging, export.

import { html, useState, useEffect } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useStore, toast } from "../browser/store.js";
import { useFilter, withTimes } from "../browser/filter.js";
import { useLoad } from "../hub/load.js";
import { approvalColumns } from "../rules/csv.js";
import { duration, plural, statusWords } from "../rules/format.js";
import { Text, Name } from "../components/text.js";
import { Status, OutcomeWord, When, Trouble } from "../components/controls.js";
import { ForWhom } from "../components/who.js";
import { Select, Search, Dates } from "../components/filters.js";
import { ApprovalTabs } from "../components/tabs.js";
import { Export } from "../components/export.js";
import { InsightsPanel } from "../components/insights.js";

/** @typedef {import("../rules/types.js").Approval} Approval */
/** @typedef {{q: string, status: string, server: string, tool: string, agent: string, decided_by: string, from: string, to: string}} Filter */

const LIMIT = 50;
const decided = Object.keys(statusWords).slice(1).join();
/** @type {Filter} */
const nothing = { q: "", status: "", server: "", tool: "", agent: "", decided_by: "", from: "", to: "" };

/** @param {Filter} filter */
const toQuery = (filter) => ({ ...withTimes(filter), status: filter.status || decided });

export function History() {
  const [filter, setFilter] = useFilter("/history", nothing);
  const [rows, setRows] = useState(/** @type {Approval[]} */ ([]));
  const [cursor, setCursor] = useState(/** @type {string|null} */ (null));
  const key = JSON.stringify(filter);
  const { data, error, reload } = useLoad(
    () => api.approvals({ ...toQuery(filter), limit: LIMIT }),
    [key],
    ["approval"],
  );
  useEffect(() => {
    if (!data) return;
    // Fresh rows go on top of the older pages that were read already.
    const fresh = new Set(data.items.map((row) => row.id));
    const oldest = data.items.at(-1)?.created_at ?? Infinity;
    const older = rows.filter((row) => !fresh.has(row.id) && row.created_at < oldest);
    setRows([...data.items, ...older]);
    if (!older.length) setCursor(data.next_cursor);
  }, [data]);
  const change = (/** @type {Partial<Filter>|null} */ patch) => {
    setRows([]);
    setFilter(patch);
  };
  const more = async () => {
    try {
      const page = await api.approvals({ ...toQuery(filter), limit: LIMIT, cursor });
      setRows([...rows, ...page.items]);
      setCursor(page.next_cursor);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
  };
  const active = key !== JSON.stringify(nothing);
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head"><h1 id="title">Approvals</h1><${ApprovalTabs} at="history" /></header>
    <div class="bar"><${HistoryFilters} filter=${filter} rows=${rows} onChange=${change} active=${active} /><span class="grow"></span><${Export} name="approvals" query=${toQuery(filter)} read=${api.approvals} columns=${approvalColumns} /></div>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!data && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    ${rows.length > 0 && html`<${InsightsPanel} key=${key} query=${toQuery(filter)} />`}
    ${rows.length > 0 && html`<${Rows} rows=${rows} />`}
    ${data && rows.length === 0 && html`<div class="empty"><h2>${active ? "Nothing matches" : "No decisions yet"}</h2><p>${active ? "No approval fits all of these filters." : "Every approval is kept here once it is approved, rejected, timed out or cancelled."}</p>${active && html`<button class="button" onClick=${() => change(null)}>Clear the filters</button>`}</div>`}
    ${cursor && rows.length > 0 && html`<p class="more"><button class="button" onClick=${more}>Show older</button></p>`}
    ${rows.length > 0 && !cursor && html`<p class="quiet more">${plural(rows.length, "approval")}, that is all of them.</p>`}
  </section>`;
}

/** @param {{filter: Filter, rows: Approval[], active: boolean, onChange: (patch: Partial<Filter>|null) => void}} props */
function HistoryFilters({ filter, rows, active, onChange }) {
  const me = useStore((state) => state.session?.user.name);
  // Only administrators may list the users, so the approvers are those who decided what is shown, and oneself.
  const approvers = [me, filter.decided_by, ...rows.map((row) => row.decided_by)].filter(
    (name) => typeof name === "string" && name,
  );
  const { data: servers } = useLoad(api.servers, [], ["policy"]);
  const { data: agents } = useLoad(api.agents, [], ["agents"]);
  const tools = (servers ?? [])
    .filter((s) => !filter.server || s.name === filter.server)
    .flatMap((s) => s.tools.map((t) => t.name));
  const pairs = (/** @type {string[]} */ names) => [...new Set(names)].sort().map((name) => [name, name]);
  return html`<div class="filters" role="search">
    <${Search} label="Search tool, server, agent, arguments and reason" value=${filter.q} onSearch=${(/** @type {string} */ q) => onChange({ q })} />
    <${Select} label="Outcome" value=${filter.status} options=${Object.entries(statusWords).slice(1)} onChange=${(/** @type {string} */ status) => onChange({ status })} />
    <${Select} label="Server" value=${filter.server} options=${pairs((servers ?? []).map((s) => s.name))} onChange=${(/** @type {string} */ server) => onChange({ server })} />
    <${Select} label="Tool" value=${filter.tool} options=${pairs(tools)} onChange=${(/** @type {string} */ tool) => onChange({ tool })} />
    <${Select} label="Agent" value=${filter.agent} options=${(agents ?? []).map((a) => [a.client_id, a.name])} onChange=${(/** @type {string} */ agent) => onChange({ agent })} />
    <${Select} label="Approver" value=${filter.decided_by} options=${pairs(/** @type {string[]} */ (approvers))} onChange=${(/** @type {string} */ decided_by) => onChange({ decided_by })} />
    <${Dates} from=${filter.from} to=${filter.to} onChange=${onChange} />
    ${active && html`<button class="link" onClick=${() => onChange(null)}>Clear</button>`}
  </div>`;
}

/** @param {{rows: Approval[]}} props */
function Rows({ rows }) {
  const me = useStore((state) => state.session?.user.name);
  return html`<div class="table-wrap"><table class="table">
    <thead><tr><th scope="col">Asked</th><th scope="col">Tool</th><th scope="col">Agent</th><th scope="col">Outcome</th><th scope="col">Decided by</th><th scope="col">Took</th><th scope="col">Call</th></tr></thead>
    <tbody>${rows.map((row) => html`<${Row} key=${row.id} row=${row} me=${me} />`)}</tbody>
  </table></div>`;
}

/** @param {{row: Approval, me: string|undefined}} props */
function Row({ row, me }) {
  const took = row.decided_at === null ? "–" : duration(row.decided_at - row.created_at);
  return html`<tr>
    <td data-th="Asked"><${When} at=${row.created_at} /></td>
    <td data-th="Tool"><a href=${`/approvals/${encodeURIComponent(row.id)}`}><${Name} of=${row.tool} /></a><div class="quiet small"><${Name} of=${row.server} /></div></td>
    <td data-th="Agent"><${Text} of=${row.agent.name} /><div class="quiet small"><${ForWhom} approval=${row} /></div></td>
    <td data-th="Outcome"><${Status} status=${row.status} />${row.reason && html`<div class="reason small"><${Text} of=${row.reason} /></div>`}</td>
    <td data-th="Decided by">${row.decided_by ? (row.decided_by === me ? "you" : html`<${Text} of=${row.decided_by} />`) : html`<span class="quiet">nobody</span>`}</td>
    <td data-th="Took" class="num">${took}</td>
    <td data-th="Call"><${OutcomeWord} of=${row} />${row.duration_ms !== null && html`<div class="quiet small">${duration(row.duration_ms)}</div>`}</td>
  </tr>`;
}
