// Which characters a reader would not see, or would take for another, and how they are made visible.

/** @typedef {{text: string, mark?: "hidden"|"lookalike", name?: string}} Piece */

// The table of `src/core/inert.rs`, and what no character is: unassigned ones and lone surrogates.
const hidden =
  /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2800]/u;
const stylised = /[\uff01-\uff5e\u{1d400}-\u{1d7ff}]/u;
const suspect = new RegExp(`${hidden.source}|${stylised.source}|[^\\x00-\\x7f]`, "u");

const names = new Map([
  [0x00, "NUL"],
  [0x07, "BELL"],
  [0x08, "BACKSPACE"],
  [0x09, "TAB"],
  [0x0a, "LINE FEED"],
  [0x0d, "CARRIAGE RETURN"],
  [0x1b, "ESCAPE"],
  [0x7f, "DELETE"],
  [0xa0, "NO-BREAK SPACE"],
  [0xad, "SOFT HYPHEN"],
  [0x61c, "ARABIC LETTER MARK"],
  [0x200b, "ZERO WIDTH SPACE"],
  [0x200c, "ZERO WIDTH NON-JOINER"],
  [0x200d, "ZERO WIDTH JOINER"],
  [0x200e, "LEFT-TO-RIGHT MARK"],
  [0x200f, "RIGHT-TO-LEFT MARK"],
  [0x2028, "LINE SEPARATOR"],
  [0x2029, "PARAGRAPH SEPARATOR"],
  [0x202a, "LEFT-TO-RIGHT EMBEDDING"],
  [0x202b, "RIGHT-TO-LEFT EMBEDDING"],
  [0x202c, "POP DIRECTIONAL FORMATTING"],
  [0x202d, "LEFT-TO-RIGHT OVERRIDE"],
  [0x202e, "RIGHT-TO-LEFT OVERRIDE"],
  [0x2060, "WORD JOINER"],
  [0x2066, "LEFT-TO-RIGHT ISOLATE"],
  [0x2067, "RIGHT-TO-LEFT ISOLATE"],
  [0x2068, "FIRST STRONG ISOLATE"],
  [0x2069, "POP DIRECTIONAL ISOLATE"],
  [0xfeff, "BYTE ORDER MARK"],
]);

/** U+202E @param {string} char */
export const codePoint = (char) => `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

/** @param {string} char */
function nameOf(char) {
  const point = char.codePointAt(0) ?? 0;
  if (point >= 0xe0000 && point <= 0xe007f) return `${codePoint(char)} invisible tag character`;
  if (point >= 0xe000 && point <= 0xf8ff) return `${codePoint(char)} private use character`;
  return [codePoint(char), names.get(point)].filter(Boolean).join(" ");
}

// An emoji may be joined by U+200D and coloured by U+FE0F; there they are part of a visible sign.
const pictograph = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]/u;

/** @param {string} char @param {string} before @param {string} after */
function isHidden(char, before, after) {
  if (!hidden.test(char)) return false;
  if (char === "\ufe0f") return !/\p{Extended_Pictographic}/u.test(before);
  if (char === "\u200d") return !(pictograph.test(before) && pictograph.test(after));
  return true;
}

const foreign = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;

/** The words that mix Latin letters with letters of scripts that imitate them. @param {string} text */
function mixedWords(text) {
  /** @type {[number, number][]} */
  const spans = [];
  for (const word of text.matchAll(/[\p{L}\p{M}\p{N}_-]+/gu)) {
    if (/\p{Script=Latin}/u.test(word[0]) && foreign.test(word[0]))
      spans.push([word.index, word.index + word[0].length]);
  }
  return spans;
}

/**
 * Cuts a text into what can be shown as it is and what needs a label.
 * @param {string} text
 * @param {{newlines?: boolean}} [allow] line feeds and tabs are text here, as in a description
 * @returns {Piece[]}
 */
export function pieces(text, allow = {}) {
  if (!suspect.test(text)) return text ? [{ text }] : [];
  const mixed = mixedWords(text);
  const chars = [...text];
  /** @type {Piece[]} */
  const out = [];
  let plain = "";
  let at = 0;
  let marks = 0;
  let span = 0;
  const flush = () => {
    if (plain) out.push({ text: plain });
    plain = "";
  };
  chars.forEach((char, i) => {
    while (span < mixed.length && (mixed[span]?.[1] ?? 0) <= at) span++;
    const inMixed = span < mixed.length && at >= (mixed[span]?.[0] ?? 0);
    marks = /\p{M}/u.test(char) ? marks + 1 : 0;
    if (allow.newlines && (char === "\n" || char === "\t")) {
      plain += char;
    } else if (isHidden(char, chars[i - 1] ?? "", chars[i + 1] ?? "") || marks > 2) {
      flush();
      out.push({ text: codePoint(char), mark: "hidden", name: nameOf(char) });
    } else if (stylised.test(char) || (inMixed && foreign.test(char))) {
      flush();
      out.push({ text: char, mark: "lookalike", name: `${codePoint(char)}, looks like another letter` });
    } else {
      plain += char;
    }
    at += char.length;
  });
  flush();
  return out;
}

/** The same as one plain string, for places that take no elements: titles, notifications. @param {string} text */
export const visible = (text) =>
  pieces(text)
    .map((piece) => (piece.mark === "hidden" ? `⟦${piece.text}⟧` : piece.text))
    .join("");

/** Whether a word of the text mixes Latin letters with imitations of them. @param {string} text */
export const isMixed = (text) => /[^\x00-\x7f]/.test(text) && mixedWords(text).length > 0;

/** Whether a character belongs to a script whose letters imitate Latin ones. @param {string} char */
export const isForeign = (char) => foreign.test(char);
