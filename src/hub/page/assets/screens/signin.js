// Signing in: name and password, or the one-time link whose code never leaves the fragment but by this page's POST.

import { html, useState, useEffect, useRef } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { get, set } from "../browser/store.js";
import { navigate } from "../browser/router.js";
import { Command } from "../components/controls.js";
import { Text } from "../components/text.js";

/** The code of a one-time link, taken out of the address before anything else happens. */
function takeCode() {
  if (location.pathname !== "/signin" || location.hash.length < 2) return "";
  const code = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  return code;
}

const code = takeCode();
let used = false;

/** Asks who is signed in now, and lets the page go on where it was. */
async function enter() {
  const session = await api.whoami();
  if (!session) return null;
  const { session: before } = get();
  // What one person typed is nobody else's.
  if (before && before.user.name !== session.user.name) location.reload();
  if (location.pathname === "/signin") navigate(next(), { replace: true });
  set({ session, ended: false });
  return session;
}

/** Where a sign-in link wants to go: an address of this page, nothing else. */
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  return /^\/(?![/\\])/.test(wanted) ? wanted : "/approvals";
}

/** @param {{ended?: string}} props  whose session has ended on this page, if one has */
export function SignIn({ ended }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const linked = code !== "" && !used;
  const send = async (/** @type {any} */ credentials) => {
    setBusy(true);
    setError("");
    try {
      await api.signIn(credentials);
      const session = await enter();
      // The link opened the hub this once. On one's own machine the next one is a command away.
      if (session && credentials.code && !session.password && !session.local) set({ dialog: "password" });
      if (!session) setError("The browser did not keep the session. Are cookies allowed for this address?");
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
    setBusy(false);
  };
  useEffect(() => {
    if (linked) {
      used = true;
      void send({ code });
    } else if (get().session && !ended) {
      void enter();
    }
    // Somebody who signs in by a link in another tab comes back to this one signed in.
    const look = () => !document.hidden && enter().catch(() => {});
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return html`<main class="signin" id="main">
    <div class="signin-card">
      <p class="brand"><img src="/assets/icons/0.svg" alt="" width="28" height="28" /> hitl</p>
      <h1>${busy && code && !error ? "Signing you in…" : "Sign in to decide"}</h1>
      ${ended && html`<p class="note" role="status">The session of <${Text} of=${ended} class="strong" /> has ended: it was signed out elsewhere, too long unused, or the password or role was changed. What you typed is kept, and there again once you are signed in.</p>`}
      ${error && html`<p class="trouble" role="alert">${error}</p>`}
      <${PasswordForm} busy=${busy} onSend=${send} />
      <details class="signin-help">
        <summary>No password yet?</summary>
        <p>Ask an administrator for a link that signs you in. If this is your own hub, this prints one on its machine:</p>
        <${Command} text="hitl-hub open" />
      </details>
    </div>
  </main>`;
}

/** @param {{busy: boolean, onSend: (credentials: {name: string, password: string}) => void}} props */
function PasswordForm({ busy, onSend }) {
  const name = useRef(/** @type {HTMLInputElement|null} */ (null));
  const password = useRef(/** @type {HTMLInputElement|null} */ (null));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    onSend({ name: name.current?.value ?? "", password: password.current?.value ?? "" });
  };
  return html`<form onSubmit=${submit}>
    <label>Name<input ref=${name} name="username" autocomplete="username" autocapitalize="none" spellcheck=${false} required /></label>
    <label>Password<input ref=${password} name="password" type="password" autocomplete="current-password" required /></label>
    <button class="button primary" disabled=${busy}>Sign in</button>
  </form>`;
}
