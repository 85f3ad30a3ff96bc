// The page's service worker: shows what the hub pushes while nobody looks at the page, and opens the page when a
// notification is pressed. It keeps nothing, asks the hub nothing and decides nothing.

/**
 * What the hub pushes (`src/hub/notify/push/message.rs`); every name is one plain line.
 * @typedef {object} News
 * @property {string} title
 * @property {string} tag
 * @property {string} link
 * @property {boolean} waits    somebody has to decide; else it tells what became of a call
 * @property {boolean} test
 * @property {string|null} more
 * @property {string} tool
 * @property {string} server
 * @property {string} agent
 * @property {string} user
 * @property {string} [by]
 * @property {string} trust
 * @property {number} seconds_left
 * @property {number} deadline_at
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

worker.addEventListener("install", () => void worker.skipWaiting());
worker.addEventListener("push", (event) => event.waitUntil(tell(event.data?.json() ?? {})));
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.path ?? "/approvals"));
});

const windows = () => worker.clients.matchAll({ type: "window", includeUncontrolled: true });

// Safari stops pushing to pages that do not show every message; the others make an exception for a page in sight.
const showsEvery = /AppleWebKit/.test(navigator.userAgent) && !/Chrome\//.test(navigator.userAgent);

/** @param {News} news */
async function tell(news) {
  const inSight = !news.test && (await windows()).some((page) => page.visibilityState === "visible");
  const tag = `hitl-${news.tag}`;
  if (!inSight || showsEvery) {
    const icon = "/assets/icons/app-192.png";
    const silent = inSight || !(news.waits || news.test);
    await worker.registration.showNotification(headline(news), {
      body: lines(news),
      tag,
      icon,
      badge: "/assets/icons/badge.png",
      silent,
      data: { path: path(news.link) },
    });
  }
  if (inSight) for (const note of await worker.registration.getNotifications({ tag })) note.close();
}

/** @param {News} news */
function headline({ test, waits, title, tool, server }) {
  if (test) return title;
  return waits ? `${tool} on ${server}` : `${title}: ${tool} on ${server}`;
}

/** @param {News} news */
function lines({ test, waits, agent, user, trust, by, more, seconds_left: seconds, deadline_at: deadline }) {
  if (test) return "This browser hears of waiting calls.";
  const who = `${agent}${user === "unknown" ? "" : ` for ${user}`}`;
  const left = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const until = new Date(deadline).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const facts = waits
    ? [`${who} asks for approval, ${trust} risk.`, `${left} left (until ${until}).`]
    : [by ? `Decided by ${by}. Asked by ${who}.` : `Asked by ${who}.`];
  return [...facts, more].filter(Boolean).join("\n");
}

/** The address of our own page that a link names; nothing else is ever opened. @param {string} link */
function path(link) {
  const { pathname } = new URL(link, worker.location.origin);
  return /^\/(approvals(\/[^/]+)?|notifications)$/.test(pathname) ? pathname : "/approvals";
}

/** Shows an address in a page that is open, or in a new one. @param {string} address */
async function open(address) {
  const pages = await windows();
  const page = pages.find((one) => one.focused) ?? pages.find((one) => one.visibilityState === "visible") ?? pages[0];
  if (!page) return void (await worker.clients.openWindow(address));
  page.postMessage({ open: address });
  // Where a browser does not let it come to the front, it shows the right thing all the same.
  await page.focus().catch(() => {});
}
