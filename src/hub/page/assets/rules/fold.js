// What of the arguments is folded at first, with exact counts, and whether everything has been opened.

import { tokenize, layout, segments } from "./tokens.js";
import { pieces, isMixed, isForeign } from "./glyphs.js";

/** @typedef {import("./tokens.js").Line} Line */
/** @typedef {import("./tokens.js").Token} Token */
/** @typedef {{hidden: number, lookalike: number, duplicate: number, bad: number}} Notes */
/** @typedef {{lines: Line[], folds: string[], characters: number, notes: Notes}} Shape */

/** A value longer than this is folded. */
export const LONG_VALUE = 600;
/** How much of a folded value stays in sight. */
export const VALUE_HEAD = 200;
/** Lines beyond this are folded. */
export const MANY_LINES = 60;

/** @type {Map<string, {raw: string, shape: Shape}>} */
const known = new Map();

/** @param {Token} token */
export const isLong = (token) => token.text.length > LONG_VALUE;

/** The name of the fold of one token. @param {number} line @param {number} token */
export const valueFold = (line, token) => `v${line}.${token}`;
/** The name of the fold of the lines beyond {@link MANY_LINES}. */
export const REST = "rest";

/**
 * The layout of an approval's arguments and the names of its folds; remembered for the last two hundred.
 * @param {{id: string, arguments: string}} approval
 */
export function shapeOf(approval) {
  const before = known.get(approval.id);
  if (before?.raw === approval.arguments) return before.shape;
  const tokens = tokenize(approval.arguments);
  const lines = layout(tokens);
  /** @type {string[]} */
  const folds = [];
  lines.forEach((line, l) => {
    line.tokens.forEach((token, t) => {
      if (isLong(token)) folds.push(valueFold(l, t));
    });
  });
  if (lines.length > MANY_LINES) folds.push(REST);
  const shape = { lines, folds, characters: countCharacters(approval.arguments), notes: notesOf(tokens) };
  if (known.size > 200) known.delete(known.keys().next().value ?? "");
  known.set(approval.id, { raw: approval.arguments, shape });
  return shape;
}

/**
 * What the server is given besides the arguments, to be laid out and folded as they are.
 * @template {{id: string, arguments: string, extra?: string|null}} A
 * @param {A} approval
 * @returns {A}
 */
export const besides = (approval) => ({
  ...approval,
  id: `${approval.id}+`,
  arguments: approval.extra ?? "{}",
  extra: null,
});

/**
 * How many folds nobody opened yet.
 * @param {{id: string, arguments: string, extra?: string|null}} approval
 * @param {Map<string, Set<string>>} opened
 * @returns {number}
 */
export function unopened(approval, opened) {
  const seen = opened.get(approval.id);
  const folded = shapeOf(approval).folds.filter((fold) => !seen?.has(fold)).length;
  return folded + (approval.extra ? unopened(besides(approval), opened) : 0);
}

/** @param {string} text */
function countCharacters(text) {
  let count = text.length;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xdc00) count--;
  return count;
}

/** What in the tokens deserves a warning. @param {Token[]} tokens @returns {Notes} */
function notesOf(tokens) {
  const notes = { hidden: 0, lookalike: 0, duplicate: 0, bad: 0 };
  for (const token of tokens) {
    if (token.duplicate) notes.duplicate++;
    if (token.kind === "bad") notes.bad++;
    if (token.kind !== "string" && token.kind !== "key" && token.kind !== "bad") continue;
    for (const piece of pieces(token.text)) if (piece.mark) notes[piece.mark]++;
    if (token.text.includes("\\u")) countCoded(token.text, notes);
  }
  return notes;
}

/** The same for what is written as an escape. @param {string} text @param {Notes} notes */
function countCoded(text, notes) {
  const parts = segments(text);
  const mixed = isMixed(parts.map((part) => part.decoded ?? part.text).join(""));
  for (const { text: raw, decoded } of parts) {
    if (!decoded || !raw.startsWith("\\u")) continue;
    const mark = pieces(decoded)[0]?.mark;
    if (mark) notes[mark]++;
    else if (decoded < "\x80" || (mixed && isForeign(decoded))) notes.lookalike++;
  }
}
