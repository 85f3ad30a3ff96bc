// The hub's documented HTTP API, and nothing else. Failures become an ApiError with words for a person.

import { get, set } from "./store.js";
import { synchronise } from "./clock.js";

/** @typedef {import("./types.js").Approval} Approval */

export class ApiError extends Error {
  /**
   * @param {number} status  0 when the hub could not be reached
   * @param {string} message
   * @param {Approval} [approval]  the winner, for 409
   */
  constructor(status, message, approval) {
    super(message);
    this.status = status;
    this.approval = approval;
  }
}

/** @param {Response} answer */
async function problem(answer) {
  /** @type {any} */
  const body = await answer.json().catch(() => ({}));
  const words = body.detail || body.title || `The hub answered ${answer.status}.`;
  return new ApiError(answer.status, words, body.approval);
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
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-HITL-CSRF"] = get().session?.csrf ?? "";
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
    throw new ApiError(0, "The hub cannot be reached. Nothing was changed as far as this page knows.");
  }
  if (answer.status === 401 && get().session) set({ session: null });
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

/** Who is signed in; null when nobody is. @returns {Promise<import("./types.js").Session|null>} */
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
export const signIn = (credentials) => call("POST", "/session", credentials);
export const signOut = () => call("DELETE", "/session");

/** @param {Record<string, string|number|undefined|null>} filter @returns {Promise<import("./types.js").Page<Approval>>} */
export const approvals = (filter) => call("GET", `/approvals${query(filter)}`);
/** @param {string} id @returns {Promise<Approval>} */
export const approval = (id) => call("GET", `/approvals/${seg(id)}`);
/** @param {string} id @param {"approve"|"reject"|"extend"|"seen"} action @param {object} [body] */
export const act = (id, action, body) => call("POST", `/approvals/${seg(id)}/${action}`, body);
/** @param {string[]} ids @param {"approve"|"reject"} action @param {string} [reason] */
export const batch = (ids, action, reason) => call("POST", "/approvals/batch", reason ? { ids, action, reason } : { ids, action });

/** @returns {Promise<import("./types.js").Server[]>} */
export const servers = () => call("GET", "/servers").then(items);
/** @param {string} name @returns {Promise<import("./types.js").Server>} */
export const server = (name) => call("GET", `/servers/${seg(name)}`);
/** @param {string} name @param {object} change */
export const putPolicy = (name, change) => call("PUT", `/servers/${seg(name)}/policy`, change);
/** @param {string} name @param {string} tool @param {object} change */
export const putTool = (name, tool, change) => call("PUT", `/servers/${seg(name)}/tools/${seg(tool)}`, change);

/** @returns {Promise<import("./types.js").Agent[]>} */
export const agents = () => call("GET", "/agents").then(items);
/** @param {object} agent @returns {Promise<{token: string, client_id?: string, agent?: import("./types.js").Agent}>} */
export const addAgent = (agent) => call("POST", "/agents", agent);
/** @param {string} clientId */
export const removeAgent = (clientId) => call("DELETE", `/agents/${seg(clientId)}`);

/** @param {Record<string, string|number|undefined|null>} filter @returns {Promise<import("./types.js").Page<import("./types.js").ActivityRow>>} */
export const activity = (filter) => call("GET", `/activity${query(filter)}`);

/** @returns {Promise<{items: import("./screens/notifications-kinds.js").Channel[], revision: string}>} */
export const notifications = () => call("GET", "/notifications");
/** @param {object[]} channels @param {string} revision */
export const putNotifications = (channels, revision) => call("PUT", "/notifications", { channels, revision });
/** @param {string} id */
export const testNotification = (id) => call("POST", "/notifications/test", { id });
