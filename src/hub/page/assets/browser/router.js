// Addresses and screens: the History API and one listener for the page's own links.

import { useState, useEffect } from "./ui.js";

/** @typedef {{screen: string, param: string}} Route */

/** @type {Set<() => void>} */
const followers = new Set();

/** The screen an address names. @param {string} path @returns {Route} */
export function route(path) {
  const [first = "", second = ""] = path.split("/").filter(Boolean);
  let param = "";
  try {
    param = decodeURIComponent(second);
  } catch {
    param = second;
  }
  if (first === "approvals" && param) return { screen: "approval", param };
  if (first === "servers" && param) return { screen: "server", param };
  const known = ["history", "servers", "agents", "users", "enrol", "notifications", "activity", "guide", "signin"];
  return { screen: known.includes(first) ? first : "pending", param: "" };
}

let left = 0;

/** How far down the page was when it went to another address. */
export const leftAt = () => left;

/** Goes to an address of this page. @param {string} path @param {{replace?: boolean}} [how] */
export function navigate(path, how = {}) {
  left = window.scrollY;
  if (how.replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  for (const wake of [...followers]) wake();
  if (!how.replace) window.scrollTo(0, 0);
}

/** The current route, followed. */
export function useRoute() {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const wake = () => setPath(location.pathname);
    followers.add(wake);
    window.addEventListener("popstate", wake);
    return () => {
      followers.delete(wake);
      window.removeEventListener("popstate", wake);
    };
  }, []);
  return route(path);
}

/** Lets plain clicks on the page's own links change the screen without loading the page again. */
export function interceptLinks() {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    const link = event.target instanceof Element ? event.target.closest("a[href^='/']") : null;
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
