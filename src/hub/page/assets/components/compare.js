// The difference between this call's arguments and those of the last approved call of the same tool, on demand.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { shifted } from "../browser/guard.js";
import { Ago } from "./controls.js";
import { Diff } from "./diff.js";
import { Text } from "./text.js";

/** @typedef {import("../rules/types.js").Approval} Approval */

/** With `inCard` it is a part of the card, else a panel of its own. @param {{approval: Approval, inCard?: boolean}} props */
export function Compare({ approval, inCard = false }) {
  const [found, setFound] = useState(/** @type {Approval|null|undefined} */ (undefined));
  const [error, setError] = useState("");
  const load = async () => {
    try {
      const page = await api.approvals({ status: "approved", server: approval.server, tool: approval.tool, limit: 5 });
      setFound(page.items.find((other) => other.id !== approval.id && other.created_at <= approval.created_at) ?? null);
      // In a card the buttons that follow move down by themselves.
      if (inCard) shifted();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  if (error) return html`<p class="quiet" role="alert">${error}</p>`;
  if (found === undefined)
    return html`<p><button class=${inCard ? "link quiet" : "button"} onClick=${load}>Compare with the last approved call</button></p>`;
  if (found === null) return html`<p class="quiet small" role="status">No earlier call of this tool was approved.</p>`;
  return html`<${Changes} before=${found} after=${approval} inCard=${inCard} />`;
}

/** @param {{before: Approval, after: Approval, inCard: boolean}} props */
function Changes({ before, after, inCard }) {
  const title = "Compared with the last approved call";
  return html`<section class=${inCard ? "compared" : "panel"} aria-labelledby=${`compare-${after.id}`}>
    ${inCard ? html`<h3 id=${`compare-${after.id}`}>${title}</h3>` : html`<h2 id=${`compare-${after.id}`}>${title}</h2>`}
    <p class="quiet"><a href=${`/approvals/${encodeURIComponent(before.id)}`}>That call</a> by <${Text} of=${before.agent.name} /> was approved by <${Text} of=${before.decided_by} /> <${Ago} at=${before.decided_at ?? before.created_at} />.</p>
    <${Diff} before=${before.arguments} after=${after.arguments} what="The arguments, then and now" same="The arguments are the same, white space aside." />
  </section>`;
}
