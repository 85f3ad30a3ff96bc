// Enrolling a machine: an admin types or confirms the code that it shows, and gives it a name and its servers.

import { html, useState, useEffect } from "../browser/ui.js";
import * as api from "../hub/api.js";
import { useStore } from "../browser/store.js";
import { useLoad } from "../hub/load.js";
import { Text, Name } from "../components/text.js";

/** @typedef {import("../rules/types.js").Enrolment} Enrolment */

const given = () => decodeURIComponent(location.hash.slice(1)).slice(0, 20);

export function Enrol() {
  const admin = useStore((state) => state.session?.user.role === "admin");
  const [code, setCode] = useState(given());
  const [machine, setMachine] = useState(/** @type {Enrolment|null} */ (null));
  const [done, setDone] = useState("");
  const [error, setError] = useState("");
  const attempt = async (/** @type {() => Promise<void>} */ step) => {
    try {
      await step();
      setError("");
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  const look = () => attempt(async () => setMachine(await api.enrolment(code.trim())));
  useEffect(() => {
    if (admin && code) void look();
  }, []);
  return html`<section class="screen" aria-labelledby="title">
    <header class="screen-head"><h1 id="title">Enrol a machine</h1></header>
    ${!admin && html`<p class="note">Only admins enrol machines. Ask one to open this page.</p>`}
    ${error && html`<p class="trouble" role="alert"><${Text} of=${error} /></p>`}
    ${done && html`<div class="panel" role="status"><p>${done}</p></div>`}
    ${
      admin &&
      !machine &&
      !done &&
      html`<form class="panel stack enrol" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), look())}>
      <p>On the machine, run <code>hitl-wrap login ${location.origin}</code>. It shows a code; enter it here.</p>
      <label>Code<input class="mono" required autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="20" placeholder="BCDF-GHJK" value=${code} onInput=${(/** @type {any} */ e) => setCode(e.target.value)} /></label>
      <div class="actions"><button class="button primary">Continue</button></div>
    </form>`
    }
    ${
      machine &&
      html`<${Confirm} machine=${machine} onYes=${(/** @type {object} */ body, /** @type {string} */ name) =>
        attempt(async () => {
          await api.confirmEnrolment(machine.code, body);
          setDone(`${name} is enrolled. Its machine has the token now.`);
          setMachine(null);
        })} onNo=${() =>
        attempt(async () => {
          await api.refuseEnrolment(machine.code);
          setDone("The machine was sent away.");
          setMachine(null);
        })} />`
    }
  </section>`;
}

/** @param {{machine: Enrolment, onYes: (body: object, name: string) => void, onNo: () => void}} props */
function Confirm({ machine, onYes, onNo }) {
  const { data: servers } = useLoad(api.servers, []);
  const [name, setName] = useState(machine.host ?? "");
  const [user, setUser] = useState("");
  const [some, setSome] = useState(false);
  const [chosen, choose] = useState(/** @type {string[]} */ ([]));
  const [typed, setTyped] = useState("");
  const yes = (/** @type {Event} */ event) => {
    event.preventDefault();
    const more = typed
      .split(",")
      .map((one) => one.trim())
      .filter(Boolean);
    onYes(
      {
        name: name.trim(),
        ...(user.trim() ? { user: user.trim() } : {}),
        ...(some ? { servers: [...chosen, ...more] } : {}),
      },
      name.trim(),
    );
  };
  return html`<form class="panel stack enrol" onSubmit=${yes}>
    <p>Does the machine show exactly this code?</p>
    <p class="enrol-code mono">${machine.code}</p>
    ${machine.key && html`<p class="quiet small">If it shows the hub's key, too, it must be <span class="mono">${machine.key}</span>: another one means that somebody stands in between.</p>`}
    <p class="quiet small">It says that it is <${Name} of=${machine.host ?? "unnamed"} />, used by <${Name} of=${machine.user ?? "nobody"} /> <span class="badge claimed" title="The machine says so. Nobody has checked it.">claimed</span>, and connects from <${Name} of=${machine.address} />.</p>
    <label>Name of the agent<input required maxlength="64" autocomplete="off" value=${name} onInput=${(/** @type {any} */ e) => setName(e.target.value)} /></label>
    <label>User it works for (optional)<input maxlength="64" autocomplete="off" value=${user} onInput=${(/** @type {any} */ e) => setUser(e.target.value)} /></label>
    <label>Servers<select value=${some ? "some" : "all"} onChange=${(/** @type {any} */ e) => setSome(e.target.value === "some")}><option value="all" selected=${!some}>every server</option><option value="some" selected=${some}>only these</option></select></label>
    ${
      some &&
      html`<ul class="rows limits">${(servers ?? []).map((server) => html`<li key=${server.name}><label class="pick-server"><input type="checkbox" checked=${chosen.includes(server.name)} onChange=${(/** @type {any} */ e) => choose(e.target.checked ? [...chosen, server.name] : chosen.filter((one) => one !== server.name))} /> <${Name} of=${server.name} /></label></li>`)}</ul>
      <label>Others, not known yet (with commas between)<input autocomplete="off" value=${typed} onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} /></label>`
    }
    <div class="actions"><button class="button primary">Yes, enrol it</button><button type="button" class="button ghost" onClick=${onNo}>No, send it away</button></div>
  </form>`;
}
