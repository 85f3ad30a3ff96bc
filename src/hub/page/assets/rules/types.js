// The shapes of the hub's API, as `src/hub/model.rs` defines them. Types only: this file runs nothing.

/** @typedef {"low"|"medium"|"high"} Level */
/** @typedef {"pending"|"approved"|"rejected"|"timed_out"|"cancelled"} Status */
/** @typedef {"waiting"|"not_executed"|"released"|"succeeded"|"failed"|"unknown"} Outcome */
/** @typedef {"viewer"|"approver"|"admin"} Role */
/** @typedef {{client_id: string, name: string}} AgentRef */
/** @typedef {{agent: AgentRef, client: string, server: string}} UngatedServer  a server that a client starts without a shim */
/** @typedef {{kind: "new"|"changed", since: number, sha256: string, old?: string, new?: string, differs?: string[], flaps?: boolean}} ToolDrift */
/** @typedef {{at: number, actor: string, action: string, detail: string|null}} TimelineEntry */

/**
 * @typedef {object} Approval
 * @property {string} id
 * @property {Status} status
 * @property {string} server
 * @property {string} tool
 * @property {Level} trust
 * @property {AgentRef} agent
 * @property {{name: string, version: string}} client
 * @property {string|null} user          whom the agent works for, as an admin said
 * @property {string|null} claimed_user  else whose account its shim says it runs under
 * @property {string[]} reasons
 * @property {string} arguments  raw JSON text
 * @property {string} arguments_sha256
 * @property {string} digest  of all that a decision is about
 * @property {string|null} [extra]  raw JSON text of what else the server is given
 * @property {boolean} [handed_off]  nobody waits: the client was told to call again
 * @property {number} [asked_again]   how often its client called the same again
 * @property {number} created_at
 * @property {number} deadline_at
 * @property {number|null} decided_at
 * @property {string|null} decided_by
 * @property {string|null} reason
 * @property {Outcome} outcome
 * @property {number|null} outcome_at
 * @property {number|null} duration_ms
 * @property {string|null} description
 * @property {ToolDrift|null} drift
 * @property {TimelineEntry[]} [timeline]
 */

/**
 * @typedef {object} Tool
 * @property {string} name
 * @property {string|null} description
 * @property {Level} trust
 * @property {"name"|"hint"|"admin"} trust_from
 * @property {boolean} hitl
 * @property {string|null} reason
 * @property {Record<string, unknown>|null} annotations
 * @property {ToolDrift|null} drift
 * @property {string[]} [varies]  members of its definition that may change unaccepted, as JSON pointers
 * @property {Ruling} [comes_to]           for an agent that nobody limited or let through; with the next three,
 * @property {number} [calls]             only when one server is asked for
 * @property {number|null} [last_used]
 * @property {number} [approvals]
 */

/** @typedef {{client_id: string, added_by: string, added_at: number, reason: string|null, expires_at: number|null, expired: boolean, last_used_at: number|null}} Bypass */
/** @typedef {{require_all: boolean, threshold: Level|null, bypass: string[], bypass_entries: Bypass[], timeout_seconds: number, gate_changed_tools: boolean|null, rules: unknown[]}} Policy */
/** @typedef {{verdict: "pass"|"gate"|"deny"|"ask", bypass?: boolean, trust: Level, reasons?: string[]}} Ruling */
/** @typedef {{agent: AgentRef, tools: (Ruling & {tool: string})[], unlisted: Ruling}} Coverage */
/** @typedef {{code: string, host: string|null, user: string|null, version: string, address: string, expires_at: number, key?: string}} Enrolment */
/** @typedef {{name: string, role: Role, ceilings: Record<string, Level>, created_at: number}} User */
/** @typedef {{name: string, policy: Policy, tools: Tool[], sessions: number, command: string[]}} Server */
/** @typedef {{client_id: string, name: string, user: string|null, trust: Record<string, Level>, servers: string[]|null, last_seen: number|null, old_token_until?: number}} Agent */
/** @typedef {{id: number, at: number, agent: AgentRef, server: string, tool: string, verdict: string, dropped: number, approval: string|null, outcome: Outcome|null, duration_ms: number|null, reasons?: string[], digest?: string, arguments?: string}} ActivityRow */
/** @typedef {{from: number, approved: number, rejected: number, timed_out: number, cancelled: number}} DayCounts */
/** @typedef {{server: string, tool: string, approved: number, answered: number}} ToolRate */
/** @typedef {{agent: AgentRef, approved: number, answered: number}} AgentRate */
/** @typedef {{count: number, timed_out: number, median_ms: number|null, p95_ms: number|null, days: DayCounts[], tools: ToolRate[], agents: AgentRate[]}} Insights */
/** @typedef {{id: string, name: string, added_at: number, state: {waiting: number, given_up: number, last_at: number|null, last_error: string|null}}} Browser */
/** @typedef {{user: {name: string, role: Role}, csrf: string, hub_time: number, local: boolean, password: boolean}} Session */
/** @typedef {{id: string, current: boolean, since: number, last_used: number, address: string|null, browser: string|null}} Stay */
/** @typedef {{from: string, to: string, zone: string}} QuietHours */

/**
 * @typedef {object} Channel
 * @property {string} id
 * @property {string} kind
 * @property {string} name
 * @property {boolean} enabled
 * @property {boolean} from_file
 * @property {string[]} events
 * @property {string[]} servers
 * @property {"low"|"medium"|"high"|null} threshold
 * @property {QuietHours|null} quiet_hours
 * @property {Record<string, any>} settings
 * @property {Record<string, boolean>} secrets
 * @property {string} target
 * @property {{waiting: number, given_up: number, last_at: number|null, last_error: string|null}} state
 */

/** @typedef {{user: string, approval: string, until: number}} Look */

/** @template T @typedef {{items: T[], next_cursor: string|null}} Page */

/**
 * A card of the queue: an approval, and what the page knows about it beside the hub.
 * @typedef {object} Item
 * @property {Approval} approval
 * @property {string} [busy]       the action that waits for the hub's answer
 * @property {string} [error]      what went wrong with the last one, in words
 * @property {number} [settledAt]  page time at which it stopped being pending
 * @property {boolean} [late]      somebody else was faster than this page
 */

export {};
