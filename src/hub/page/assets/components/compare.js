// The difference between this call's arguments and those of the last approved call of the same tool, on demand.

import { html, useState } from "../ui.js";
import * as api from "../api.js";
import { tokenize, layout, lineText } from "../tokens.js";
import { difference } from "../difference.js";
import { visible } from "../glyphs.js";
import { Ago } from "./controls.js";
import { Text } from "./text.js";

/** @typedef {import("../types.js").Approval} Approval */

/** @param {string} raw */
const linesOf = (raw) => layout(tokenize(raw)).map(lineText);

/** @param {{approval: Approval}} props */
export function Compare({ approval }) {
  const [found, setFound] = useState(/** @type {Approval|null|undefined} */ (undefined));
  const [error, setError] = useState("");
  const load = async () => {
    try {
      const page = await api.approvals({ status: "approved", server: approval.server, tool: approval.tool, limit: 5 });
      setFound(page.items.find((other) => other.id !== approval.id && other.created_at <= approval.created_at) ?? null);
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  if (error) return html`<p class="quiet" role="alert">${error}</p>`;
  if (found === undefined) return html`<p><button class="button" onClick=${load}>Compare with the last approved call</button></p>`;
  if (found === null) return html`<p class="quiet" role="status">No earlier call of this tool was approved.</p>`;
  return html`<${Changes} before=${found} after=${approval} />`;
}

const signs = { same: " ", added: "+", removed: "−" };

/** @param {{before: Approval, after: Approval}} props */
function Changes({ before, after }) {
  const changes = difference(linesOf(before.arguments), linesOf(after.arguments));
  const same = changes?.every((change) => change.kind === "same");
  return html`<section class="panel" aria-labelledby="compare">
    <h2 id="compare">Compared with the last approved call</h2>
    <p class="quiet"><a href=${`/approvals/${encodeURIComponent(before.id)}`}>That call</a> by <${Text} of=${before.agent.name} /> was approved by <${Text} of=${before.decided_by} /> <${Ago} at=${before.decided_at ?? before.created_at} />.</p>
    ${!changes && html`<p>The arguments are too long to compare here.</p>`}
    ${same && html`<p>The arguments are the same, white space aside.</p>`}
    ${changes && !same && html`<div class="json diff" translate="no">${changes.map((change) => html`<div class=${`line diff-${change.kind}`}><span class="sign" aria-label=${change.kind}>${signs[change.kind]}</span>${visible(change.text)}</div>`)}</div>`}
  </section>`;
}
