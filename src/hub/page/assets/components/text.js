// Text that agents and servers wrote: always text nodes, isolated in direction, invisible characters labelled.

import { html } from "../browser/ui.js";
import { pieces } from "../rules/glyphs.js";

const MANY = 500;

/** @param {{list: import("../rules/glyphs.js").Piece[]}} props */
export function Pieces({ list }) {
  // A text made of nothing but tricks is labelled in one text node instead of half a million elements.
  if (list.length > MANY)
    return list.map((piece) => (piece.mark === "hidden" ? `⟦${piece.text}⟧` : piece.text)).join("");
  return list.map((piece) =>
    piece.mark ? html`<span class=${`chip chip-${piece.mark}`} title=${piece.name}>${piece.text}</span>` : piece.text,
  );
}

/** @param {{of: string|null|undefined, newlines?: boolean, class?: string}} props */
export function Text({ of, newlines, class: name }) {
  return html`<bdi class=${name}><${Pieces} list=${pieces(of ?? "", { newlines })} /></bdi>`;
}

/** A name in type of fixed width. @param {{of: string, class?: string}} props */
export const Name = ({ of, class: name }) => html`<${Text} of=${of} class=${`mono ${name ?? ""}`} />`;
