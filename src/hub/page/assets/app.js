// Where the page begins: who is signed in, which screen is open, and the count in title and icon.

import { html, render, useEffect } from "./browser/ui.js";
import * as api from "./hub/api.js";
import * as live from "./hub/live.js";
import * as keys from "./browser/keys.js";
import { keepPlace } from "./browser/keeper.js";
import * as prefs from "./browser/prefs.js";
import * as push from "./hub/push.js";
import * as presence from "./hub/presence.js";
import * as looking from "./hub/looking.js";
import { get, set, subscribe, useStore } from "./browser/store.js";
import { waiting } from "./rules/queue.js";
import { interceptLinks, useRoute } from "./browser/router.js";
import { Shell, Spoken } from "./components/shell.js";
import { Trouble } from "./components/controls.js";
import { SignIn } from "./screens/signin.js";
import { Pending } from "./screens/pending.js";
import { History } from "./screens/history.js";
import { OneApproval } from "./screens/approval.js";
import { Servers } from "./screens/servers.js";
import { OneServer } from "./screens/server.js";
import { Agents } from "./screens/agents.js";
import { Users } from "./screens/users.js";
import { Enrol } from "./screens/enrol.js";
import { Guide } from "./screens/guide.js";
import { Activity } from "./screens/activity.js";
import { Notifications } from "./screens/notifications.js";

/** @type {Record<string, (param: string) => unknown>} */
const screens = {
  pending: () => html`<${Pending} />`,
  history: () => html`<${History} />`,
  approval: (id) => html`<${OneApproval} key=${id} id=${id} />`,
  servers: () => html`<${Servers} />`,
  server: (name) => html`<${OneServer} key=${name} name=${name} />`,
  agents: () => html`<${Agents} />`,
  users: () => html`<${Users} />`,
  enrol: () => html`<${Enrol} />`,
  activity: () => html`<${Activity} />`,
  guide: () => html`<${Guide} />`,
  notifications: () => html`<${Notifications} />`,
};

/** @type {Record<string, string>} */
const titles = {
  pending: "Approvals",
  history: "History",
  approval: "Approval",
  servers: "Servers",
  server: "Server",
  agents: "Agents",
  users: "Users",
  enrol: "Enrol a machine",
  activity: "Activity",
  guide: "Guide",
  notifications: "Notifications",
  signin: "Sign in",
};

function App() {
  const session = useStore((state) => state.session);
  const { screen, param } = useRoute();
  const ended = useStore((state) => state.ended);
  const signedIn = Boolean(session) && !ended;
  useEffect(() => {
    if (!signedIn) return;
    live.start();
    return live.stop;
  }, [signedIn]);
  useEffect(() => {
    if (screen !== "pending" && screen !== "approval") set({ place: null });
    shown = titles[screen] ?? "";
    drawTitle();
  }, [screen]);
  if (session === undefined) return html`<${Starting} />`;
  // The address stays: after signing in the page is where the link pointed.
  if (session === null || screen === "signin") return html`<${SignIn} /><${Spoken} />`;
  // What somebody has typed stays for when they are back.
  return html`${ended && html`<${SignIn} ended=${session.user.name} />`}
    <div hidden=${ended}><${Shell} screen=${screen}>${(screens[screen] ?? screens.pending)?.(param)}</${Shell}></div>
    <${Spoken} />`;
}

/** Asks who is signed in. */
async function begin() {
  try {
    set({ session: await api.whoami(), trouble: "" });
  } catch (error) {
    set({ trouble: error instanceof Error ? error.message : String(error) });
  }
}

/** Nothing is known yet, or the hub did not even say who is signed in. */
function Starting() {
  const trouble = useStore((state) => state.trouble);
  return trouble ? html`<main class="signin"><${Trouble} error=${trouble} onRetry=${begin} /></main>` : null;
}

let shown = "";

/** How many wait, in the tab's title and icon. */
function drawTitle() {
  const count = get().session && !get().ended ? waiting(get().queue).length : 0;
  const title = `${count ? `(${count}) ` : ""}${shown ? `${shown} · ` : ""}hitl`;
  if (document.title !== title) document.title = title;
  const icon = `/assets/icons/${count > 9 ? "many" : count}.svg`;
  const link = document.getElementById("icon");
  if (link instanceof HTMLLinkElement && !link.href.endsWith(icon)) link.href = icon;
}

prefs.apply();
keys.listen();
keepPlace();
interceptLinks();
push.listen();
presence.watch();
looking.watch();
subscribe(drawTitle);
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
void begin();
