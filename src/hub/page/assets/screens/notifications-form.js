// Adding and changing a channel: what its kind needs, and what it is to tell.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { Dialog } from "../components/dialog.js";
import { kindOf, eventWords } from "./notifications-kinds.js";

// Only first values are given to the fields: whatever is drawn again later must not undo what somebody types.

/** @typedef {import("../rules/types.js").Channel} Channel */
/** @typedef {import("./notifications-kinds.js").Field} Field */

const list = (/** @type {string} */ text) =>
  text
    .split(/[\n,]/)
    .map((part) => part.trim())
    .filter(Boolean);
const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** @param {{channel: Channel, onClose: () => void, onSave: (input: object) => Promise<void>}} props */
export function ChannelForm({ channel, onClose, onSave }) {
  const { words, fields } = kindOf(channel.kind);
  const { data: servers } = useLoad(api.servers, []);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const [quiet, setQuiet] = useState(Boolean(channel.quiet_hours));
  const save = async (/** @type {any} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onSave(read(event.target, channel, fields));
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${channel.id ? `Edit ${words}` : `New channel: ${words}`} onClose=${onClose}>
    <form class="stack" onSubmit=${save}>
      <label>Name (optional)<input name="name" maxlength="100" autocomplete="off" defaultValue=${channel.name} placeholder=${words} /></label>
      ${fields.map((field) => html`<${Input} key=${field.key} field=${field} channel=${channel} />`)}
      <fieldset class="checks"><legend>Tells about</legend>
        ${Object.entries(eventWords).map(([event, about]) => html`<label class="check"><input type="checkbox" name="event" value=${event} defaultChecked=${channel.events.includes(event)} /> ${about}</label>`)}
      </fieldset>
      <label>Servers (all when empty)<input name="servers" list="servers" autocomplete="off" defaultValue=${channel.servers.join(", ")} placeholder="github, files" />
        <datalist id="servers">${(servers ?? []).map((server) => html`<option value=${server.name}></option>`)}</datalist></label>
      <label>Trust threshold<select name="threshold">
        ${[
          ["", "Every level"],
          ["medium", "Medium and high"],
          ["high", "High only"],
        ].map(
          ([value, about]) =>
            html`<option value=${value} selected=${value === (channel.threshold ?? "")}>${about}</option>`,
        )}
      </select></label>
      <label class="check"><input type="checkbox" checked=${quiet} onChange=${(/** @type {any} */ e) => setQuiet(e.target.checked)} /> Quiet hours</label>
      ${
        quiet &&
        html`<div class="inline">
        <input type="time" name="quiet-from" aria-label="Quiet from" required defaultValue=${channel.quiet_hours?.from ?? "22:00"} /> to
        <input type="time" name="quiet-to" aria-label="Quiet to" required defaultValue=${channel.quiet_hours?.to ?? "07:00"} />
        <input name="quiet-zone" aria-label="Time zone" required autocomplete="off" defaultValue=${channel.quiet_hours?.zone ?? ownZone()} />
      </div>`
      }
      ${error && html`<p class="trouble" role="alert">${error}</p>`}
      <div class="actions"><button class="button primary" disabled=${busy}>${busy ? "Saving…" : "Save"}</button><button type="button" class="button ghost" onClick=${onClose}>Cancel</button></div>
    </form>
  </${Dialog}>`;
}

/** @param {{field: Field, channel: Channel}} props */
function Input({ field, channel }) {
  const { key, label, help, type = "text", required, placeholder } = field;
  const value = channel.settings[key];
  const name = `set-${key}`;
  const about = help && html`<span class="quiet small">${help}</span>`;
  if (type === "switch")
    return html`<label class="check"><input type="checkbox" name=${name} defaultChecked=${Boolean(value)} /> <span>${label}<br />${about}</span></label>`;
  if (type === "tls")
    return html`<label>${label}<select name=${name}>
      ${[
        ["starttls", "STARTTLS"],
        ["tls", "TLS from the start"],
        ["none", "None (only to this machine)"],
      ].map(([one, words]) => html`<option value=${one} selected=${one === (value ?? "starttls")}>${words}</option>`)}
    </select></label>`;
  if (type === "area")
    return html`<label>${label}<textarea name=${name} rows="3" spellcheck="false">${value ?? ""}</textarea>${about}</label>`;
  if (type === "secret") {
    const kept = channel.secrets[key];
    return html`<label>${label}<input type="password" name=${name} autocomplete="new-password" required=${required && !kept} placeholder=${kept ? "set; leave empty to keep it" : placeholder} />${about}</label>`;
  }
  const text = Array.isArray(value) ? value.join(", ") : (value ?? "");
  return html`<label>${label}<input type=${type === "number" ? "number" : "text"} min="0" name=${name} autocomplete="off" required=${required} defaultValue=${text} placeholder=${placeholder} />${about}</label>`;
}

/** The form as the hub takes it. @param {HTMLFormElement} form @param {Channel} channel @param {Field[]} fields */
function read(form, channel, fields) {
  const data = new FormData(form);
  const text = (/** @type {string} */ name) => String(data.get(name) ?? "").trim();
  /** @type {Record<string, unknown>} */
  const settings = {};
  for (const { key, type } of fields) {
    const value = text(`set-${key}`);
    if (type === "switch") settings[key] = data.has(`set-${key}`);
    else if (type === "list") settings[key] = list(value);
    else if (value !== "") settings[key] = type === "number" ? Number(value) : value;
  }
  const quiet = data.has("quiet-from")
    ? { from: text("quiet-from"), to: text("quiet-to"), zone: text("quiet-zone") }
    : null;
  return {
    id: channel.id,
    kind: channel.kind,
    name: text("name"),
    enabled: channel.enabled,
    events: data.getAll("event").map(String),
    servers: list(text("servers")),
    threshold: text("threshold") || null,
    quiet_hours: quiet,
    settings,
  };
}
