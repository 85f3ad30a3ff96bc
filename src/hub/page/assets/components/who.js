// Who asks and why: agent, client and user in one line, what gates the call, whether anybody still waits, and who looks.

import { html } from "../browser/ui.js";
import { useNow } from "../browser/clock.js";
import { get, useStore } from "../browser/store.js";
import { Text, Name } from "./text.js";

/** @param {{approval: import("../rules/types.js").Approval}} props */
export function Who({ approval }) {
  const { agent, client } = approval;
  return html`<p class="who">
    <span class="who-part"><${Text} of=${agent.name} class="strong" /> <${Name} of=${agent.client_id} class="quiet small" /></span>
    ${client?.name && html`<span class="who-part"><span class="quiet">via</span> <${Text} of=${client.name} /> <${Text} of=${client.version} class="quiet" /></span>`}
    <${ForWhom} approval=${approval} />
    <${Lookers} id=${approval.id} />
  </p>`;
}

/** Who else has this card before them. @param {{id: string}} props */
export function Lookers({ id }) {
  const some = useStore((state) => state.looking.some((one) => one.approval === id));
  return some ? html`<${Lookings} id=${id} />` : null;
}

/** @param {{id: string}} props */
function Lookings({ id }) {
  const now = useNow();
  const me = get().session?.user.name;
  const looking = useStore((state) => state.looking);
  const others = looking.filter((one) => one.approval === id && one.user !== me && one.until > now);
  if (!others.length) return null;
  const names = others.map(({ user }, i) => html`${i > 0 && ", "}<${Text} of=${user} class="strong" />`);
  return html`<span class="who-part lookers">${names} ${others.length > 1 ? "are" : "is"} looking at this</span>`;
}

/** For whom the agent calls: what an admin said, else what the machine says of itself, which is told apart. @param {{approval: import("../rules/types.js").Approval}} props */
export const ForWhom = ({ approval: { user, claimed_user: claimed } }) =>
  user || claimed
    ? html`<span class="who-part"><span class="quiet">for</span> <${Text} of=${user ?? claimed} class=${user && "strong"} />${!user && html` <span class="badge claimed" title="The machine says so. Nobody has checked it.">claimed</span>`}</span>`
    : null;

/** Why it waits. @param {{reasons: string[]}} props */
export const Why = ({ reasons }) =>
  reasons.length
    ? html`<p class="why"><span class="quiet">Needs approval:</span> ${reasons.map((reason, i) => html`${i > 0 && " · "}<${Text} of=${reason} />`)}</p>`
    : null;

/** That nobody waits for the answer at this moment. @param {{approval: import("../rules/types.js").Approval}} props */
export const HandedOff = ({ approval: { handed_off: away, status } }) =>
  away && status === "pending"
    ? html`<p class="handed-off"><strong>Nobody waits right now.</strong> The client could not wait any longer. Approve, and its next identical call runs, once.</p>`
    : null;

/** That the same was called more than once, and is approved once. @param {{approval: import("../rules/types.js").Approval}} props */
export const AskedAgain = ({ approval: { asked_again: times = 0 } }) =>
  times > 0
    ? html`<p class="handed-off"><strong>Asked again</strong>${times > 1 ? ` ${times} times` : ""}. The client called the same again; approved, it runs once.</p>`
    : null;

/** What the server says its tool does: a claim. @param {{text: string|null}} props */
export const Claim = ({ text }) =>
  text
    ? html`<details class="claim"><summary>What the server says this tool does</summary><p><${Text} of=${text} newlines /></p><p class="quiet small">The server's own words. Nobody has checked them.</p></details>`
    : null;
