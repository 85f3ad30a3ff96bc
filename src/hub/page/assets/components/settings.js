// What this browser does when something waits: desktop notifications, sound; how the page looks; one's password.

import { html, useState } from "../browser/ui.js";
import { set, useStore } from "../browser/store.js";
import * as prefs from "../browser/prefs.js";
import * as notify from "../hub/notify.js";
import { Dialog } from "./dialog.js";
import { Switch } from "./controls.js";
import { Sessions } from "./sessions.js";

/** @type {Record<string, string>} */
const states = {
  default:
    "The browser will ask you once. While this tab is in the background, each new approval shows tool, server and agent; arguments never leave the page.",
  granted:
    "On: while this tab is in the background, each new approval shows tool, server and agent; arguments never leave the page.",
  denied:
    "The browser blocks them for this address. Allow notifications in the site settings (beside the address), then come back.",
  unsupported: "This browser has no desktop notifications for this address.",
};

export function Settings() {
  const [allowed, setAllowed] = useState(notify.permission());
  const chosen = prefs.usePrefs();
  const session = useStore((state) => state.session);
  const enable = async () => setAllowed(await notify.enable());
  const themes = /** @type {const} */ ([
    ["auto", "As the system"],
    ["light", "Light"],
    ["dark", "Dark"],
  ]);
  return html`<${Dialog} title="Settings" onClose=${() => set({ dialog: null })}>
    <div class="setting"><div><h3>Desktop notifications</h3><p class="quiet small">${states[allowed]}</p></div>
      ${allowed === "default" && html`<button class="button" onClick=${enable}>Turn on</button>`}
      ${allowed === "granted" && html`<${Switch} on=${chosen.notify} label="Desktop notifications" onChange=${(/** @type {boolean} */ on) => prefs.set({ notify: on })} />`}</div>
    <div class="setting"><div><h3>Sound</h3><p class="quiet small">Two soft tones for a new approval.</p></div>
      <${Switch} on=${chosen.sound} label="Sound" onChange=${(/** @type {boolean} */ on) => (prefs.set({ sound: on }), on && notify.beep())} /></div>
    <div class="setting"><div><h3>Single keys</h3><p class="quiet small">A approves, R rejects, J and K move. Press ? for the list.</p></div>
      <${Switch} on=${chosen.keys} label="Single keys" onChange=${(/** @type {boolean} */ on) => prefs.set({ keys: on })} /></div>
    <div class="setting"><div><h3>Theme</h3></div>
      <div class="segments" role="group" aria-label="Theme">${themes.map(([value, words]) => html`<button aria-pressed=${chosen.theme === value ? "true" : "false"} onClick=${() => prefs.set({ theme: value })}>${words}</button>`)}</div></div>
    <div class="setting"><div><h3>Password</h3><p class="quiet small">${session?.password ? "Yours for this hub. Changing it signs your other browsers out." : "You have none and sign in by link."}</p></div>
      <button class="button" onClick=${() => set({ dialog: "password" })}>${session?.password ? "Change" : "Set one"}</button></div>
    <${Sessions} />
  </${Dialog}>`;
}
