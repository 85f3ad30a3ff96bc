// One pending approval with everything a person needs to decide.

import { html, cls, useRef, useEffect, useLayoutEffect, useMemo } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import { focus, mayDecide } from "../hub/decide.js";
import { act } from "../hub/api.js";
import { lastInput, takesText } from "../browser/keys.js";
import { visible } from "../rules/glyphs.js";
import { Name } from "./text.js";
import { Risk, Ago } from "./controls.js";
import { Countdown } from "./countdown.js";
import { Who, Why, HandedOff, AskedAgain, Claim } from "./who.js";
import { Arguments } from "./arguments.js";
import { DriftNote } from "./drift.js";
import { Compare } from "./compare.js";
import { Decision } from "./decision.js";
import { Find } from "./find.js";

/** @typedef {import("../rules/types.js").Item} Item */

const SEEN_AFTER_MS = 1000;
/** @type {Set<string>} */
const seen = new Set();

/** Tells the hub, once, that a person has the card before them: on screen, in a visible tab, for a second. @param {{current: HTMLElement|null}} ref @param {Item} item */
export function useSeen(ref, { approval: { id, status } }) {
  useEffect(() => {
    const element = ref.current;
    if (!element || seen.has(id) || status !== "pending" || !mayDecide()) return;
    let timer = 0;
    const report = () => {
      if (document.hidden || seen.has(id)) return;
      seen.add(id);
      act(id, "seen").catch(() => seen.delete(id));
    };
    const observer = new IntersectionObserver((entries) => {
      clearTimeout(timer);
      if (entries.at(-1)?.isIntersecting) timer = window.setTimeout(report, SEEN_AFTER_MS);
    });
    const look = () => {
      observer.unobserve(element);
      if (!document.hidden) observer.observe(element);
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
      document.removeEventListener("visibilitychange", look);
    };
  }, [id, status]);
}

/** Checks or unchecks a card. @param {string} id */
export function toggle(id) {
  const selected = new Set(get().selected);
  if (!selected.delete(id)) selected.add(id);
  set({ selected });
}

/** Draws a card again only when its own item changed. @param {{item: Item}} props */
export const Card = ({ item }) => useMemo(() => html`<${FullCard} item=${item} />`, [item]);

/** @param {{item: Item}} props */
function FullCard({ item }) {
  const { approval } = item;
  const { id } = approval;
  const article = useRef(/** @type {HTMLElement|null} */ (null));
  const top = useRef(/** @type {HTMLElement|null} */ (null));
  const focused = useStore((state) => state.focus === id);
  const selected = useStore((state) => state.selected.has(id));
  useSeen(top, item);
  useDomFocus(article, focused);
  const take = () => focus(id);
  const pending = approval.status === "pending";
  return html`<article ref=${article} data-id=${id} class=${cls("card", `edge-${approval.trust}`, focused && "focused", selected && "selected", !pending && "done")} tabindex=${focused ? 0 : -1} aria-labelledby=${`t-${id}`} aria-current=${focused ? "true" : undefined} onFocusIn=${take} onPointerDown=${take}>
    <header class="card-head" ref=${top}>
      ${pending && mayDecide() && html`<input type="checkbox" class="pick" checked=${selected} aria-label=${`Select ${visible(approval.tool)} on ${visible(approval.server)}`} onChange=${() => toggle(id)} />`}
      <h2 id=${`t-${id}`}><${Name} of=${approval.tool} class="tool" /> <span class="on">on</span> <${Name} of=${approval.server} class="server" /></h2>
      <${Risk} level=${approval.trust} />
      <span class="grow"></span>
      <a class="age quiet" href=${`/approvals/${encodeURIComponent(id)}`} title="Open this approval at its own link">asked <${Ago} at=${approval.created_at} /></a>
      ${pending && html`<${Countdown} approval=${approval} />`}
      <${Find} approval=${approval} />
    </header>
    <${Who} approval=${approval} />
    <${Why} reasons=${approval.reasons} />
    <${HandedOff} approval=${approval} />
    <${AskedAgain} approval=${approval} />
    <${DriftNote} approval=${approval} />
    <${Arguments} approval=${approval} />
    <div class="card-more"><${Claim} text=${approval.description} /><${Compare} approval=${approval} inCard /></div>
    <${Decision} item=${item} />
  </article>`;
}

/** Lets the browser's focus follow the card that keys act on, without pulling it out of a field. @param {{current: HTMLElement|null}} ref @param {boolean} focused */
function useDomFocus(ref, focused) {
  // Before the next key is read: a field that the next key opens must keep the focus.
  useLayoutEffect(() => {
    const element = ref.current;
    if (!focused || !element || element.contains(document.activeElement) || takesText(document.activeElement)) return;
    element.focus({ preventScroll: true });
    // With a pointer nothing may move by itself; with keys the card must come into sight.
    if (lastInput() === "key") element.scrollIntoView({ block: "nearest" });
  }, [focused]);
}
