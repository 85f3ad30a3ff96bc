// The arguments of a call, laid out from their raw text. Nothing is hidden without saying how much.

import { html, useMemo } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import {
  besides,
  shapeOf,
  isLong,
  cut,
  valueFold,
  REST,
  MANY_LINES,
  LINES_HEAD,
  LINES_TAIL,
  PLAIN_AFTER,
} from "../rules/fold.js";
import { riskyIn } from "../rules/risky.js";
import { lineText } from "../rules/tokens.js";
import { visible } from "../rules/glyphs.js";
import { number, plural } from "../rules/format.js";
import { StringValue } from "./string.js";
import { CopyButton } from "./controls.js";

/** @typedef {import("../rules/types.js").Approval} Approval */
/** @typedef {import("../rules/fold.js").Line} Line */

const MAX_INDENT = 24;
/** What is shorter is read faster than searched. */
const WORTH_FINDING = 400;
/** @type {Set<string>} */
const none = new Set();

/** Opens one fold, or all. @param {Approval} approval @param {string[]} folds */
export function open(approval, folds) {
  const opened = new Map(get().opened);
  opened.set(approval.id, new Set([...(opened.get(approval.id) ?? []), ...folds]));
  set({ opened });
}

/** Shows the next part of a card's arguments that is folded. @param {Element|null} card */
export function openNextFold(card) {
  const fold = card?.querySelector(".fold");
  if (!(fold instanceof HTMLElement)) return;
  fold.scrollIntoView({ block: "center" });
  fold.click();
}

/** Everything that the server is given. @param {{approval: Approval, wholeHash?: boolean}} props */
export function Arguments({ approval, wholeHash }) {
  return html`<${Text} approval=${approval} title="Arguments" hash=${wholeHash ? approval.arguments_sha256 : `${approval.arguments_sha256.slice(0, 12)}…`} />
    ${approval.extra && html`<${Text} approval=${besides(approval)} title="Also sent with the call" />`}`;
}

/** @param {{approval: Approval, title: string, hash?: string}} props */
function Text({ approval, title, hash }) {
  const opened = useStore((state) => state.opened.get(approval.id)) ?? none;
  const shape = useMemo(() => shapeOf(approval), [approval.id, approval.arguments]);
  const closed = shape.folds.filter((fold) => !opened.has(fold)).length;
  return html`<div class="args" role="group" aria-label=${title}>
    <header class="args-head">
      <span class="args-title">${title}</span>
      <span class="quiet">${plural(shape.characters, "character")}</span>
      <span class="grow"></span>
      ${closed > 1 && html`<button class="link" onClick=${() => open(approval, shape.folds)}>Open all ${closed} folds</button>`}
      ${hash && html`<span class="hash quiet" title=${`SHA-256 of the raw arguments: ${approval.arguments_sha256}`}>sha256 <span class="mono">${hash}</span></span>`}
      ${shape.characters > WORTH_FINDING && html`<button class="link" aria-keyshortcuts="F" onClick=${() => set({ finding: approval.id.replace(/\+$/, "") })}>Find</button>`}
      <${CopyButton} text=${approval.arguments} label="Copy raw" />
    </header>
    <${Notes} approval=${approval} />
    <${Lines} approval=${approval} lines=${shape.lines} opened=${opened} />
  </div>`;
}

/** What is unusual about the text, in words. @param {{approval: Approval}} props */
function Notes({ approval }) {
  const { notes, risky } = shapeOf(approval);
  const words = [
    notes.hidden && `${plural(notes.hidden, "invisible or control character")} shown as U+… labels`,
    notes.lookalike &&
      `${plural(notes.lookalike, "letter")} that look${notes.lookalike === 1 ? "s" : ""} like another, marked`,
    notes.duplicate && `${plural(notes.duplicate, "duplicate key")}, marked`,
    notes.bad && "not valid JSON: the rest is shown as it came",
  ].filter(Boolean);
  return html`${words.length > 0 && html`<p class="args-notes"><span aria-hidden="true">⚠ </span>${words.join(" · ")}</p>`}
    ${risky.length > 0 && html`<p class="args-hint" title="A hint, no judgement: the words are marked where they stand">Says ${risky.slice(0, 6).map((word, i) => html`${i > 0 && ", "}<span class="risky">${word}</span>`)}${risky.length > 6 && ` and ${risky.length - 6} more such words`}</p>`}`;
}

/** @param {{approval: Approval, lines: Line[], opened: Set<string>}} props */
function Lines({ approval, lines, opened }) {
  const wide = lines.length > MANY_LINES && opened.has(REST);
  const folded = lines.length > MANY_LINES && !wide;
  const head = lines.slice(0, folded ? LINES_HEAD : PLAIN_AFTER);
  const tail = folded ? lines.slice(-LINES_TAIL) : [];
  const rest = lines.slice(head.length, lines.length - tail.length);
  const draw = (/** @type {number} */ from) => (/** @type {Line} */ line, /** @type {number} */ l) =>
    html`<${OneLine} key=${from + l} line=${line} at=${from + l} approval=${approval} opened=${opened} />`;
  return html`<div class=${wide ? "json json-tall" : "json"} tabindex=${wide ? 0 : undefined} role=${wide ? "region" : undefined} aria-label=${wide ? "All lines of the arguments" : undefined} translate="no">
    ${head.map(draw(0))}
    ${folded && html`<${Fold} onOpen=${() => open(approval, [REST])} words=${`${plural(rest.length, "more line")} (${plural(size(rest), "character")})`} risky=${rest.flatMap((line) => riskyIn(lineText(line)))} />`}
    ${tail.map(draw(lines.length - tail.length))}
    ${!folded && rest.length > 0 && html`<pre class="plain">${visibleLines(rest)}</pre>`}
  </div>`;
}

/** @param {Line[]} lines */
const size = (lines) =>
  lines.reduce((sum, line) => sum + line.tokens.reduce((all, token) => all + token.text.length, 0), 0);
/** @param {Line[]} lines */
const visibleLines = (lines) => lines.map((line) => visible(lineText(line))).join("\n");

/** Says how much is folded, and which words in it deserve a look. @param {{words: string, risky: string[], onOpen: () => void}} props */
const Fold = ({ words, risky, onOpen }) =>
  html`<button class="fold" onClick=${onOpen}>… ${words}${risky.length > 0 && `, with ${[...new Set(risky)].slice(0, 4).join(", ")}`}: show</button>`;

/** @param {{line: Line, at: number, approval: Approval, opened: Set<string>}} props */
function OneLine({ line, at, approval, opened }) {
  const indent = Math.min(line.depth, MAX_INDENT) * 2;
  return html`<div class="line" style=${{ paddingInlineStart: `min(${indent + 2}ch, 45%)` }}>
    ${line.depth > MAX_INDENT && html`<span class="depth" title=${`${line.depth} levels deep`}>${number(line.depth)}›</span>`}
    ${line.tokens.map((token, t) => html`<${OneToken} token=${token} fold=${valueFold(at, t)} opened=${opened} onOpen=${() => open(approval, [valueFold(at, t)])} />`)}
  </div>`;
}

/** @param {{token: import("../rules/tokens.js").Token, fold: string, opened: Set<string>, onOpen: () => void}} props */
function OneToken({ token, fold, opened, onOpen }) {
  if (token.kind === "colon") return ": ";
  if (token.kind === "comma") return ", ";
  const words = token.kind === "string" || token.kind === "key" || token.kind === "bad";
  const duplicate =
    token.duplicate &&
    html`<span class="chip chip-hidden" title="This object has the key more than once">duplicate key</span>`;
  if (!isLong(token) || opened.has(fold))
    return html`<span class=${`t-${token.kind}`}>${words ? html`<${StringValue} text=${token.text} />` : token.text}</span>${duplicate}`;
  const [head, folded, tail] = cut(token.text);
  return html`<span class=${`t-${token.kind}`}><${StringValue} text=${head} /></span>${duplicate}<${Fold} onOpen=${onOpen} words=${plural(folded.length, "more character")} risky=${riskyIn(folded)} /><span class=${`t-${token.kind}`}><${StringValue} text=${tail} /></span>`;
}
