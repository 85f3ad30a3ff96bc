// JSON text, cut into tokens and laid out in lines. Values are never parsed: every token is the text that was sent, so
// big integers, number literals, escapes and duplicate keys stay what they are.

/**
 * @typedef {object} Token
 * @property {"open"|"close"|"comma"|"colon"|"key"|"string"|"number"|"literal"|"bad"} kind
 * @property {string} text
 * @property {boolean} [duplicate]  a key that its object already has
 */
/** @typedef {{depth: number, tokens: Token[]}} Line */

const patterns = /** @type {const} */ ([
  ["number", /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y],
  ["literal", /true|false|null/y],
]);

/** The end of the string that starts at `from`, or -1. @param {string} raw @param {number} from */
function endOfString(raw, from) {
  for (let at = from + 1; at < raw.length; at++) {
    const code = raw.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) return at + 1;
  }
  return -1;
}

/** @param {string} raw @param {number} at @returns {Token} */
function tokenAt(raw, at) {
  const char = raw[at] ?? "";
  if (char === "{" || char === "[") return { kind: "open", text: char };
  if (char === "}" || char === "]") return { kind: "close", text: char };
  if (char === ",") return { kind: "comma", text: char };
  if (char === ":") return { kind: "colon", text: char };
  if (char === '"') {
    const end = endOfString(raw, at);
    if (end > 0) return { kind: "string", text: raw.slice(at, end) };
  }
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const found = pattern.exec(raw);
    if (found?.[0]) return { kind, text: found[0] };
  }
  // Not JSON from here on: all of it is shown, nothing of it is understood.
  return { kind: "bad", text: raw.slice(at) };
}

/**
 * Every token of a JSON text, white space between them left out.
 * @param {string} raw
 * @returns {Token[]}
 */
export function tokenize(raw) {
  /** @type {Token[]} */
  const tokens = [];
  /** @type {Set<string>[]} */
  const keys = [];
  for (let at = 0; at < raw.length;) {
    if (" \t\n\r".includes(raw[at] ?? "")) {
      at++;
      continue;
    }
    const token = tokenAt(raw, at);
    at += token.text.length;
    if (token.kind === "open") keys.push(new Set());
    else if (token.kind === "close") keys.pop();
    else if (token.kind === "colon") markKey(tokens.at(-1), keys.at(-1));
    tokens.push(token);
  }
  return tokens;
}

/** @param {Token|undefined} token @param {Set<string>|undefined} seen */
function markKey(token, seen) {
  if (token?.kind !== "string") return;
  const name = unescape(token.text);
  token.kind = "key";
  if (seen?.has(name)) token.duplicate = true;
  seen?.add(name);
}

/** @param {string} literal */
const unescape = (literal) =>
  segments(literal.slice(1, -1))
    .map((part) => part.decoded ?? part.text)
    .join("");

const inline = 64;

/** The index after the value that opens at `from`, if it is short and flat enough for one line; else 0. @param {Token[]} tokens @param {number} from */
function flatEnd(tokens, from) {
  // The arguments themselves always stand one member a line.
  const nested = from > 0;
  let length = 0;
  for (let at = from + 1; at < tokens.length; at++) {
    const token = /** @type {Token} */ (tokens[at]);
    if (token.kind === "close") return at === from + 1 || nested ? at + 1 : 0;
    length += token.text.length + 1;
    if (token.kind === "open" || token.kind === "bad" || length > inline) return 0;
  }
  return 0;
}

/**
 * The tokens in lines, one member or element each; short flat arrays and empty values stay on theirs.
 * @param {Token[]} tokens
 * @returns {Line[]}
 */
export function layout(tokens) {
  /** @type {Line[]} */
  const lines = [];
  let depth = 0;
  /** @type {Line} */
  let line = { depth, tokens: [] };
  const next = () => {
    if (line.tokens.length) lines.push(line);
    line = { depth, tokens: [] };
  };
  for (let at = 0; at < tokens.length; at++) {
    const token = /** @type {Token} */ (tokens[at]);
    const end = token.kind === "open" ? flatEnd(tokens, at) : 0;
    if (end) {
      line.tokens.push(...tokens.slice(at, end));
      at = end - 1;
    } else if (token.kind === "open") {
      line.tokens.push(token);
      depth++;
      next();
    } else if (token.kind === "close") {
      depth = Math.max(0, depth - 1);
      next();
      line.tokens.push(token);
    } else {
      line.tokens.push(token);
      if (token.kind === "comma") next();
    }
  }
  next();
  return lines;
}

/** A line as plain text, for comparing and copying. @param {Line} line */
export const lineText = (line) =>
  "  ".repeat(line.depth) +
  line.tokens
    .map((t) => t.text + (t.kind === "colon" || t.kind === "comma" ? " " : ""))
    .join("")
    .trimEnd();

/**
 * The parts of a string's inside: plain text and escapes, an escape with what it stands for.
 * @param {string} inside
 * @returns {{text: string, decoded?: string}[]}
 */
export function segments(inside) {
  /** @type {{text: string, decoded?: string}[]} */
  const out = [];
  const escape = /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u]|\\/g;
  let from = 0;
  for (const found of inside.matchAll(escape)) {
    if (found.index > from) out.push({ text: inside.slice(from, found.index) });
    out.push({ text: found[0], decoded: decode(found[0]) });
    from = found.index + found[0].length;
  }
  if (from < inside.length) out.push({ text: inside.slice(from) });
  return out;
}

/** @type {Record<string, string>} */
const short = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", '"': '"', "\\": "\\", "/": "/" };

/** What one escape stands for. @param {string} escape */
function decode(escape) {
  if (!escape.startsWith("\\u")) return short[escape[1] ?? ""] ?? escape;
  const units = escape
    .split("\\u")
    .slice(1)
    .map((hex) => Number.parseInt(hex, 16));
  return String.fromCharCode(...units);
}
