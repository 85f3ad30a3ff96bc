// Taking a server off the hub, after a word about what that means.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { toast } from "../browser/store.js";
import { navigate } from "../browser/router.js";
import { visible } from "../rules/glyphs.js";
import { Dialog } from "./dialog.js";

/** @param {{server: import("../rules/types.js").Server}} props */
export function Removal({ server }) {
  const [open, setOpen] = useState(false);
  const [error, setError] = useState("");
  const shown = visible(server.name);
  const close = () => (setOpen(false), setError(""));
  const remove = async () => {
    try {
      await api.removeServer(server.name);
      toast("ok", `${shown} is removed.`);
      navigate("/servers");
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  return html`<section class="panel" aria-labelledby="removal">
    <div class="panel-head"><h2 id="removal">Remove this server</h2><span class="grow"></span><button class="button small" disabled=${server.sessions > 0} onClick=${() => setOpen(true)}>Remove…</button></div>
    <p class="quiet small">${server.sessions > 0 ? "Possible once nothing is connected for it." : "For a server that is gone, or that never was one."}</p>
    ${
      open &&
      html`<${Dialog} title=${`Remove ${shown}?`} onClose=${close}>
      <p>Its policy, its bypass list and what is known of its tools go. Approvals and the record stay.</p>
      <p>Whoever connects again under this name makes a new server of it, with the policy of a new server: what you set here does not come back.</p>
      ${error && html`<p class="trouble" role="alert">${error}</p>`}
      <div class="actions"><button class="button danger" onClick=${remove}>Remove</button><button class="button ghost" onClick=${close}>Keep</button></div>
    </${Dialog}>`
    }
  </section>`;
}
