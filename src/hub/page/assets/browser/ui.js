// The one place that knows which view library draws the page.

import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { render, createContext, Fragment } from "../vendor/preact.js";
export * from "../vendor/hooks.js";
export const html = htm.bind(h);

/**
 * Class names from strings and conditions.
 * @param {...(string|false|null|undefined)} names
 */
export const cls = (...names) => names.filter(Boolean).join(" ");
