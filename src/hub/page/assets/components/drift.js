// A tool whose definition nobody accepted: what it was, what it is, the button that accepts it, and the one that lets
// members vary that the server writes anew at each start.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { toast } from "../browser/store.js";
import { visible } from "../rules/glyphs.js";
import { Text } from "./text.js";
import { Ago } from "./controls.js";
import { Dialog } from "./dialog.js";
import { Diff } from "./diff.js";

/** @typedef {import("../rules/types.js").ToolDrift} ToolDrift */

/** What came in place of what was accepted. @param {{drift: ToolDrift}} props */
const Definitions = ({ drift }) =>
  drift.new === undefined || drift.new === null
    ? html`<p class="quiet">${drift.old ? html`It was accepted as <code class="json-inline"><${Text} of=${drift.old} /></code>, and the server has described it differently again since.` : "Its definition is not kept."}</p>`
    : html`<${Diff} before=${drift.old ?? ""} after=${drift.new} class="definition" what=${drift.old ? "The definition, accepted and now" : "The definition"} same="What is kept of both is the same; they differ further on." />`;

/** @param {ToolDrift} drift */
const badge = ({ kind, flaps }) => (kind === "new" ? "new tool" : flaps ? "reordered" : "changed");

/** Members of a definition, by their JSON pointers. @param {{of: string[]}} props */
const Members = ({ of }) =>
  of.map((member, at) => html`${at > 0 && ", "}<code class="json-inline"><${Text} of=${member} /></code>`);

/** Where the definitions differ. @param {{drift: ToolDrift}} props */
const Differs = ({ drift: { differs = [], flaps } }) =>
  differs.length > 0 &&
  html`<p>${flaps ? html`Only the order of lists differs, in <${Members} of=${differs} />: some servers write a list in another order at each start.` : html`It differs in <${Members} of=${differs} />.`}</p>`;

/** @typedef {{server: string, tool: import("../rules/types.js").Tool, admin: boolean, onDone: () => Promise<void>}} Props */

/** @param {Promise<unknown>} change @param {string} done */
async function attempt(change, done) {
  try {
    await change;
    toast("ok", done);
  } catch (problem) {
    toast("error", problem instanceof Error ? problem.message : String(problem));
  }
}

/** @param {Props} props */
export function Drift({ server, tool, admin, onDone }) {
  const [open, setOpen] = useState(false);
  const { drift } = tool;
  if (!drift) return null;
  const settle = async (/** @type {Promise<unknown>} */ change, /** @type {string} */ done) => {
    await attempt(change, done);
    setOpen(false);
    await onDone();
  };
  const shown = visible(tool.name);
  const accept = () =>
    settle(api.acceptTool(server, tool.name, drift.sha256), `The definition of ${shown} is accepted.`);
  const differs = drift.differs ?? [];
  const varies = [...new Set([...(tool.varies ?? []), ...differs])];
  const vary = () =>
    settle(api.putTool(server, tool.name, { varies }), `${shown} may vary there without being accepted again.`);
  return html`<button class="badge drift" onClick=${() => setOpen(true)}>${badge(drift)}</button>
    ${
      open &&
      html`<${Dialog} title=${`${visible(tool.name)} is ${drift.kind === "new" ? "new here" : "not what it was"}`} onClose=${() => setOpen(false)}>
      <p class="quiet small">Seen <${Ago} at=${drift.since} />. Until an admin accepts it, its calls wait for approval wherever changed tools are gated.</p>
      <${Differs} drift=${drift} />
      <${Definitions} drift=${drift} />
      ${admin && differs.length > 0 && html`<p class="quiet small">Once it may vary there, whatever the server writes in these members is accepted unseen; a change anywhere else still waits.</p>`}
      ${admin && html`<div class="actions"><button class="button primary" onClick=${accept}>Accept this definition</button>${differs.length > 0 && html`<button class="button" onClick=${vary}>Let it vary there</button>`}<button class="button ghost" onClick=${() => setOpen(false)}>Not now</button></div>`}
    </${Dialog}>`
    }`;
}

/** Where a tool may vary unaccepted, and the button that ends that. @param {Props} props */
export function Varies({ server, tool, admin, onDone }) {
  const varies = tool.varies ?? [];
  if (!varies.length) return null;
  const end = async () => {
    await attempt(
      api.putTool(server, tool.name, { varies: [] }),
      `Every change of ${visible(tool.name)} waits to be accepted again.`,
    );
    await onDone();
  };
  return html`<p class="small"><span class="quiet">Accepted however it varies in</span> <${Members} of=${varies} />${admin && html`<span class="quiet"> · </span><button class="link" onClick=${end}>Accept each change instead</button>`}</p>`;
}

/** The same on an approval: what the tool was when it was accepted, and when it was called. @param {{approval: import("../rules/types.js").Approval}} props */
export function DriftNote({ approval: { drift, server } }) {
  if (!drift) return null;
  const where = html`<a href=${`/servers/${encodeURIComponent(server)}`}>server's page</a>`;
  return html`<details class="drift-note" open=${drift.kind === "changed"}>
    <summary><span class="badge drift">${drift.kind === "new" ? "new tool" : "changed tool"}</span> ${drift.kind === "new" ? "Nobody has accepted this tool yet." : "The server describes this tool differently than when it was accepted."}</summary>
    <${Differs} drift=${drift} />
    <${Definitions} drift=${drift} />
    <p class="quiet small">Approving this call accepts nothing: an admin does that on the ${where}.</p>
  </details>`;
}
