// What a list of decided approvals says in numbers. Pure: rows in, numbers out.

/** @typedef {import("./types.js").Approval} Approval */
/** @typedef {{day: string, approved: number, rejected: number, timed_out: number, cancelled: number}} Day */
/** @typedef {{name: string, approved: number, answered: number}} Rate */
/** @typedef {{count: number, median: number|null, p95: number|null, expired: number, days: Day[], tools: Rate[], agents: Rate[]}} Insights */

/** How many days the chart shows. */
export const DAYS = 14;
const TOP = 5;

/** The local day of a time, as YYYY-MM-DD. @param {number} at */
function dayOf(at) {
  const date = new Date(at);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The value below which the given share of the sorted numbers lies. @param {number[]} sorted @param {number} share */
function quantile(sorted, share) {
  return sorted.length ? (sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null) : null;
}

/**
 * How often what was asked under each name was approved; the busiest first.
 * @param {Approval[]} rows
 * @param {(row: Approval) => string} nameOf
 * @returns {Rate[]}
 */
function rates(rows, nameOf) {
  /** @type {Map<string, Rate>} */
  const all = new Map();
  for (const row of rows) {
    if (row.status === "cancelled" || row.status === "pending") continue;
    const name = nameOf(row);
    const rate = all.get(name) ?? { name, approved: 0, answered: 0 };
    rate.answered++;
    if (row.status === "approved") rate.approved++;
    all.set(name, rate);
  }
  return [...all.values()].sort((a, b) => b.answered - a.answered || (a.name < b.name ? -1 : 1)).slice(0, TOP);
}

/** @param {Approval[]} rows @param {number} now @returns {Day[]} */
function perDay(rows, now) {
  /** @type {Day[]} */
  const days = [];
  const noon = new Date(now).setHours(12, 0, 0, 0);
  // Counted from noon, so that no change of summer time skips or doubles a day.
  for (let back = DAYS - 1; back >= 0; back--)
    days.push({ day: dayOf(noon - back * 86_400_000), approved: 0, rejected: 0, timed_out: 0, cancelled: 0 });
  const byDay = new Map(days.map((day) => [day.day, day]));
  for (const row of rows) {
    const day = byDay.get(dayOf(row.decided_at ?? row.created_at));
    if (day && row.status !== "pending") day[row.status]++;
  }
  return days;
}

/** @param {Approval[]} rows @param {number} now @returns {Insights} */
export function insights(rows, now) {
  const decided = rows.filter(
    (row) => (row.status === "approved" || row.status === "rejected") && row.decided_at !== null,
  );
  const times = decided.map((row) => (row.decided_at ?? 0) - row.created_at).sort((a, b) => a - b);
  const expired = rows.filter((row) => row.status === "timed_out").length;
  return {
    count: rows.length,
    median: quantile(times, 0.5),
    p95: quantile(times, 0.95),
    expired: rows.length ? expired / rows.length : 0,
    days: perDay(rows, now),
    tools: rates(rows, (row) => `${row.tool} on ${row.server}`),
    agents: rates(rows, (row) => row.agent.name),
  };
}
