// One approval at its own link: pending or settled, with all that happened to it.

import { html, useRef, useEffect, useLayoutEffect } from "../browser/ui.js";
import { get, set, useStore } from "../browser/store.js";
import * as api from "../hub/api.js";
import { useLoad } from "../hub/load.js";
import { take } from "../hub/pending.js";
import { focus, pressApprove, mayDecide, extend } from "../hub/decide.js";
import { useKeys } from "../browser/keys.js";
import { inSight } from "../browser/sight.js";
import { navigate } from "../browser/router.js";
import { neighbour, waiting } from "../rules/queue.js";
import { duration, outcomeOf, actionWords } from "../rules/format.js";
import { Text, Name } from "../components/text.js";
import { Risk, Status, When, Trouble, CopyButton } from "../components/controls.js";
import { Countdown } from "../components/countdown.js";
import { Who, Why, HandedOff, AskedAgain, Claim } from "../components/who.js";
import { Arguments, openNextFold } from "../components/arguments.js";
import { DriftNote } from "../components/drift.js";
import { Find, find } from "../components/find.js";
import { Decision } from "../components/decision.js";
import { useSeen } from "../components/card.js";
import { Compare } from "../components/compare.js";

/** @typedef {import("../rules/types.js").Approval} Approval */

/** @param {{id: string}} props */
export function OneApproval({ id }) {
  const { data, error, reload } = useLoad(() => api.approval(id), [id], ["approval"]);
  const inQueue = useStore((state) => state.queue.find((item) => item.approval.id === id));
  useEffect(() => {
    if (data?.status === "pending") take(data);
  }, [data]);
  // At once, so that the queue that takes its place finds the mark free.
  useLayoutEffect(() => {
    focus(id, { byItself: true });
    return () => focus(null);
  }, [id]);
  useKeys(keymap(id));
  const item = inQueue ?? (data ? { approval: data } : null);
  return html`<section class="screen narrow" aria-labelledby="title">
    <p class="crumbs"><a href="/approvals">Approvals</a> <span aria-hidden="true">/</span> <span class="mono small">${id}</span> <${CopyButton} text=${location.origin + location.pathname} label="Copy link" /><span class="grow"></span><${NextLink} id=${id} /></p>
    ${error && !item && html`<${Trouble} error=${error} onRetry=${reload} />`}
    ${!item && !error && html`<p class="quiet loading">Asking the hub…</p>`}
    ${item && html`<${Whole} item=${item} />`}
    ${item && html`<${Compare} approval=${item.approval} />`}
    ${data?.timeline && html`<${Timeline} entries=${data.timeline} agent=${data.agent} />`}
  </section>`;
}

/** What the keys do on the card with this id. @param {string} id @returns {import("../browser/keys.js").Keymap} */
function keymap(id) {
  const card = () => document.querySelector("article.card");
  const open = () => get().queue.some((item) => item.approval.id === id && item.approval.status === "pending");
  const unlessWriting = (/** @type {() => unknown} */ act) => (/** @type {KeyboardEvent} */ event) => {
    if (get().writing || !open() || !mayDecide()) return;
    event.preventDefault();
    act();
  };
  const step = (/** @type {1|-1} */ way) => () => {
    const next = neighbour(get().queue, id, way);
    if (!next) return;
    navigate(addressOf(next), { replace: true });
    window.scrollTo(0, 0);
  };
  return {
    a: unlessWriting(() => inSight(card()) && pressApprove(id, "key")),
    "Shift+a": unlessWriting(() => set({ writing: { id, what: "approve" }, confirm: null })),
    r: unlessWriting(() => set({ writing: { id, what: "reject" }, confirm: null })),
    e: unlessWriting(() => extend(id)),
    o: () => openNextFold(card()),
    f: (event) => (event.preventDefault(), find(id)),
    j: step(1),
    k: step(-1),
    Escape: () => (get().writing || get().confirm ? set({ writing: null, confirm: null }) : navigate("/approvals")),
  };
}

/** @param {string} id */
const addressOf = (id) => `/approvals/${encodeURIComponent(id)}`;

/** To the next call that waits, without the way over the queue. @param {{id: string}} props */
function NextLink({ id }) {
  const next = useStore((state) => neighbour(state.queue, id, 1) ?? neighbour(state.queue, id, -1));
  const count = useStore((state) => waiting(state.queue).filter((item) => item.approval.id !== id).length);
  return next
    ? html`<a class="next" href=${addressOf(next)} aria-keyshortcuts="J">Next waiting<kbd aria-hidden="true">J</kbd> <span class="quiet">${count} more</span></a>`
    : null;
}

/** @param {{item: import("../rules/types.js").Item}} props */
function Whole({ item }) {
  const { approval } = item;
  const top = useRef(/** @type {HTMLElement|null} */ (null));
  useSeen(top, item);
  const pending = approval.status === "pending";
  return html`<article class=${`card edge-${approval.trust} alone`} tabindex="-1" aria-labelledby="title">
    <header class="card-head" ref=${top}>
      <h1 id="title"><${Name} of=${approval.tool} class="tool" /> <span class="on">on</span> <${Name} of=${approval.server} class="server" /></h1>
      <${Risk} level=${approval.trust} />
      <span class="grow"></span>
      ${pending ? html`<${Countdown} approval=${approval} />` : html`<${Status} status=${approval.status} />`}
      <${Find} approval=${approval} />
    </header>
    <${Who} approval=${approval} />
    <${Why} reasons=${approval.reasons} />
    <${HandedOff} approval=${approval} />
    <${AskedAgain} approval=${approval} />
    <${DriftNote} approval=${approval} />
    <${Arguments} approval=${approval} wholeHash=${true} />
    <${Claim} text=${approval.description} />
    <${Facts} approval=${approval} />
    <${Decision} item=${item} />
  </article>`;
}

/** @param {{approval: Approval}} props */
function Facts({ approval }) {
  const fact = (/** @type {string} */ name, /** @type {unknown} */ value) =>
    html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  const { decided_at: decided, duration_ms: ran } = approval;
  return html`<dl class="facts">
    ${fact("Asked", html`<${When} at=${approval.created_at} />`)}
    ${fact(decided ? "Decided" : "Deadline", html`<${When} at=${decided ?? approval.deadline_at} />${decided && ` after ${duration(decided - approval.created_at)}`}`)}
    ${decided && fact("Call", `${outcomeOf(approval)}${ran !== null && ran !== undefined ? ` in ${duration(ran)}` : ""}`)}
  </dl>`;
}

/** @param {{entries: import("../rules/types.js").TimelineEntry[], agent: import("../rules/types.js").AgentRef}} props */
function Timeline({ entries, agent }) {
  const nameOf = (/** @type {string} */ actor) => (actor === agent.client_id ? agent.name : actor);
  return html`<section class="panel timeline" aria-labelledby="timeline">
    <h2 id="timeline">Timeline</h2>
    <ol>
      ${entries.map(
        (entry) => html`<li class=${`step step-${entry.action.split(".").pop()}`}>
        <${When} at=${entry.at} />
        <span><${Text} of=${nameOf(entry.actor)} class="strong" /> ${actionWords[entry.action] ?? html`<${Text} of=${entry.action} />`}${entry.detail && html`<span class="quiet">: <${Text} of=${entry.detail} /></span>`}</span>
      </li>`,
      )}
    </ol>
  </section>`;
}
