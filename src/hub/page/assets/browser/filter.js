// Filters that the address carries, so that a view can be shared.

import { useState } from "./ui.js";
import { navigate } from "./router.js";

/**
 * The filter that the address names, and what changes both; a `patch` of `null` is no filter at all.
 * @template {Record<string, string>} F
 * @param {string} path
 * @param {F} nothing  every key, with nothing said
 * @returns {[F, (patch: Partial<F>|null) => void]}
 */
export function useFilter(path, nothing) {
  const [filter, setFilter] = useState(() => {
    const given = new URLSearchParams(location.search);
    return /** @type {F} */ (Object.fromEntries(Object.keys(nothing).map((key) => [key, given.get(key) ?? ""])));
  });
  const change = (/** @type {Partial<F>|null} */ patch) => {
    const next = patch ? { ...filter, ...patch } : nothing;
    const address = new URLSearchParams(Object.entries(next).filter(([, value]) => value));
    navigate(`${path}${address.size ? `?${address}` : ""}`, { replace: true });
    setFilter(next);
  };
  return [filter, change];
}

/**
 * The filter as the API takes it; days become the times at which they begin and end here.
 * @template {{from: string, to: string}} F
 * @param {F} filter
 */
export function withTimes({ from, to, ...rest }) {
  const start = from ? new Date(`${from}T00:00:00`).getTime() : "";
  const end = to ? new Date(`${to}T00:00:00`).setHours(24) : "";
  return { ...rest, from: start, to: end };
}
