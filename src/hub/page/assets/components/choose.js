// A server that says nothing about its tools: somebody has to say what waits.

import { html } from "../browser/ui.js";
import { plural } from "../rules/format.js";
import { undescribed } from "../rules/gates.js";

/** @type {[string, string, object][]} */
const choices = [
  ["All", "Every call waits for approval.", { require_all: true }],
  ["Writes", "What by its name adds or changes something waits, too.", { threshold: "medium" }],
  ["None", "Nothing waits but what you switch on.", { threshold: null }],
];

/** @param {{server: import("../rules/types.js").Server, admin: boolean, onChange: (change: object) => Promise<void>}} props */
export const Choose = ({ server, admin, onChange }) =>
  undescribed(server)
    ? html`<section class="panel choose" aria-labelledby="choose">
      <h2 id="choose">${plural(server.tools.length, "tool")}, none described: choose</h2>
      <p>The server does not say which of its tools only read and which destroy. Until somebody chooses, what by its name loses, runs or reaches something waits.</p>
      ${admin ? html`<div class="choices">${choices.map(([name, words, change]) => html`<button class="button choice" onClick=${() => onChange(change)}><strong>${name}</strong> <span class="quiet small">${words}</span></button>`)}</div>` : html`<p class="quiet">An admin chooses.</p>`}
    </section>`
    : null;
