// One JSON string as it was written: escapes stay escapes, line feeds break the line, invisible characters get labels.

import { html } from "../browser/ui.js";
import { pieces, visible, isMixed, isForeign, codePoint } from "../rules/glyphs.js";
import { segments } from "../rules/tokens.js";
import { Pieces } from "./text.js";

const PLAIN_AFTER = 20_000;

/** @param {{text: string}} props  the literal with its quotes */
export function StringValue({ text }) {
  if (text.length > PLAIN_AFTER)
    return visible(text).replace(/\\(?:u[0-9a-fA-F]{4}|[^u])/g, (escape) => (escape === "\\n" ? "\\n\n" : escape));
  const parts = segments(text);
  if (parts.length === 1 && !parts[0]?.decoded) return html`<${Pieces} list=${pieces(text)} hints />`;
  const mixed = isMixed(parts.map((part) => part.decoded ?? part.text).join(""));
  return parts.map((part) => {
    if (part.decoded === undefined) return html`<${Pieces} list=${pieces(part.text)} hints />`;
    return part.text.startsWith("\\u")
      ? html`<${Coded} ...${part} mixed=${mixed} />`
      : html`<${Escape} text=${part.text} />`;
  });
}

/** \n, \t, \" and the like; a line feed also breaks the line, so that long texts can be read. @param {{text: string}} props */
const Escape = ({ text }) => html`<span class="esc">${text}</span>${text === "\\n" && html`<br />`}`;

/** A \u escape: the letter it stands for, or a label where there is nothing to see. @param {{text: string, decoded: string, mixed: boolean}} props */
function Coded({ text, decoded, mixed }) {
  const [piece] = pieces(decoded);
  if (!piece || piece.mark === "hidden")
    return html`<span class="chip chip-hidden" title=${piece?.name}>${text}</span>`;
  if (decoded < "\x80")
    return html`<span class="chip chip-lookalike" title=${`needlessly written as ${text}`}>${text} = ${decoded}</span>`;
  const name = mixed && isForeign(decoded) ? "chip chip-lookalike" : "coded";
  return html`<span class=${name} title=${`written as ${text}, ${codePoint(decoded)}`}>${decoded}</span>`;
}
