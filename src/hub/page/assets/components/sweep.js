// Takes settled cards away once their end could be read, without anything moving under a pointer or an eye.

import { useEffect, useLayoutEffect, useRef } from "../browser/ui.js";
import { get, set } from "../browser/store.js";
import { shifted } from "../browser/guard.js";
import { moveOn } from "../hub/decide.js";

/** A settled card stays this long, so that its end can be read. */
const KEEP_MS = 3000;

/** Never while the pointer rests on the list or the answer to a decision of ours is on its way. @param {{current: HTMLElement|null}} list @param {import("../rules/types.js").Item[]} queue */
export function useSweep(list, queue) {
  const anchor = useRef(/** @type {{element: Element, top: number}|null} */ (null));
  const settled = queue.some((item) => item.settledAt);
  useEffect(() => {
    if (!settled) return;
    const timer = setInterval(() => {
      if (list.current?.matches(":hover")) return;
      const old = get().queue.filter((item) => item.settledAt && !item.busy && Date.now() - item.settledAt >= KEEP_MS);
      if (!old.length) return;
      const ids = new Set(old.map((item) => item.approval.id));
      if (ids.has(get().focus ?? "")) moveOn(get().focus ?? "");
      anchor.current = stillThing(list.current, ids);
      set({ queue: get().queue.filter((item) => !ids.has(item.approval.id)) });
      shifted();
    }, 250);
    return () => clearInterval(timer);
  }, [settled]);
  useLayoutEffect(() => {
    const kept = anchor.current;
    anchor.current = null;
    if (kept?.element.isConnected) window.scrollBy(0, kept.element.getBoundingClientRect().top - kept.top);
  }, [queue]);
}

/** The card that must not move on the screen: the marked one, or the first in sight. @param {HTMLElement|null} list @param {Set<string>} leaving */
function stillThing(list, leaving) {
  const all = [...(list?.querySelectorAll("[data-id]") ?? [])];
  const staying = all.filter((card) => !leaving.has(card.getAttribute("data-id") ?? ""));
  const element =
    staying.find((card) => card.classList.contains("focused")) ??
    staying.find((card) => card.getBoundingClientRect().bottom > 0);
  return element ? { element, top: element.getBoundingClientRect().top } : null;
}
