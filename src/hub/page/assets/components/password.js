// One's own password. Who has one shows it first, so that a page left open gives nobody the account.

import { html, useState, useRef, useLayoutEffect } from "../browser/ui.js";
import * as api from "../hub/api.js";
import * as live from "../hub/live.js";
import { get, set, useStore, toast } from "../browser/store.js";
import { Dialog } from "./dialog.js";

/** As in the hub. */
const SHORTEST = 8;

export function Password() {
  const session = useStore((state) => state.session);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  useLayoutEffect(
    () =>
      /** @type {HTMLInputElement|null|undefined} */ (form.current?.querySelector('input[type="password"]'))?.focus(),
    [],
  );
  const close = () => set({ dialog: null });
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!form.current || !session) return;
    const fields = new FormData(form.current);
    const text = (/** @type {string} */ name) => String(fields.get(name) ?? "");
    if (text("new") !== text("again")) return setError("The two new passwords differ.");
    setBusy(true);
    setError("");
    try {
      await change(session.user.name, text("new"), session.password ? text("current") : undefined);
      close();
      toast("ok", "Your password is changed. Other browsers are signed out.");
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
      setBusy(false);
    }
  };
  const field = (/** @type {string} */ name, /** @type {string} */ words, /** @type {string} */ known) =>
    html`<label>${words}<input name=${name} type="password" autocomplete=${known} required minlength=${known === "new-password" ? SHORTEST : undefined} maxlength="1024" /></label>`;
  return html`<${Dialog} title=${session?.password ? "Change your password" : "Set a password"} onClose=${close}>
    <form class="stack" ref=${form} onSubmit=${save}>
      ${!session?.password && html`<p>A sign-in link works once. With a password you can sign in again without asking for another one.</p>`}
      <input type="text" name="username" autocomplete="username" value=${session?.user.name} hidden />
      ${session?.password && field("current", "Current password", "current-password")}
      ${field("new", "New password", "new-password")}
      ${field("again", "New password again", "new-password")}
      ${error && html`<p class="trouble" role="alert">${error}</p>`}
      <div class="actions"><button class="button primary" disabled=${busy}>Save</button><button type="button" class="button ghost" onClick=${close}>${session?.password ? "Cancel" : "Not now"}</button></div>
    </form>
  </${Dialog}>`;
}

/** Sets it, which ends every session of the user, and begins a new one here. @param {string} name @param {string} password @param {string} [current] */
async function change(name, password, current) {
  // The events end with the old session, and would find nobody signed in before there is a new one.
  live.stop();
  try {
    await api.putUser(name, current === undefined ? { password } : { password, current_password: current });
    await api.signIn({ name, password });
    const session = await api.whoami();
    if (session && get().session) set({ session });
  } finally {
    if (get().session) live.start();
  }
}
