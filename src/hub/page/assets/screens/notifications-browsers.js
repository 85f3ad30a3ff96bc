// The browsers of whoever is signed in that are told when the page is closed, and the switch for this one.

import { html, useEffect, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import * as push from "../hub/push.js";
import { useLoad } from "../hub/load.js";
import { toast } from "../browser/store.js";
import { visible } from "../rules/glyphs.js";
import { Ago, Switch, Trouble } from "../components/controls.js";
import { Text } from "../components/text.js";

/** @typedef {import("../rules/types.js").Browser} Browser */

const words = (/** @type {unknown} */ problem) => (problem instanceof Error ? problem.message : String(problem));

/** @type {Record<push.Obstacle, string>} */
const obstacles = {
  insecure: "Not possible at this address: browsers allow it only over https, or for a hub on the same machine.",
  "home-screen":
    "On an iPhone or iPad, add this page to the home screen first (Share, then Add to Home Screen), open it from there, and switch this on.",
  unsupported: "This browser has no push messages.",
  denied:
    "The browser blocks notifications for this address. Allow them in the site settings (beside the address), then come back.",
};
const promise =
  "A notification with tool, server and agent, even when no tab is open. Pressing it opens the approval and decides nothing; arguments are never sent.";

export function Browsers() {
  const { data, error, reload } = useLoad(api.browsers, [], ["policy"]);
  const [here, setHere] = useState("");
  const [busy, setBusy] = useState(false);
  const [obstacle, setObstacle] = useState(push.obstacle());
  const browsers = data?.items ?? [];
  const on = browsers.some((browser) => browser.id === here);
  const look = async () => {
    setObstacle(push.obstacle());
    setHere(await push.here());
    await reload();
  };
  // Deliveries raise no events: look again now and then, as long as somebody looks.
  useEffect(() => {
    void push.here().then(setHere);
    const timer = setInterval(() => !document.hidden && void look(), 5000);
    return () => clearInterval(timer);
  }, []);
  /** @param {() => Promise<unknown>} change */
  const attempt = async (change) => {
    setBusy(true);
    try {
      await change();
    } catch (problem) {
      toast("error", words(problem));
    }
    await look();
    setBusy(false);
  };
  const remove = (/** @type {Browser} */ { id }) =>
    attempt(() => (id === here ? push.turnOff() : api.removeBrowser(id)));
  return html`<section class="panel browsers" aria-labelledby="browsers">
    <div class="setting"><div><h2 id="browsers">Notify this browser when the page is closed</h2>
        <p class=${obstacle ? "hint" : "quiet small"}>${obstacle ? obstacles[obstacle] : promise}</p></div>
      <${Switch} on=${on} busy=${busy} disabled=${Boolean(obstacle) || !data || busy} label="Notify this browser when the page is closed" onChange=${(/** @type {boolean} */ wanted) => attempt(wanted ? push.turnOn : push.turnOff)} /></div>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${
      browsers.length > 0 &&
      html`<ul class="rows" aria-label="Your browsers">
      ${browsers.map((browser) => html`<${OneBrowser} key=${browser.id} browser=${browser} here=${browser.id === here} onTested=${reload} onRemove=${() => remove(browser)} />`)}
    </ul>`
    }
  </section>`;
}

/** @param {{browser: Browser, here: boolean, onTested: () => Promise<void>, onRemove: () => void}} props */
function OneBrowser({ browser: { id, name, added_at: since, state }, here, onTested, onRemove }) {
  const [busy, setBusy] = useState(false);
  const test = async () => {
    setBusy(true);
    try {
      await api.testNotification(id);
      toast("ok", `The push service of ${visible(name)} took the test message.`);
    } catch (problem) {
      toast("error", `${visible(name)}: ${words(problem)}`);
    }
    setBusy(false);
    await onTested();
  };
  return html`<li>
    <div><p><${Text} of=${name} class="strong" />${here && html` <span class="badge">this browser</span>`}${state.last_error && html` <span class="badge status-rejected">failing</span>`}</p>
      <p class="quiet small">since <${Ago} at=${since} />${state.last_at && !state.last_error && html` · last told <${Ago} at=${state.last_at} />`}${state.waiting > 0 && ` · ${state.waiting} waiting`}${state.given_up > 0 && ` · ${state.given_up} given up this week`}</p>
      ${state.last_error && html`<p class="hint"><${Text} of=${state.last_error} /></p>`}</div>
    <span class="actions"><button class="button small" disabled=${busy} aria-label=${`Send test to ${visible(name)}`} onClick=${test}>${busy ? "Sending…" : "Send test"}</button><button class="link danger" aria-label=${`Remove ${visible(name)}`} onClick=${onRemove}>Remove</button></span>
  </li>`;
}
