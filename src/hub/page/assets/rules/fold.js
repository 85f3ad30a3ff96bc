// What of the arguments is folded at first, with exact counts, and whether everything has been opened.

import { tokenize, layout, segments } from "./tokens.js";
import { pieces, isMixed, isForeign } from "./glyphs.js";
import { riskyWords } from "./risky.js";

/** @typedef {import("./tokens.js").Line} Line */
/** @typedef {import("./tokens.js").Token} Token */
/** @typedef {{hidden: number, lookalike: number, duplicate: number, bad: number}} Notes */
/** @typedef {{lines: Line[], folds: string[], characters: number, notes: Notes, risky: string[]}} Shape */

/** A value longer than this, or with more line feeds, is folded. */
const LONG_VALUE = 2400;
const LONG_LINES = 80;
/** How much of a folded value stays in sight before and after its fold: characters, and lines. */
const HEAD = { characters: 1200, lines: 40 };
const TAIL = { characters: 600, lines: 20 };
/** More lines than this are folded, but for those at either end. */
export const MANY_LINES = 60;
export const LINES_HEAD = 45;
export const LINES_TAIL = 10;
/** Lines beyond this are one block of plain text: a hundred thousand elements would stop the page. */
export const PLAIN_AFTER = 600;

/** @type {Map<string, {raw: string, shape: Shape}>} */
const known = new Map();

/** @param {Token} token */
export const isLong = ({ text }) =>
  text.length > LONG_VALUE || (text.length > LONG_LINES * 2 && feeds(text).length > LONG_LINES);

/** Where the line feeds of a literal end. @param {string} text @returns {number[]} */
const feeds = (text) =>
  [...text.matchAll(/\\(?:u[0-9a-fA-F]{4}|[^u])/g)].flatMap((found) => (found[0] === "\\n" ? [found.index + 2] : []));

/**
 * A long literal in three: what stays in sight before the fold, what is folded, what stays after it; cut at the ends of
 * lines where there are any, and never inside an escape.
 * @param {string} text
 * @returns {[head: string, folded: string, tail: string]}
 */
export function cut(text) {
  const ends = feeds(text);
  const head = nearest(
    ends
      .slice(0, HEAD.lines)
      .filter((end) => end <= HEAD.characters)
      .at(-1),
    text,
    HEAD.characters,
  );
  const last = text.length - TAIL.characters;
  const tail = nearest(
    ends.slice(-TAIL.lines).find((end) => end >= last),
    text,
    last,
  );
  return [text.slice(0, head), text.slice(head, Math.max(head, tail)), text.slice(Math.max(head, tail))];
}

/** The end of a line where there is one, else a place beside every escape and pair. @param {number|undefined} end @param {string} text @param {number} at */
function nearest(end, text, at) {
  if (end !== undefined) return end;
  for (let from = at - 1; from > Math.max(0, at - 6); from--) {
    if (text[from] !== "\\") continue;
    let run = 1;
    while (text[from - run] === "\\") run++;
    const length = text[from + 1] === "u" ? 6 : 2;
    return run % 2 && at < from + length ? from : at;
  }
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00 ? at - 1 : at;
}

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
  lines.slice(0, PLAIN_AFTER).forEach((line, l) => {
    line.tokens.forEach((token, t) => {
      if (isLong(token)) folds.push(valueFold(l, t));
    });
  });
  if (lines.length > MANY_LINES) folds.push(REST);
  const shape = {
    lines,
    folds,
    characters: countCharacters(approval.arguments),
    notes: notesOf(tokens),
    risky: riskyWords(readable(tokens)),
  };
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

/** The keys and strings as they read. @param {Token[]} tokens */
const readable = (tokens) =>
  tokens
    .filter(({ kind }) => kind !== "number" && kind !== "literal")
    .map(({ text }) => text.replace(/\\./g, " "))
    .join(" ");

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
