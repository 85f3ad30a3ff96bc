// A tool whose definition nobody accepted: what it was, what it is, and the button that accepts it.

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

/** @param {{server: string, tool: import("../rules/types.js").Tool, admin: boolean, onDone: () => Promise<void>}} props */
export function Drift({ server, tool, admin, onDone }) {
  const [open, setOpen] = useState(false);
  const { drift } = tool;
  if (!drift) return null;
  const accept = async () => {
    try {
      await api.acceptTool(server, tool.name, drift.sha256);
      toast("ok", `The definition of ${visible(tool.name)} is accepted.`);
    } catch (problem) {
      toast("error", problem instanceof Error ? problem.message : String(problem));
    }
    setOpen(false);
    await onDone();
  };
  return html`<button class="badge drift" onClick=${() => setOpen(true)}>${drift.kind === "new" ? "new tool" : "changed"}</button>
    ${
      open &&
      html`<${Dialog} title=${`${visible(tool.name)} is ${drift.kind === "new" ? "new here" : "not what it was"}`} onClose=${() => setOpen(false)}>
      <p class="quiet small">Seen <${Ago} at=${drift.since} />. Until an admin accepts it, its calls wait for approval wherever changed tools are gated.</p>
      <${Definitions} drift=${drift} />
      ${admin && html`<div class="actions"><button class="button primary" onClick=${accept}>Accept this definition</button><button class="button ghost" onClick=${() => setOpen(false)}>Not now</button></div>`}
    </${Dialog}>`
    }`;
}

/** The same on an approval: what the tool was when it was accepted, and when it was called. @param {{approval: import("../rules/types.js").Approval}} props */
export function DriftNote({ approval: { drift, server } }) {
  if (!drift) return null;
  const where = html`<a href=${`/servers/${encodeURIComponent(server)}`}>server's page</a>`;
  return html`<details class="drift-note" open=${drift.kind === "changed"}>
    <summary><span class="badge drift">${drift.kind === "new" ? "new tool" : "changed tool"}</span> ${drift.kind === "new" ? "Nobody has accepted this tool yet." : "The server describes this tool differently than when it was accepted."}</summary>
    <${Definitions} drift=${drift} />
    <p class="quiet small">Approving this call accepts nothing: an admin does that on the ${where}.</p>
  </details>`;
}
