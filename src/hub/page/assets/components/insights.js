// The history in a few small charts: plain SVG, coloured by the stylesheet.

import { html, useState } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { now } from "../browser/clock.js";
import { dayOf, midnights } from "../rules/insights.js";
import { duration, number, plural, statusWords } from "../rules/format.js";
import { visible } from "../rules/glyphs.js";
import { Text } from "./text.js";

/** @typedef {import("../rules/types.js").Insights} Numbers */
/** @typedef {{name: string, approved: number, answered: number}} Rate */

const outcomes = /** @type {const} */ (["approved", "rejected", "timed_out", "cancelled"]);

/** @param {{query: Record<string, string|number>}} props */
export function InsightsPanel({ query }) {
  const [found, setFound] = useState(/** @type {Numbers|null} */ (null));
  const [error, setError] = useState("");
  const open = async (/** @type {any} */ event) => {
    if (!event.target.open) return setFound(null);
    try {
      setFound(await api.insights({ ...query, days: midnights(now()).join() }));
      setError("");
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  return html`<details class="insights" onToggle=${open}>
    <summary>Insights</summary>
    ${error && html`<p class="quiet" role="alert">${error}</p>`}
    ${found && html`<${Charts} numbers=${found} />`}
  </details>`;
}

/** @param {{numbers: Numbers}} props */
function Charts({ numbers }) {
  const fact = (/** @type {string} */ name, /** @type {string} */ value) =>
    html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  const time = (/** @type {number|null} */ ms) => (ms === null ? "–" : duration(ms));
  return html`<div class="panel charts">
    <dl class="facts figures">
      ${fact("Approvals", number(numbers.count))}
      ${fact("Median decision time", time(numbers.median_ms))}
      ${fact("95 % decided within", time(numbers.p95_ms))}
      ${fact("Expired undecided", `${numbers.count ? Math.round((numbers.timed_out / numbers.count) * 100) : 0} %`)}
    </dl>
    <${Days} days=${numbers.days} />
    <div class="rates"><${Rates} title="Approved, by tool" rates=${numbers.tools.map((rate) => ({ ...rate, name: `${rate.tool} on ${rate.server}` }))} /><${Rates} title="Approved, by agent" rates=${numbers.agents.map((rate) => ({ ...rate, name: rate.agent.name }))} /></div>
  </div>`;
}

const HEIGHT = 88;
const STEP = 40;

/** @param {{days: import("../rules/types.js").DayCounts[]}} props */
function Days({ days }) {
  const totals = days.map((day) => outcomes.reduce((sum, outcome) => sum + day[outcome], 0));
  const most = Math.max(1, ...totals);
  const words = days.map((day, i) => `${dayOf(day.from)}: ${plural(totals[i] ?? 0, "approval")}`).join("; ");
  return html`<figure class="days">
    <figcaption>Decisions per day, the last two weeks ${outcomes.map((outcome) => html`<span class="key"><span class=${`swatch fill-${outcome}`}></span>${statusWords[outcome]}</span>`)}</figcaption>
    <svg viewBox=${`0 0 ${days.length * STEP} ${HEIGHT + 18}`} role="img" aria-label=${words}>
      <line class="axis" x1="0" x2=${days.length * STEP} y1=${HEIGHT} y2=${HEIGHT} />
      ${days.map((day, i) => html`<${Bar} day=${day} x=${i * STEP} scale=${(HEIGHT - 4) / most} />`)}
    </svg>
  </figure>`;
}

/** @param {{day: import("../rules/types.js").DayCounts, x: number, scale: number}} props */
function Bar({ day, x, scale }) {
  let top = HEIGHT;
  const counts = outcomes
    .filter((outcome) => day[outcome])
    .map((outcome) => `${day[outcome]} ${statusWords[outcome].toLowerCase()}`);
  return html`<g>
    <title>${`${dayOf(day.from)}: ${counts.join(", ") || "none"}`}</title>
    <rect class="hit" x=${x} y="0" width=${STEP} height=${HEIGHT} />
    ${outcomes.map((outcome) => {
      const height = day[outcome] * scale;
      top -= height;
      return (
        height > 0 && html`<rect class=${`fill-${outcome}`} x=${x + 8} y=${top} width=${STEP - 16} height=${height} />`
      );
    })}
    <text x=${x + STEP / 2} y=${HEIGHT + 13} text-anchor="middle">${new Date(day.from).getDate()}</text>
  </g>`;
}

/** @param {{title: string, rates: Rate[]}} props */
const Rates = ({ title, rates }) => html`<div>
  <h3>${title}</h3>
  <ul>${rates.map((rate) => {
    const share = rate.approved / rate.answered;
    return html`<li title=${`${visible(rate.name)}: ${rate.approved} of ${rate.answered}`}>
      <span class="rate-name"><${Text} of=${rate.name} /></span>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="6" /><rect class="fill-approved" width=${share * 100} height="6" /></svg>
      <span class="num">${Math.round(share * 100)} % <span class="quiet">of ${number(rate.answered)}</span></span>
    </li>`;
  })}</ul>
  ${rates.length === 0 && html`<p class="quiet">Nothing decided yet.</p>`}
</div>`;
