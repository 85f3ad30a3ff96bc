// The Notifications tab: who hears about approvals, by which way, and whether it arrives.

import { html, useEffect, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { useStore, toast } from "../browser/store.js";
import { plural } from "../rules/format.js";
import { visible } from "../rules/glyphs.js";
import { ApprovalTabs } from "../components/tabs.js";
import { Ago, Command, Switch, Trouble } from "../components/controls.js";
import { Dialog } from "../components/dialog.js";
import { Text } from "../components/text.js";
import { Browsers } from "./notifications-browsers.js";
import { ChannelForm } from "./notifications-form.js";
import { kinds, kindOf, eventWords } from "./notifications-kinds.js";

/** @typedef {import("../rules/types.js").Channel} Channel */

const words = (/** @type {unknown} */ problem) => (problem instanceof Error ? problem.message : String(problem));

/** A channel as the hub takes it back: without what it only tells. @param {Channel} channel */
const asInput = ({ from_file, secrets, target, state, ...rest }) => rest;

export function Notifications() {
  const { data, error, reload } = useLoad(api.notifications, [], ["policy"]);
  const admin = useStore((state) => state.session?.user.role === "admin");
  const [editing, setEditing] = useState(/** @type {Channel|null} */ (null));
  const [leaving, setLeaving] = useState(/** @type {Channel|null} */ (null));
  const [secret, setSecret] = useState("");
  // Deliveries raise no events: look again now and then, as long as somebody looks.
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && void reload(), 5000);
    return () => clearInterval(timer);
  }, []);
  const channels = data?.items ?? [];
  /** Sends all channels of the page, some of them changed. @param {object[]} all */
  const save = async (all) => {
    const answer = await api.putNotifications(all, data?.revision ?? "");
    setSecret(Object.values(answer.new_secrets ?? {})[0] ?? "");
    await reload();
  };
  const own = channels.filter((channel) => !channel.from_file);
  const replace = (/** @type {Channel} */ old, /** @type {object|null} */ by) =>
    save(own.flatMap((one) => (one.id !== old.id ? [asInput(one)] : by ? [by] : [])));
  const attempt = async (/** @type {Promise<unknown>} */ change) => {
    try {
      await change;
    } catch (problem) {
      toast("error", words(problem));
      await reload();
    }
  };
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head"><h1 id="title">Approvals</h1><${ApprovalTabs} at="notifications" />
      <span class="grow"></span>${admin && channels.length > 0 && html`<${Add} onAdd=${setEditing} />`}</header>
    ${error && html`<${Trouble} error=${error} onRetry=${reload} />`}
    <${Browsers} />
    ${!data && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    ${data && channels.length === 0 && html`<${Nobody} admin=${admin} onAdd=${setEditing} />`}
    ${
      channels.length > 0 &&
      html`<ul class="channels">
      ${channels.map(
        (
          channel,
        ) => html`<${OneChannel} key=${channel.id} channel=${channel} admin=${admin} onEdit=${() => setEditing(channel)} onRemove=${() => setLeaving(channel)}
        onSwitch=${(/** @type {boolean} */ enabled) => attempt(replace(channel, { ...asInput(channel), enabled }))} onTested=${reload} />`,
      )}
    </ul>
    <p class="quiet small">Messages never carry arguments, except mail that is told to. Their links only open this page. Notifications while this page is open are under Settings.</p>`
    }
    ${
      editing &&
      html`<${ChannelForm} channel=${editing} onClose=${() => setEditing(null)}
      onSave=${async (/** @type {object} */ input) => {
        await (editing.id ? replace(editing, input) : save([...own.map(asInput), input]));
        setEditing(null);
      }} />`
    }
    ${
      leaving &&
      html`<${Dialog} title=${`Remove ${visible(called(leaving))}?`} onClose=${() => setLeaving(null)}>
      <p>${leaving.state.waiting ? `${plural(leaving.state.waiting, "message")} that wait for it are dropped.` : "Nothing waits for it."}</p>
      <div class="actions"><button class="button danger" onClick=${() => (void attempt(replace(leaving, null)), setLeaving(null))}>Remove</button><button class="button ghost" onClick=${() => setLeaving(null)}>Keep it</button></div>
    </${Dialog}>`
    }
    ${
      secret &&
      html`<${Dialog} title="The webhook's signing secret" onClose=${() => setSecret("")}>
      <p>It is shown this one time. The receiver needs it to check the <code>webhook-signature</code> of each message (Standard Webhooks).</p>
      <${Command} text=${secret} />
      <div class="actions"><button class="button primary" onClick=${() => setSecret("")}>I have stored it</button></div>
    </${Dialog}>`
    }
  </section>`;
}

/** What a channel is called. @param {Channel} channel */
const called = (channel) => channel.name || kindOf(channel.kind).words;

/** A new channel of a kind. @param {string} kind @returns {Channel} */
const fresh = (kind) => ({
  id: "",
  kind,
  name: "",
  enabled: true,
  from_file: false,
  events: kind === "webhook" ? Object.keys(eventWords) : ["created"],
  servers: [],
  threshold: null,
  quiet_hours: null,
  settings: {},
  secrets: {},
  target: "",
  state: { waiting: 0, given_up: 0, last_at: null, last_error: null },
});

/** @param {{onAdd: (channel: Channel) => void}} props */
const Add = ({
  onAdd,
}) => html`<select aria-label="Add a channel" value="" onChange=${(/** @type {any} */ e) => (onAdd(fresh(e.target.value)), (e.target.value = ""))}>
  <option value="">Add a channel…</option>
  ${Object.entries(kinds).map(([kind, { words }]) => html`<option value=${kind}>${words}</option>`)}
</select>`;

/** @param {{admin: boolean, onAdd: (channel: Channel) => void}} props */
const Nobody = ({ admin, onAdd }) => html`<div class="empty">
  <h2>No channel yet</h2>
  <p>Whoever has this page open sees waiting calls at once. Add a channel, and others hear of them too, with a link to the approval and without its arguments.</p>
  ${
    admin
      ? html`<div class="panel"><ul class="rows">
    ${Object.entries(kinds).map(([kind, { words, about }]) => html`<li><span><strong>${words}</strong><br /><span class="quiet small">${about}</span></span><button class="button small" onClick=${() => onAdd(fresh(kind))} aria-label=${`Add ${words}`}>Add</button></li>`)}
  </ul></div>`
      : html`<p class="note">Only admins add channels.</p>`
  }
</div>`;

/** @param {{channel: Channel, admin: boolean, onEdit: () => void, onRemove: () => void, onSwitch: (on: boolean) => void, onTested: () => Promise<void>}} props */
function OneChannel({ channel, admin, onEdit, onRemove, onSwitch, onTested }) {
  const [busy, setBusy] = useState(false);
  const name = visible(called(channel));
  const test = async () => {
    setBusy(true);
    try {
      await api.testNotification(channel.id);
      toast("ok", `${name} took the test message.`);
    } catch (problem) {
      toast("error", `${name}: ${words(problem)}`);
    }
    setBusy(false);
    await onTested();
  };
  return html`<li class="panel channel">
    <div class="panel-head"><h2><${Text} of=${called(channel)} /></h2>${channel.name && html`<span class="badge">${kindOf(channel.kind).words}</span>`}
      <${StateWord} channel=${channel} /><span class="grow"></span>
      ${channel.from_file ? html`<span class="quiet small">from the config file</span>` : html`<${Switch} on=${channel.enabled} label=${`Use ${name}`} disabled=${!admin} onChange=${onSwitch} />`}</div>
    <p><${Text} of=${channel.target} /></p>
    <p class="quiet small">${summary(channel)}</p>
    ${channel.state.last_error && html`<p class="trouble" role="status"><${Text} of=${channel.state.last_error} /></p>`}
    <div class="actions">
      ${admin && html`<button class="button small" disabled=${busy} onClick=${test}>${busy ? "Sending…" : "Send test"}</button>`}
      ${admin && !channel.from_file && html`<button class="button small ghost" aria-label=${`Edit ${name}`} onClick=${onEdit}>Edit</button><button class="link danger" aria-label=${`Remove ${name}`} onClick=${onRemove}>Remove</button>`}
      <span class="grow"></span>
      <span class="quiet small">${channel.state.waiting > 0 && `${plural(channel.state.waiting, "message")} waiting · `}${channel.state.given_up > 0 && `${channel.state.given_up} given up this week · `}${channel.state.last_at ? html`last ${channel.state.last_error ? "tried" : "sent"} <${Ago} at=${channel.state.last_at} />` : "nothing sent yet"}</span>
    </div>
  </li>`;
}

/** @param {{channel: Channel}} props */
function StateWord({ channel: { enabled, state } }) {
  if (!enabled) return html`<span class="badge">off</span>`;
  if (state.last_error) return html`<span class="badge status-rejected">failing</span>`;
  return state.last_at
    ? html`<span class="badge status-approved">working</span>`
    : html`<span class="badge">not used yet</span>`;
}

/** What it tells, in one line. @param {Channel} channel */
function summary({ events, servers, threshold, quiet_hours: quiet }) {
  const about = events.map((event) => eventWords[event] ?? event).join(", ") || "nothing";
  return [
    `Tells: ${about}`,
    servers.length ? `only ${servers.map(visible).join(", ")}` : "all servers",
    threshold && threshold !== "low" && `trust ${threshold}${threshold === "medium" ? " and high" : " only"}`,
    quiet && `quiet ${quiet.from} to ${quiet.to} (${quiet.zone})`,
  ]
    .filter(Boolean)
    .join(" · ");
}
