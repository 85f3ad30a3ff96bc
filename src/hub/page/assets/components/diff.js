// Two JSON texts side by side, line by line: what went and what came.

import { html } from "../browser/ui.js";
import { tokenize, layout, lineText } from "../rules/tokens.js";
import { difference } from "../rules/difference.js";
import { visible } from "../rules/glyphs.js";

/** Lines of a JSON text as it was written, nothing dropped or put in order. @param {string} raw */
const linesOf = (raw) => layout(tokenize(raw)).map(lineText);

const signs = { same: " ", added: "+", removed: "−" };

/** @param {{before: string, after: string, what: string, same: string, class?: string}} props */
export function Diff({ before, after, what, same, class: name }) {
  const changes = difference(linesOf(before), linesOf(after));
  if (!changes) return html`<p>Both are too long to compare here.</p>`;
  if (changes.every((change) => change.kind === "same")) return html`<p>${same}</p>`;
  return html`<div class=${`json diff ${name ?? ""}`} translate="no" tabindex="0" role="group" aria-label=${what}>${changes.map((change) => html`<div class=${`line diff-${change.kind}`}><span class="sign" aria-hidden="true">${signs[change.kind]}</span>${change.kind !== "same" && html`<span class="sr">${change.kind}: </span>`}${visible(change.text)}</div>`)}</div>`;
}
