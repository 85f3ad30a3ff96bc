// What to do to see a call here, by commands that fit this hub.

import { html } from "../browser/ui.js";
import { get } from "../browser/store.js";
import { Command } from "./controls.js";

/** The first commands; a team's hub is named once on each machine, this user's own is found. */
export function FirstSteps() {
  const local = get().session?.local;
  return html`${
    !local &&
    html`<p>On the machine of the client, once; an administrator confirms the code that it shows:</p>
    <${Command} text=${`hitl-wrap login ${location.origin}`} />`
  }
  <p>Put <code>hitl-wrap</code> in front of the servers that your clients have:</p>
  <${Command} text="hitl-wrap install" />
  <p class="quiet">Or by hand, before a server's command in the client's settings:</p>
  <${Command} text="hitl-wrap --server github -- npx -y @modelcontextprotocol/server-github" />`;
}
