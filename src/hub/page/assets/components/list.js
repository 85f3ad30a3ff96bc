// The compact list: one line a call, alike calls together, and the marked one whole: beside the list where there is room,
// else in its place.

import { html, cls, useLayoutEffect, useMemo, useRef } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import { lastInput } from "../browser/keys.js";
import { focus, mayDecide } from "../hub/decide.js";
import { groups } from "../rules/arrange.js";
import { waiting } from "../rules/queue.js";
import { shapeOf } from "../rules/fold.js";
import { visible } from "../rules/glyphs.js";
import { plural, statusWords } from "../rules/format.js";
import { Card, toggle } from "./card.js";
import { Ago, Risk } from "./controls.js";
import { Countdown } from "./countdown.js";
import { Name, Text } from "./text.js";
import { ForWhom, Lookers } from "./who.js";

/** @typedef {import("../rules/types.js").Item} Item */

/** @param {{cards: Item[], wide: boolean}} props */
export function CompactList({ cards, wide }) {
  const marked = useStore((state) => state.focus);
  const item = cards.find((one) => one.approval.id === marked);
  const whole = item && html`<${Card} key=${marked} item=${item} />`;
  return html`<div class="rows-list">
      ${groups(cards).map((group) => html`<${OneGroup} key=${group.key} items=${group.items} marked=${marked} whole=${wide ? null : whole} />`)}
    </div>
    ${wide && html`<div class="pane">${whole ?? html`<p class="quiet pane-empty">Choose a call, or press <kbd>J</kbd>.</p>`}</div>`}`;
}

/** @param {{items: Item[], marked: string|null, whole: unknown}} props */
function OneGroup({ items, marked, whole }) {
  const alike = items.length > 1;
  const rows = items.map((item) => {
    const { id } = item.approval;
    if (whole && id === marked) return whole;
    return html`<${Row} key=${id} item=${item} marked=${id === marked} alike=${alike} />`;
  });
  return alike
    ? html`<section class="group" aria-label=${`${items.length} alike calls`}><${GroupHead} items=${items} />${rows}</section>`
    : rows;
}

/** @param {{items: Item[]}} props */
function GroupHead({ items }) {
  const ids = waiting(items).map((item) => item.approval.id);
  const all = useStore((state) => ids.length > 0 && ids.every((id) => state.selected.has(id)));
  const [first] = items;
  if (!first) return null;
  const { tool, server, agent, trust } = first.approval;
  const change = () => {
    const selected = new Set(get().selected);
    ids.forEach((id) => (all ? selected.delete(id) : selected.add(id)));
    set({ selected });
  };
  return html`<header class="group-head">
    ${mayDecide() && ids.length > 0 && html`<input type="checkbox" class="pick" checked=${all} aria-label=${`Select all ${ids.length} calls of ${visible(tool)} on ${visible(server)} by ${visible(agent.name)}`} onChange=${change} />`}
    <span><strong>${plural(items.length, "call")}</strong> of <${Name} of=${tool} /> on <${Name} of=${server} /> by <${Text} of=${agent.name} /></span>
    <${Risk} level=${trust} />
  </header>`;
}

/** How much of the arguments a row shows. */
const BRIEF = 160;

/** The arguments in one line. @param {import("../rules/types.js").Approval} approval */
const brief = (approval) => visible(approval.arguments.slice(0, BRIEF).replace(/\s+/g, " "));

/** Draws a row again only when something of it changed. @param {{item: Item, marked: boolean, alike: boolean}} props */
const Row = ({ item, marked, alike }) =>
  useMemo(() => html`<${FullRow} item=${item} marked=${marked} alike=${alike} />`, [item, marked, alike]);

/** What its group says already is not said in every row. @param {{item: Item, marked: boolean, alike: boolean}} props */
function FullRow({ item: { approval }, marked, alike }) {
  const { id, tool, server, trust, status, agent } = approval;
  const row = useRef(/** @type {HTMLElement|null} */ (null));
  const selected = useStore((state) => state.selected.has(id));
  const { risky } = shapeOf(approval);
  useLayoutEffect(() => {
    if (marked && lastInput() === "key") row.current?.scrollIntoView({ block: "nearest" });
  }, [marked]);
  const pending = status === "pending";
  const pick = html`<input type="checkbox" class="pick" checked=${selected} aria-label=${`Select ${visible(tool)} on ${visible(server)}`} onChange=${() => toggle(id)} />`;
  return html`<div ref=${row} data-row=${id} class=${cls("row", `edge-${trust}`, marked && "focused", selected && "selected", !pending && "done")}>
    ${pending && mayDecide() && pick}
    <button class="row-open" aria-current=${marked ? "true" : undefined} onClick=${() => focus(id)}>
      ${!alike && html`<span class="row-line"><span class="row-what"><${Name} of=${tool} class="tool" /> <span class="on">on</span> <${Name} of=${server} class="server" /></span><${Risk} level=${trust} /></span>`}
      <span class="row-line">
        ${risky.length > 0 && html`<span class="row-risky mono">${risky.slice(0, 3).join(", ")}</span>`}
        <span class="row-brief mono">${brief(approval)}</span>
        <span class="row-who quiet">${!alike && html`<${Text} of=${agent.name} />${" "}<${ForWhom} approval=${approval} />, `}<${Ago} at=${approval.created_at} /></span>
        <${Lookers} id=${id} />
      </span>
    </button>
    ${pending ? html`<${Countdown} approval=${approval} />` : html`<span class="quiet">${statusWords[status]}</span>`}
  </div>`;
}
