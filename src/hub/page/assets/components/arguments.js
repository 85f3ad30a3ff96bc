// The arguments of a call, laid out from their raw text. Nothing is hidden without saying how much.

import { html, useMemo } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import { besides, shapeOf, isLong, valueFold, REST, MANY_LINES, VALUE_HEAD } from "../rules/fold.js";
import { lineText } from "../rules/tokens.js";
import { visible } from "../rules/glyphs.js";
import { number, plural } from "../rules/format.js";
import { StringValue } from "./string.js";
import { CopyButton } from "./controls.js";

/** @typedef {import("../rules/types.js").Approval} Approval */
/** @typedef {import("../rules/fold.js").Line} Line */

const MAX_INDENT = 24;
// Beyond this many lines the rest is one block of plain text: a hundred thousand elements would stop the page.
const PLAIN_AFTER = 600;
/** @type {Set<string>} */
const none = new Set();

/** Opens one fold, or all. @param {Approval} approval @param {string[]} folds */
export function open(approval, folds) {
  const opened = new Map(get().opened);
  opened.set(approval.id, new Set([...(opened.get(approval.id) ?? []), ...folds]));
  set({ opened });
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
      <${CopyButton} text=${approval.arguments} label="Copy raw" />
    </header>
    <${Notes} approval=${approval} />
    <${Lines} approval=${approval} lines=${shape.lines} opened=${opened} />
  </div>`;
}

/** What is unusual about the text, in words. @param {{approval: Approval}} props */
function Notes({ approval }) {
  const { notes } = shapeOf(approval);
  const words = [
    notes.hidden && `${plural(notes.hidden, "invisible or control character")} shown as U+… labels`,
    notes.lookalike &&
      `${plural(notes.lookalike, "letter")} that look${notes.lookalike === 1 ? "s" : ""} like another, marked`,
    notes.duplicate && `${plural(notes.duplicate, "duplicate key")}, marked`,
    notes.bad && "not valid JSON: the rest is shown as it came",
  ].filter(Boolean);
  return words.length ? html`<p class="args-notes"><span aria-hidden="true">⚠ </span>${words.join(" · ")}</p>` : null;
}

/** @param {{approval: Approval, lines: Line[], opened: Set<string>}} props */
function Lines({ approval, lines, opened }) {
  const wide = lines.length > MANY_LINES && opened.has(REST);
  const shown = wide ? lines.slice(0, PLAIN_AFTER) : lines.slice(0, MANY_LINES);
  const rest = lines.slice(shown.length);
  return html`<div class=${wide ? "json json-tall" : "json"} tabindex=${wide ? 0 : undefined} role=${wide ? "region" : undefined} aria-label=${wide ? "All lines of the arguments" : undefined} translate="no">
    ${shown.map((line, l) => html`<${OneLine} key=${l} line=${line} at=${l} approval=${approval} opened=${opened} />`)}
    ${rest.length > 0 && (wide ? html`<pre class="plain">${visibleLines(rest)}</pre>` : html`<${Fold} onOpen=${() => open(approval, [REST])} words=${`${plural(rest.length, "more line")} (${plural(size(rest), "character")})`} />`)}
  </div>`;
}

/** @param {Line[]} lines */
const size = (lines) =>
  lines.reduce((sum, line) => sum + line.tokens.reduce((all, token) => all + token.text.length, 0), 0);
/** @param {Line[]} lines */
const visibleLines = (lines) => lines.map((line) => visible(lineText(line))).join("\n");

/** @param {{words: string, onOpen: () => void}} props */
const Fold = ({ words, onOpen }) => html`<button class="fold" onClick=${onOpen}>… ${words}: show</button>`;

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
  const folded = isLong(token) && !opened.has(fold);
  const text = folded ? token.text.slice(0, VALUE_HEAD) : token.text;
  const body =
    token.kind === "string" || token.kind === "key" || token.kind === "bad"
      ? html`<${StringValue} text=${text} />`
      : text;
  const duplicate =
    token.duplicate &&
    html`<span class="chip chip-hidden" title="This object has the key more than once">duplicate key</span>`;
  return html`<span class=${`t-${token.kind}`}>${body}</span>${duplicate}${folded && html`<${Fold} onOpen=${onOpen} words=${plural(token.text.length - text.length, "more character")} />`}`;
}
