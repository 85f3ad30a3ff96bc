// Web Push for this browser: whether it can, switching it on and off, and what its service worker asks of the page.

import * as api from "./api.js";
import * as prefs from "../browser/prefs.js";
import { navigate } from "../browser/router.js";

const WORKER = "/sw.js";
/** @typedef {"insecure"|"home-screen"|"unsupported"|"denied"} Obstacle */

const supported = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
const isApplePhone = () =>
  /iPhone|iPad|iPod/.test(navigator.userAgent) ||
  (/Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);

/** Why this browser cannot be told; null when it can. @returns {Obstacle|null} */
export function obstacle() {
  if (!window.isSecureContext) return "insecure";
  if (!supported()) return isApplePhone() ? "home-screen" : "unsupported";
  return Notification.permission === "denied" ? "denied" : null;
}

/** The hub's name for this browser's subscription; "" when there is none. */
export async function here() {
  if (obstacle()) return "";
  const subscription = await current();
  return subscription ? idOf(subscription.endpoint) : "";
}

async function current() {
  const registration = await navigator.serviceWorker.getRegistration("/");
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** @param {string} endpoint */
async function idOf(endpoint) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint));
  const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `browser_${hex.slice(0, 32)}`;
}

/** Asks the browser for leave, subscribes, and tells the hub; only ever after a click. False when the person said no. */
export async function turnOn() {
  if ((await Notification.requestPermission()) !== "granted") return false;
  const { key } = await api.browsers();
  const registration = await register();
  const { endpoint, keys } = (await subscribe(registration, key)).toJSON();
  const made = await api.addBrowser({ endpoint, keys, name: ownName() });
  prefs.set({ push: made.id });
  return true;
}

/** Ends what this browser has, whatever the hub knows of it. */
export async function turnOff() {
  const subscription = obstacle() ? null : await current();
  prefs.set({ push: "" });
  if (!subscription) return;
  const id = await idOf(subscription.endpoint);
  await subscription.unsubscribe();
  await api.removeBrowser(id);
}

/** @type {ReturnType<typeof policy>|undefined} */
let made;

/** The one script address that may become a worker. */
function policy() {
  const only = (/** @type {string} */ url) => {
    if (url !== WORKER) throw new TypeError("no other worker");
    return url;
  };
  /** @type {any} */
  const types = /** @type {any} */ (window).trustedTypes;
  return types ? types.createPolicy("hitl-worker", { createScriptURL: only }) : { createScriptURL: only };
}

async function register() {
  made ??= policy();
  await navigator.serviceWorker.register(made.createScriptURL(WORKER));
  return navigator.serviceWorker.ready;
}

/** @param {ServiceWorkerRegistration} registration @param {string} key */
async function subscribe(registration, key) {
  const ask = () => registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  try {
    return await ask();
  } catch (problem) {
    const name = problem instanceof DOMException ? problem.name : "";
    if (name === "AbortError")
      throw new Error("The browser's push service cannot be reached, or is switched off in the browser's settings.");
    if (name !== "InvalidStateError") throw problem;
    // It is subscribed with the key of another hub, or of this one before its store was made anew.
    await (await registration.pushManager.getSubscription())?.unsubscribe();
    return ask();
  }
}

/** @param {string} base64url */
const bytes = (base64url) =>
  Uint8Array.from(atob(base64url.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));

/** What people call this browser, such as "Firefox on Linux". */
export function ownName() {
  const agent = navigator.userAgent;
  const first = (/** @type {[RegExp, string][]} */ list, /** @type {string} */ other) =>
    list.find(([pattern]) => pattern.test(agent))?.[1] ?? other;
  const browser = first(
    [
      [/Edg/, "Edge"],
      [/OPR\//, "Opera"],
      [/SamsungBrowser/, "Samsung Internet"],
      [/Firefox|FxiOS/, "Firefox"],
      [/Chrome|CriOS/, "Chrome"],
      [/Safari/, "Safari"],
    ],
    "Browser",
  );
  const system = first(
    [
      [/iPhone/, "iPhone"],
      [/iPad/, "iPad"],
      [/Android/, "Android"],
      [/Windows/, "Windows"],
      [/Mac/, "Mac"],
      [/CrOS/, "ChromeOS"],
      [/Linux/, "Linux"],
    ],
    "this system",
  );
  return `${browser} on ${system}`;
}

/** Follows what the service worker asks: to show an address of this page. */
export function listen() {
  if (!supported()) return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (typeof data?.open === "string" && /^\/(approvals|notifications)/.test(data.open)) navigate(data.open);
  });
  navigator.serviceWorker.startMessages();
}

/** The registration through which notifications outlive the page, where this browser is told by push. */
const registered = async () =>
  prefs.get().push && supported() ? navigator.serviceWorker.getRegistration("/") : undefined;

/** Takes a notification away that is no news any more. @param {string} approval */
export async function settled(approval) {
  const notes = (await (await registered())?.getNotifications({ tag: `hitl-${approval}` })) ?? [];
  for (const note of notes) note.close();
}

/** Shows a notification under the name that the hub's own one will have, so that there is one. False where there is no push. @param {string} title @param {NotificationOptions & {tag: string}} options @param {string} path */
export async function show(title, options, path) {
  const registration = await registered();
  await registration?.showNotification(title, { ...options, data: { path } });
  return Boolean(registration);
}
