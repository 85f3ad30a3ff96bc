// The documentation in the page: what to do first, what waits, how to decide, and what the words mean.

import { html } from "../browser/ui.js";
import { set } from "../browser/store.js";
import { FirstSteps } from "../components/start.js";
import { Command } from "../components/controls.js";

/** @type {[string, string][]} */
const words = [
  ["client", "the program that the model works in: Claude Desktop, Cursor, Codex, …"],
  ["server", "the MCP server whose tools it calls"],
  ["agent", "the identity behind a client, with a client id and a token"],
  ["user", "a person: the one an agent works for, or who signs in here; claimed where only the machine says so"],
  ["approval", "a call that waits, or waited, for a person"],
  ["risk", "low, medium or high: the trust level that a tool demands, by its name, its server's hints, or an admin"],
  [
    "trust limit",
    "the highest level that an agent, or the agents of a user, may use on a server; above it calls are denied",
  ],
  ["threshold", "tools of this level or higher wait, on a server"],
  ["bypass", "agents that skip the approval check on a server"],
  ["argument rule", "a condition on the arguments that makes a call wait, or denies it"],
];

export const Guide = () => html`<section class="screen narrow guide" aria-labelledby="title">
  <header class="screen-head"><h1 id="title">Guide</h1></header>
  <section class="panel" aria-labelledby="first"><h2 id="first">See the first call</h2>
    <${FirstSteps} />
    <p>Start the client again and let it call a tool: the call is listed under <a href="/activity">Activity</a>, and one that sounds destructive waits under <a href="/approvals">Approvals</a>.</p>
    <p class="quiet">If nothing comes, this says what is wrong:</p>
    <${Command} text="hitl-wrap doctor" />
  </section>
  <section class="panel" aria-labelledby="waits"><h2 id="waits">What waits</h2>
    <p>Each server has a page under <a href="/servers">Servers</a>: whether all its tools wait, from which risk on, single tools, rules on arguments, and the time to decide. Every tool's row says what its calls come to, and why. Whatever asks for approval makes the call wait; time that is up rejects it.</p>
    <p>An agent on the bypass list is never asked about; a trust limit or a rule that denies comes before everything.</p>
  </section>
  <section class="panel" aria-labelledby="decide"><h2 id="decide">Deciding</h2>
    <p>A card shows exactly what would run. Approve, and that call runs, once. Reject, and the client is told so, with your words. A client that could not wait is told to call again: approve, and its next identical call runs.</p>
    <p>Everything has a <button class="link" onClick=${() => set({ dialog: "help" })}>key</button>. In a terminal:</p>
    <${Command} text="hitl-hub approvals list" />
    <${Command} text="hitl-hub approvals approve ID" />
    <p class="quiet small">ID is what the list shows: the end of the approval's id. On another machine, add <code>--hub ${location.origin}</code> and a personal token in <code>HITL_USER_TOKEN</code> (<code>hitl-hub user token NAME</code> makes one).</p>
  </section>
  <section class="panel" aria-labelledby="words"><h2 id="words">Words</h2>
    <dl class="words">${words.map(([word, is]) => html`<div><dt>${word}</dt><dd>${is}</dd></div>`)}</dl>
  </section>
</section>`;
