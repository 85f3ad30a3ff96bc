// Cards or the compact list: what the person chose, else the list where many calls wait at the start.

import { html, useEffect, useRef, useState } from "../browser/ui.js";
import { get, set } from "../browser/store.js";
import * as prefs from "../browser/prefs.js";

/** From here on cards are more than a person wants to scroll through. */
const MANY = 8;
/** The list and a card beside it need this much. */
const WIDE = "(min-width: 72rem)";

/** Whether the list is shown. It is settled once for a visit: nothing changes its shape under a pointer. @param {boolean} loaded @param {number} count @returns {boolean} */
export function useListed(loaded, count) {
  const { view } = prefs.usePrefs();
  const many = useRef(/** @type {boolean|null} */ (null));
  if (many.current === null && loaded && count > 0) many.current = count > MANY;
  const listed = view === "auto" ? Boolean(many.current) : view === "list";
  useEffect(() => {
    if (get().filter.grouped !== listed) set({ filter: { ...get().filter, grouped: listed } });
  }, [listed]);
  return listed;
}

/** Whether there is room for two columns. */
export function useWide() {
  const [wide, setWide] = useState(() => matchMedia(WIDE).matches);
  useEffect(() => {
    const media = matchMedia(WIDE);
    const look = () => setWide(media.matches);
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, []);
  return wide;
}

/** @param {{listed: boolean}} props */
export const ViewSwitch = ({ listed }) =>
  html`<div class="segments" role="group" aria-label="How the calls are shown">
    <button aria-pressed=${listed ? "false" : "true"} onClick=${() => prefs.set({ view: "cards" })}>Cards</button>
    <button aria-pressed=${listed ? "true" : "false"} onClick=${() => prefs.set({ view: "list" })}>List</button>
  </div>`;
