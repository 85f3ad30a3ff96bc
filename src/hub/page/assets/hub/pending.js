// The queue as the hub has it: read whole, and kept by what events bring.

import * as api from "./api.js";
import { get, set, say } from "../browser/store.js";
import { upsert, reconcile } from "../rules/queue.js";
import { announce } from "./notify.js";
import { settled } from "./push.js";
import { visible } from "../rules/glyphs.js";

/** @typedef {import("../rules/types.js").Approval} Approval */

/** @type {Set<string>} */
let touched = new Set();

/** Puts one approval, as the hub sent it, where it belongs. @param {Approval} approval */
export function take(approval) {
  const before = get().queue.find((item) => item.approval.id === approval.id);
  touched.add(approval.id);
  set({ queue: upsert(get().queue, approval, Date.now()) });
  if (approval.status !== "pending") void settled(approval.id).catch(() => {});
  else if (!before) tell(approval);
}

/** Says that a card is new, to eyes and ears that are elsewhere. @param {Approval} approval */
function tell(approval) {
  say(`New approval: ${visible(approval.tool)} on ${visible(approval.server)}, ${approval.trust} risk.`);
  announce(approval);
}

/** Reads the whole queue, page by page. */
export async function loadQueue() {
  touched = new Set();
  const since = touched;
  try {
    /** @type {Approval[]} */
    const all = [];
    /** @type {string|null} */
    let cursor = null;
    do {
      /** @type {import("../rules/types.js").Page<Approval>} */
      const page = await api.approvals({ status: "pending", limit: 200, cursor });
      all.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor);
    const { queue, gone } = reconcile(get().queue, all, since, Date.now());
    const before = new Set(get().queue.map((item) => item.approval.id));
    const again = get().loaded;
    set({ queue, loaded: true, dataAt: Date.now() });
    // What came in while the line was lost is as new as what an event brings.
    if (again) for (const approval of all) if (!before.has(approval.id)) tell(approval);
    for (const id of gone) void api.approval(id).then(take, () => {});
  } catch {
    // The line's own banner tells; the next connection reads again.
  }
}
