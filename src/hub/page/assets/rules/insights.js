// The days of the chart. Pure.

/** How many days the chart shows. */
export const DAYS = 14;

/** The local day of a time, as YYYY-MM-DD. @param {number} at */
export function dayOf(at) {
  const date = new Date(at);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** When each of the last days begins here, and when the last one ends. @param {number} now @returns {number[]} */
export function midnights(now) {
  const noon = new Date(now).setHours(12, 0, 0, 0);
  // Counted from noon, so that no change of summer time skips or doubles a day.
  return Array.from({ length: DAYS + 1 }, (_, i) => new Date(noon - (DAYS - 1 - i) * 86_400_000).setHours(0, 0, 0, 0));
}
