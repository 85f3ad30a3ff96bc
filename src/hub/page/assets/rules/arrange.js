// In which order the queue is shown, and which calls belong together. Pure.

/** @typedef {import("./types.js").Item} Item */
/** @typedef {"oldest"|"deadline"|"risk"} Order */
/** @typedef {{key: string, items: Item[]}} Group */

const risk = { high: 0, medium: 1, low: 2 };

/** @type {Record<Order, (a: Item, b: Item) => number>} */
const orders = {
  oldest: () => 0,
  deadline: (a, b) => a.approval.deadline_at - b.approval.deadline_at,
  risk: (a, b) => risk[a.approval.trust] - risk[b.approval.trust],
};

/** In this order; what is equal in it stays oldest first. @param {Item[]} cards @param {Order} order */
export const sorted = (cards, order) => (order === "oldest" ? cards : [...cards].sort(orders[order]));

/** Calls that are alike: the same tool of the same server, called by the same agent. @param {Item} item */
const keyOf = ({ approval: { server, tool, agent } }) => JSON.stringify([server, tool, agent.client_id]);

/** Alike calls together, each group where its first one stands. @param {Item[]} cards @returns {Group[]} */
export function groups(cards) {
  /** @type {Map<string, Item[]>} */
  const all = new Map();
  for (const item of cards) {
    const key = keyOf(item);
    all.set(key, [...(all.get(key) ?? []), item]);
  }
  return [...all].map(([key, items]) => ({ key, items }));
}
