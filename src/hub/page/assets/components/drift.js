// A tool whose definition nobody accepted: what it was, what it is, and the button that accepts it.

import { html, useState } from "../ui.js";
import * as api from "../api.js";
import { toast } from "../store.js";
import { visible } from "../glyphs.js";
import { Text } from "./text.js";
import { Ago } from "./controls.js";
import { Dialog } from "./dialog.js";

/** A definition, one member a line, as far as it can be read. @param {string|undefined} raw */
function laid(raw) {
  try {
    return JSON.stringify(JSON.parse(raw ?? ""), null, 2);
  } catch {
    return raw ?? "";
  }
}

/** @param {{server: string, tool: import("../types.js").Tool, admin: boolean, onDone: () => Promise<void>}} props */
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
    ${open && html`<${Dialog} title=${`${visible(tool.name)} is ${drift.kind === "new" ? "new here" : "not what it was"}`} onClose=${() => setOpen(false)}>
      <p class="quiet small">Seen <${Ago} at=${drift.since} />. Until an admin accepts it, its calls wait for approval wherever changed tools are gated.</p>
      <div class="definitions">
        ${drift.old && html`<div><h3>Accepted before</h3><pre class="mono" tabindex="0"><${Text} of=${laid(drift.old)} newlines /></pre></div>`}
        <div><h3>Now</h3><pre class="mono" tabindex="0"><${Text} of=${laid(drift.new)} newlines /></pre></div>
      </div>
      ${admin && html`<div class="actions"><button class="button primary" onClick=${accept}>Accept this definition</button><button class="button ghost" onClick=${() => setOpen(false)}>Not now</button></div>`}
    </${Dialog}>`}`;
}
