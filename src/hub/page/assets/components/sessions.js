// Where one is signed in, and the end of it.

import { html } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { toast } from "../browser/store.js";
import { Ago, Trouble } from "./controls.js";
import { Text } from "./text.js";

export function Sessions() {
  const { data, error, reload } = useLoad(api.sessions, [], ["sessions"]);
  const end = async (/** @type {string} */ id) => {
    await api.endSession(id).catch((problem) => toast("error", problem.message));
    await reload();
  };
  return html`<div class="setting setting-wide"><h3>Where you are signed in</h3>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    <ul class="plain" aria-label="Your sessions">${(data ?? []).map((/** @type {import("../rules/types.js").Stay} */ stay) => html`<${Stay} key=${stay.id} stay=${stay} onEnd=${end} />`)}</ul>
  </div>`;
}

/** @param {{stay: import("../rules/types.js").Stay, onEnd: (id: string) => void}} props */
function Stay({ stay, onEnd }) {
  return html`<li class="setting"><div><${Text} of=${stay.browser ?? "A program without a name"} />
      <p class="quiet small">${stay.address ? `from ${stay.address}` : "on the hub's machine"}, used <${Ago} at=${stay.last_used} /></p></div>
    ${stay.current ? html`<span class="quiet small">this browser</span>` : html`<button class="button" onClick=${() => onEnd(stay.id)}>${stay.address ? "Sign out there" : "End it"}</button>`}</li>`;
}
