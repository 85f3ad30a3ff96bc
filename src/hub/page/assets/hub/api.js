// The hub's documented HTTP API, and nothing else. Failures become an ApiError with words for a person.

import { get, endSession as over } from "../browser/store.js";
import * as half from "../browser/half.js";
import { synchronise } from "../browser/clock.js";

/** @typedef {import("../rules/types.js").Approval} Approval */

/** Not true any more once the line is back. */
export const UNREACHABLE = "The hub cannot be reached. Nothing was changed as far as this page knows.";

export class ApiError extends Error {
  /**
   * @param {number} status  0 when the hub could not be reached
   * @param {string} message
   * @param {Approval} [approval]  the winner, for 409
   * @param {string} [place]       the part of the body that is wrong, for 400
   */
  constructor(status, message, approval, place) {
    super(message);
    this.status = status;
    this.approval = approval;
    this.place = place;
  }
}

/** @param {Response} answer */
async function problem(answer) {
  /** @type {any} */
  const body = await answer.json().catch(() => ({}));
  const words = body.detail || body.title || `The hub answered ${answer.status}.`;
  return new ApiError(answer.status, words, body.approval, body.place);
}

/** The half of the session that goes with every request. @returns {Record<string, string>} */
export function shown() {
  const known = half.get();
  return known ? { "X-HITL-CSRF": known } : {};
}

/**
 * One request. A 401 anywhere means that the session is over.
 * @param {string} method
 * @param {string} path   below /api/v1
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
async function call(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", ...shown() };
  if (method !== "GET") headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch {
    throw new ApiError(0, UNREACHABLE);
  }
  if (answer.status === 401 && get().session) over();
  if (!answer.ok) throw await problem(answer);
  return answer.status === 204 ? null : answer.json().catch(() => null);
}

/** @param {Record<string, string|number|undefined|null>} fields */
function query(fields) {
  const set = Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return set.length ? `?${new URLSearchParams(set.map(([key, value]) => [key, String(value)]))}` : "";
}

/** A list, whether the hub sends it in pages or whole. @param {any} answer */
const items = (answer) => answer?.items ?? answer ?? [];
const seg = encodeURIComponent;

/** Who is signed in; null when nobody is. @returns {Promise<import("../rules/types.js").Session|null>} */
export async function whoami() {
  try {
    const session = await call("GET", "/session");
    synchronise(session.hub_time);
    return session;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** @param {{name: string, password: string}|{code: string}} credentials */
export async function signIn(credentials) {
  const { csrf } = await call("POST", "/session", credentials);
  half.set(csrf);
}

export async function signOut() {
  await call("DELETE", "/session");
  half.forget();
}

/** The sessions of whoever is signed in. @returns {Promise<import("../rules/types.js").Stay[]>} */
export const sessions = () => call("GET", "/sessions").then(items);
/** @param {string} id */
export const endSession = (id) => call("DELETE", `/sessions/${seg(id)}`);

/** @param {Record<string, string|number|undefined|null>} filter @returns {Promise<import("../rules/types.js").Page<Approval>>} */
export const approvals = (filter) => call("GET", `/approvals${query(filter)}`);
/** @param {string} id @returns {Promise<Approval>} */
export const approval = (id) => call("GET", `/approvals/${seg(id)}`);
/** @param {string} id @param {"approve"|"reject"|"extend"|"seen"} action @param {object} [body] */
export const act = (id, action, body) => call("POST", `/approvals/${seg(id)}/${action}`, body);
/** Which approval one has before oneself. @param {string|null} id */
export const look = (id) => call("PUT", "/looking", { approval: id });
/** @param {string[]} ids @param {"approve"|"reject"} action @param {Record<string, string|undefined>} digests @param {string} [reason] */
export const batch = (ids, action, digests, reason) =>
  call("POST", "/approvals/batch", reason ? { ids, action, digests, reason } : { ids, action, digests });

/** @returns {Promise<import("../rules/types.js").Server[]>} */
export const servers = () => call("GET", "/servers").then(items);
/** @param {string} name @returns {Promise<import("../rules/types.js").Server>} */
export const server = (name) => call("GET", `/servers/${seg(name)}`);
/** @param {string} name @param {object} change */
export const putPolicy = (name, change) => call("PUT", `/servers/${seg(name)}/policy`, change);
/** Browsers take these for steps in the path, however they are written. @param {string} tool */
const isStep = (tool) => tool === "." || tool === "..";
/** @param {string} name @param {string} tool @param {object} change */
export const putTool = (name, tool, change) =>
  call("PUT", `/servers/${seg(name)}/tools${isStep(tool) ? `?tool=${tool}` : `/${seg(tool)}`}`, change);

/** @param {string} name */
export const removeServer = (name) => call("DELETE", `/servers/${seg(name)}`);

/** Accepts the definition with this digest. @param {string} name @param {string} tool @param {string} sha256 */
export const acceptTool = (name, tool, sha256) =>
  call("POST", `/servers/${seg(name)}/${isStep(tool) ? `accept?tool=${tool}` : `tools/${seg(tool)}/accept`}`, {
    sha256,
  });
/** @param {string} name @param {object} body @returns {Promise<import("../rules/types.js").Ruling>} */
export const simulate = (name, body) => call("POST", `/servers/${seg(name)}/simulate`, body);
/** @param {string} name @param {string} agent @returns {Promise<import("../rules/types.js").Coverage>} */
export const coverage = (name, agent) => call("GET", `/servers/${seg(name)}/coverage${query({ agent })}`);
/** @returns {Promise<import("../rules/types.js").UngatedServer[]>} */
export const ungated = () => call("GET", "/ungated").then(items);
/** @returns {Promise<{decision_point: {ok: boolean, trouble: string|null}|null}>} */
export const health = () => call("GET", "/health");

/** @param {string} code @returns {Promise<import("../rules/types.js").Enrolment>} */
export const enrolment = (code) => call("GET", `/enrolments/${seg(code)}`);
/** @param {string} code @param {object} body */
export const confirmEnrolment = (code, body) => call("POST", `/enrolments/${seg(code)}`, body);
/** @param {string} code */
export const refuseEnrolment = (code) => call("DELETE", `/enrolments/${seg(code)}`);

/** @returns {Promise<import("../rules/types.js").User[]>} */
export const users = () => call("GET", "/users").then(items);
/** @param {object} user @returns {Promise<{link?: string}>} */
export const addUser = (user) => call("POST", "/users", user);
/** Another link that signs somebody in, once. @param {string} name @returns {Promise<{link: string}>} */
export const newLink = (name) => call("POST", `/users/${seg(name)}/link`);
/** @param {string} name @param {object} change */
export const putUser = (name, change) => call("PUT", `/users/${seg(name)}`, change);
/** @param {string} name */
export const removeUser = (name) => call("DELETE", `/users/${seg(name)}`);

/** @returns {Promise<import("../rules/types.js").Agent[]>} */
export const agents = () => call("GET", "/agents").then(items);
/** @param {object} agent @returns {Promise<{token: string, client_id?: string, agent?: import("../rules/types.js").Agent}>} */
export const addAgent = (agent) => call("POST", "/agents", agent);
/** @param {string} clientId @param {object} change */
export const putAgent = (clientId, change) => call("PUT", `/agents/${seg(clientId)}`, change);
/** A new token; the old one stays good for so long. @param {string} clientId @param {number} overlap @returns {Promise<import("../rules/types.js").Agent & {token: string}>} */
export const rotateAgent = (clientId, overlap) =>
  call("POST", `/agents/${seg(clientId)}/token`, { overlap_seconds: overlap });
/** @param {string} clientId */
export const removeAgent = (clientId) => call("DELETE", `/agents/${seg(clientId)}`);

/** @param {Record<string, string|number|undefined|null>} filter @returns {Promise<import("../rules/types.js").Insights>} */
export const insights = (filter) => call("GET", `/insights${query(filter)}`);

/** @param {Record<string, string|number|undefined|null>} filter @returns {Promise<import("../rules/types.js").Page<import("../rules/types.js").ActivityRow>>} */
export const activity = (filter) => call("GET", `/activity${query(filter)}`);

/** @returns {Promise<{items: import("../rules/types.js").Channel[], revision: string}>} */
export const notifications = () => call("GET", "/notifications");
/** @param {object[]} channels @param {string} revision */
export const putNotifications = (channels, revision) => call("PUT", "/notifications", { channels, revision });
/** Those of whoever is signed in, and what a browser subscribes with. @returns {Promise<{items: import("../rules/types.js").Browser[], key: string}>} */
export const browsers = () => call("GET", "/notifications/browsers");
/** @param {object} subscription @returns {Promise<import("../rules/types.js").Browser>} */
export const addBrowser = (subscription) => call("POST", "/notifications/browsers", subscription);
/** @param {string} id */
export const removeBrowser = (id) => call("DELETE", `/notifications/browsers/${seg(id)}`);
/** @param {string} id */
export const testNotification = (id) => call("POST", "/notifications/test", { id });
