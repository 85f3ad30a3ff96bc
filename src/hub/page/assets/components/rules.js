// The argument rules of a server, as text to edit; the hub says where a fault is, and that place is shown.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { toast } from "../browser/store.js";
import { useDraft } from "../hub/load.js";
import { Text } from "./text.js";

/** @typedef {import("../rules/types.js").Server} Server */

const EXAMPLE = `[
  {
    "tool": "write_*",
    "when": [{ "pointer": "/path", "op": "glob", "value": "/etc/**" }],
    "effect": "gate",
    "description": "system files"
  }
]`;

/** @param {Server} server */
const written = ({ policy }) => (policy.rules.length ? JSON.stringify(policy.rules, null, 2) : "");

/** The line of a text where a place such as `rules[1].when[0].value` begins. @param {string} text @param {string} place */
export function lineOf(text, place) {
  const path = [...place.matchAll(/\[(\d+)\]|\.([a-z_]+)/g)].map(([, index, name]) => name ?? Number(index));
  let at = 0;
  let depth = 0;
  /** @type {(string|number)[]} */
  const here = [];
  // Strings, openers, closers and commas are enough to know where in the text one is.
  const tokens = /"(?:[^"\\]|\\.)*"|[[\]{},]/g;
  for (let token = tokens.exec(text); token; token = tokens.exec(text)) {
    const [sign] = token;
    if (sign === "[") here[depth++] = 0;
    else if (sign === "{") here[depth++] = "";
    else if (sign === "]" || sign === "}") depth--;
    else if (sign === ",") {
      const last = here[depth - 1];
      if (typeof last === "number") here[depth - 1] = last + 1;
    } else if (typeof here[depth - 1] === "string" && /^\s*:/.test(text.slice(tokens.lastIndex)))
      here[depth - 1] = JSON.parse(sign);
    if (path.every((part, index) => index < depth && here[index] === part)) {
      at = token.index;
      break;
    }
  }
  return text.slice(0, at).split("\n").length;
}

/** @param {{server: Server, admin: boolean, onSaved: () => Promise<void>}} props */
export function Rules({ server, admin, onSaved }) {
  const saved = written(server);
  const [text, setText] = useDraft(saved);
  const [fault, setFault] = useState(/** @type {{line: number, words: string}|null} */ (null));
  const save = async () => {
    let rules;
    try {
      rules = text.trim() ? JSON.parse(text) : [];
      if (!Array.isArray(rules)) throw new Error("The rules are a list: [ … ].");
    } catch (problem) {
      const at = /position (\d+)/.exec(String(problem))?.[1];
      return setFault({
        line: at ? text.slice(0, Number(at)).split("\n").length : 1,
        words: String(/** @type {Error} */ (problem).message),
      });
    }
    try {
      await api.putPolicy(server.name, { rules });
      setFault(null);
      toast("ok", "The rules are in force.");
      await onSaved();
    } catch (problem) {
      const { place, message } = /** @type {import("../hub/api.js").ApiError} */ (problem);
      setFault({ line: place ? lineOf(text, place) : 1, words: message });
    }
  };
  return html`<section class="panel" aria-labelledby="rules">
    <header class="panel-head"><h2 id="rules">Argument rules</h2><span class="quiet">${server.policy.rules.length}</span></header>
    <p class="quiet small">Each rule names tools by a glob and conditions on the arguments by JSON pointers; all of them must hold. Effect: <code>gate</code> or <code>deny</code>. Operators: equals, glob, regex, contains, less, greater, exists, each with <code>"not": true</code> if you like.</p>
    ${
      admin || saved
        ? html`<textarea class="mono rules-text" rows=${Math.min(24, Math.max(9, text.split("\n").length + 1))} spellcheck="false" readonly=${!admin} aria-label="Argument rules as JSON" aria-invalid=${fault ? "true" : undefined} aria-describedby=${fault ? "rules-fault" : undefined} placeholder=${EXAMPLE} value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)}></textarea>`
        : html`<p class="quiet">There are none.</p>`
    }
    ${fault && html`<p class="trouble" role="alert" id="rules-fault"><span>Line ${fault.line}: <${Text} of=${fault.words} /></span></p>`}
    ${
      admin &&
      html`<div class="actions"><button class="button" disabled=${text === saved} onClick=${save}>Save the rules</button>
      <button class="button ghost" disabled=${text === saved} onClick=${() => (setText(saved), setFault(null))}>Undo</button></div>`
    }
  </section>`;
}
