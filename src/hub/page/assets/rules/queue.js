// The queue of cards as pure functions: oldest first, an approval never goes back to pending, a settled card keeps its
// place until it is taken away.

import { sorted, groups } from "./arrange.js";

/** @typedef {import("./types.js").Approval} Approval */
/** @typedef {import("./types.js").Item} Item */

/** @param {Item} a @param {Item} b */
const byAge = (a, b) => a.approval.created_at - b.approval.created_at || (a.approval.id < b.approval.id ? -1 : 1);

/**
 * Takes in what the hub says of one approval.
 * @param {Item[]} queue
 * @param {Approval} approval
 * @param {number} now
 * @returns {Item[]}
 */
export function upsert(queue, approval, now) {
  const old = queue.find((item) => item.approval.id === approval.id);
  if (!old) return approval.status === "pending" ? [...queue, { approval }].sort(byAge) : queue;
  if (old.approval.status !== "pending" && approval.status === "pending") return queue;
  const settledAt = approval.status === "pending" ? undefined : (old.settledAt ?? now);
  return replace(queue, approval.id, { approval: { ...old.approval, ...approval }, settledAt });
}

/**
 * @param {Item[]} queue
 * @param {string} id
 * @param {Partial<Item>} patch
 */
export const replace = (queue, id, patch) =>
  queue.map((item) => (item.approval.id === id ? { ...item, ...patch } : item));

/**
 * The queue after the hub sent all of it: what is new comes in, and what the page still shows as pending without the
 * hub knowing it as such is named, so that its end can be asked for.
 * @param {Item[]} queue
 * @param {Approval[]} pending
 * @param {Set<string>} since  approvals that events brought in after the list was asked for
 * @param {number} now
 * @returns {{queue: Item[], gone: string[]}}
 */
export function reconcile(queue, pending, since, now) {
  const listed = new Set(pending.map((approval) => approval.id));
  const gone = queue
    .filter(
      (item) => item.approval.status === "pending" && !listed.has(item.approval.id) && !since.has(item.approval.id),
    )
    .map((item) => item.approval.id);
  return { queue: pending.reduce((all, approval) => upsert(all, approval, now), queue), gone };
}

/** The cards that wait for a decision. @param {Item[]} queue */
export const waiting = (queue) => queue.filter((item) => item.approval.status === "pending");

/** @typedef {{server: string, agent: string, trust: string, text: string, order?: import("./arrange.js").Order, grouped?: boolean}} Filter */

/**
 * The cards that pass the filter, settled ones included, in the order in which they are shown.
 * @param {Item[]} queue
 * @param {Filter} filter
 */
export function visibleCards(queue, filter) {
  const cards = sorted(matching(queue, filter), filter.order ?? "oldest");
  return filter.grouped ? groups(cards).flatMap((group) => group.items) : cards;
}

/** @param {Item[]} queue @param {Filter} filter */
function matching(queue, filter) {
  const text = filter.text.trim().toLowerCase();
  return queue.filter(({ approval }) => {
    if (filter.server && approval.server !== filter.server) return false;
    if (filter.agent && approval.agent.client_id !== filter.agent) return false;
    if (filter.trust && approval.trust !== filter.trust) return false;
    const words = [
      approval.tool,
      approval.server,
      approval.agent.name,
      approval.agent.client_id,
      approval.user ?? approval.claimed_user ?? "",
      approval.arguments,
    ];
    return !text || words.some((word) => word.toLowerCase().includes(text));
  });
}

/**
 * The card to go to from `id`: the next one that waits, or the one before, or none.
 * @param {Item[]} cards
 * @param {string|null} id
 * @param {1|-1} step
 */
export function neighbour(cards, id, step) {
  const from = cards.findIndex((item) => item.approval.id === id);
  const order = step === 1 ? cards.slice(from + 1) : cards.slice(0, from < 0 ? cards.length : from).reverse();
  return order.find((item) => item.approval.status === "pending")?.approval.id ?? null;
}
