// What the clients of connected shims start without one: said once for each server, and put away for good.

import { html } from "../browser/ui.js";
import * as prefs from "../browser/prefs.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { plural } from "../rules/format.js";
import { groups, key } from "../rules/ungated.js";
import { Command } from "./controls.js";
import { Name } from "./text.js";

export function Ungated() {
  const { data } = useLoad(api.ungated, [], ["sessions", "ungated"]);
  const { seen } = prefs.usePrefs();
  return (data ? groups(data, seen) : []).map(
    (group) => html`<${Group} key=${`${group.agent.client_id} ${group.client}`} ...${group} />`,
  );
}

/** @param {import("../rules/ungated.js").Group} props */
function Group({ agent, client, items }) {
  const away = () => prefs.set({ seen: [...prefs.get().seen, ...items.map(key)] });
  return html`<aside class="note ungated" aria-label="Not gated">
    <p><${Name} of=${agent.name} /> also starts ${plural(items.length, "server")} without hitl-wrap, so nobody is asked about their calls: ${items.map((item, i) => html`${i > 0 && ", "}<${Name} of=${item.server} />`)}.</p>
    <${Command} text=${`hitl-wrap install --client ${client}`} />
    <button type="button" class="link" onClick=${away}>Do not say this again</button>
  </aside>`;
}
