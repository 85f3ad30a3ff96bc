// The frame around every screen: navigation, who is signed in, the line's state, messages.

import { html, cls, useLayoutEffect } from "../browser/ui.js";
import { set, useStore, dismiss } from "../browser/store.js";
import * as api from "../hub/api.js";
import * as live from "../hub/live.js";
import * as push from "../hub/push.js";
import { waiting } from "../rules/queue.js";
import { useKeys } from "../browser/keys.js";
import { shifted } from "../browser/guard.js";
import { navigate } from "../browser/router.js";
import { LineDot, LineBanner } from "./line.js";
import { Help } from "./help.js";
import { Password } from "./password.js";
import { Settings } from "./settings.js";
import { Text } from "./text.js";

/** Strokes of the navigation's icons, on a 20 by 20 grid. */
const icons = /** @type {Record<string, string>} */ ({
  approvals: "M4 10.5l4 4 8-9",
  servers: "M3.5 4.5h13v4.5h-13zM3.5 11h13v4.5h-13zM6.5 6.8h.01M6.5 13.3h.01",
  agents: "M10 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 16.5c.6-3 3-4.5 6-4.5s5.4 1.5 6 4.5",
  users:
    "M7 9a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 7 9zM2 16c.4-2.8 2.3-4.2 5-4.2s4.6 1.4 5 4.2M12.6 4.2a2.4 2.4 0 0 1 0 4.6M14 12c2.3.3 3.7 1.6 4 4",
  activity: "M3 10h3.2l2.3-5.5 3.2 11 2.3-5.5H17",
});

/** @type {[string, string, string, string[]][]} */
const places = [
  ["approvals", "/approvals", "Approvals", ["pending", "history", "approval", "notifications"]],
  ["servers", "/servers", "Servers", ["servers", "server"]],
  ["agents", "/agents", "Agents", ["agents", "enrol"]],
  ["users", "/users", "Users", ["users"]],
  ["activity", "/activity", "Activity", ["activity"]],
];

/** @param {{screen: string, children?: unknown}} props */
export function Shell({ screen, children }) {
  const dialog = useStore((state) => state.dialog);
  useKeys({
    "?": () => set({ dialog: "help" }),
    "g p": () => navigate("/approvals"),
    "g h": () => navigate("/history"),
    "g n": () => navigate("/notifications"),
    "g s": () => navigate("/servers"),
    "g a": () => navigate("/agents"),
    "g u": () => navigate("/users"),
    "g l": () => navigate("/activity"),
  });
  return html`<div class="shell">
    <a class="skip" href="#main">Skip to the content</a>
    <aside class="side">
      <a class="brand" href="/approvals"><img src="/assets/icons/0.svg" alt="" width="24" height="24" /> hitl</a>
      <${Navigation} screen=${screen} />
      <span class="grow"></span>
      <${Person} />
    </aside>
    <div class="page">
      <${LineBanner} />
      <main id="main" tabindex="-1">${children}</main>
    </div>
    <${Toasts} />
    ${dialog === "help" && html`<${Help} />`}
    ${dialog === "notify" && html`<${Settings} />`}
    ${dialog === "password" && html`<${Password} />`}
  </div>`;
}

/** @param {{screen: string}} props */
function Navigation({ screen }) {
  const count = useStore((state) => waiting(state.queue).length);
  return html`<nav class="places" aria-label="Main">
    ${places.map(([icon, href, words, screens]) => {
      const at = screens.includes(screen);
      return html`<a href=${href} class=${cls("place", at && "at")} aria-current=${at ? "page" : undefined}>
        <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path d=${icons[icon]} /></svg>
        <span>${words}</span>
        ${icon === "approvals" && count > 0 && html`<span class="count" aria-label=${`${count} waiting`}>${count}</span>`}
      </a>`;
    })}
  </nav>`;
}

function Person() {
  const session = useStore((state) => state.session);
  const leave = async () => {
    live.stop();
    // Who is signed out is not told here any more.
    await push.turnOff().catch(() => {});
    await api.signOut().catch(() => {});
    location.assign("/signin");
  };
  return html`<div class="person">
    <${LineDot} />
    <p class="person-name"><${Text} of=${session?.user.name} class="strong" /> <span class="quiet small">${session?.user.role}</span></p>
    <p class="person-links">
      <button class="link" onClick=${() => set({ dialog: "notify" })}>Settings</button>
      <a class="link" href="/guide">Guide</a>
      <button class="link keys-link" onClick=${() => set({ dialog: "help" })}>Keys</button>
      <button class="link" onClick=${leave}>Sign out</button>
    </p>
  </div>`;
}

const LOW = "(max-width: 46rem) and (max-height: 28rem)";

function Toasts() {
  const toasts = useStore((state) => state.toasts);
  const count = toasts.length;
  // In a low window they stand above what is read, and move it.
  useLayoutEffect(() => {
    if (matchMedia(LOW).matches) shifted();
  }, [count]);
  return html`<div class="toasts" role="region" aria-label="Messages">
    ${toasts.map((toast) => html`<div key=${toast.id} class=${`toast toast-${toast.kind}`}><span>${toast.text}</span><button class="icon" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}>✕</button></div>`)}
  </div>`;
}

/** What screen readers hear without being asked. It stays on the page for good, or they would miss it. */
export function Spoken() {
  const words = useStore((state) => state.spoken);
  return html`<div class="sr" role="status" aria-live="polite">${words}</div>`;
}
