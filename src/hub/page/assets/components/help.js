// The keys, and the switch for them.

import { html } from "../browser/ui.js";
import { set } from "../browser/store.js";
import * as prefs from "../browser/prefs.js";
import { Dialog } from "./dialog.js";
import { Switch } from "./controls.js";

/** @type {[string[], string][]} */
const keys = [
  [["J", "↓"], "next card"],
  [["K", "↑"], "previous card"],
  [["A"], "approve; where the risk is high, a second press"],
  [["Shift+A"], "approve with a comment"],
  [["R"], "reject, with a reason: own words, or 1 2 3, then Enter"],
  [["E"], "five minutes more"],
  [["O"], "open the next folded part"],
  [["F"], "find in the arguments; Enter and Shift+Enter go from place to place"],
  [["X"], "select, or unselect"],
  [["Shift+X"], "select all, or none"],
  [["Enter"], "open the card at its own link"],
  [["Esc"], "take back: confirmation, panel, selection, mark; from a card to the queue"],
  [["/"], "filter; Enter, ↓ or Esc go back to the cards"],
  [["G P", "G H", "G N"], "go to pending, history, notifications"],
  [["G S", "G A", "G U"], "go to servers, agents, users"],
  [["G L"], "go to the activity log"],
  [["?"], "this list"],
];

export function Help() {
  const { keys: on } = prefs.usePrefs();
  return html`<${Dialog} title="Keys" onClose=${() => set({ dialog: null })}>
    <dl class="keys">${keys.map(([names, words]) => html`<div><dt>${names.map((name) => html`<kbd>${name}</kbd>`)}</dt><dd>${words}</dd></div>`)}</dl>
    <div class="setting"><div><h3>Single keys</h3><p class="quiet small">Off, only arrows, Enter and Esc work. Remembered in this browser.</p></div>
      <${Switch} on=${on} label="Single keys" onChange=${(/** @type {boolean} */ value) => prefs.set({ keys: value })} /></div>
  </${Dialog}>`;
}
