// Text that agents and servers wrote: always text nodes, isolated in direction, invisible characters labelled.

import { html } from "../browser/ui.js";
import { pieces } from "../rules/glyphs.js";
import { hinted } from "../rules/risky.js";

const MANY = 500;

/** With `hints`, words that often destroy are marked. @param {{list: import("../rules/glyphs.js").Piece[], hints?: boolean}} props */
export function Pieces({ list, hints }) {
  // A text made of nothing but tricks is labelled in one text node instead of half a million elements.
  if (list.length > MANY)
    return list.map((piece) => (piece.mark === "hidden" ? `⟦${piece.text}⟧` : piece.text)).join("");
  return list.map((piece) =>
    piece.mark
      ? html`<span class=${`chip chip-${piece.mark}`} title=${piece.name}>${piece.text}</span>`
      : hints
        ? hint(piece.text)
        : piece.text,
  );
}

/** @param {string} text */
const hint = (text) =>
  hinted(text).map((part) => (part.risky ? html`<span class="risky">${part.text}</span>` : part.text));

/** @param {{of: string|null|undefined, newlines?: boolean, class?: string}} props */
export function Text({ of, newlines, class: name }) {
  return html`<bdi class=${name}><${Pieces} list=${pieces(of ?? "", { newlines })} /></bdi>`;
}

/** A name in type of fixed width. @param {{of: string, class?: string}} props */
export const Name = ({ of, class: name }) => html`<${Text} of=${of} class=${`mono ${name ?? ""}`} />`;
