// Which servers without a shim are worth a word, and which were put away.

/** @typedef {import("./types.js").UngatedServer} UngatedServer */
/** @typedef {{agent: import("./types.js").AgentRef, client: string, items: UngatedServer[]}} Group */

/** What a server is remembered by. @param {UngatedServer} item */
export const key = ({ agent, client, server }) => JSON.stringify([agent.client_id, client, server]);

/** By agent and client, without those that were put away. @param {UngatedServer[]} all @param {string[]} seen @returns {Group[]} */
export function groups(all, seen) {
  /** @type {Map<string, Group>} */
  const found = new Map();
  for (const item of all.filter((item) => !seen.includes(key(item)))) {
    const of = JSON.stringify([item.agent.client_id, item.client]);
    const group = found.get(of) ?? { agent: item.agent, client: item.client, items: [] };
    group.items.push(item);
    found.set(of, group);
  }
  return [...found.values()];
}
