// Rows as CSV that a spreadsheet shows and never runs.

/** @template Row @typedef {[string, (row: Row) => unknown][]} Columns */

/** @type {Columns<import("./types.js").Approval>} */
export const approvalColumns = [
  ["id", (row) => row.id],
  ["created_at", (row) => iso(row.created_at)],
  ["decided_at", (row) => iso(row.decided_at)],
  ["status", (row) => row.status],
  ["server", (row) => row.server],
  ["tool", (row) => row.tool],
  ["trust", (row) => row.trust],
  ["agent", (row) => row.agent.name],
  ["client_id", (row) => row.agent.client_id],
  ["user", (row) => row.user],
  ["claimed_user", (row) => row.claimed_user],
  ["decided_by", (row) => row.decided_by],
  ["reason", (row) => row.reason],
  ["outcome", (row) => row.outcome],
  ["duration_ms", (row) => row.duration_ms],
  ["arguments_sha256", (row) => row.arguments_sha256],
  ["arguments", (row) => row.arguments],
];

/** @type {Columns<import("./types.js").ActivityRow>} */
export const activityColumns = [
  ["id", (row) => row.id],
  ["at", (row) => iso(row.at)],
  ["verdict", (row) => row.verdict],
  ["server", (row) => row.server],
  ["tool", (row) => row.tool],
  ["agent", (row) => row.agent.name],
  ["client_id", (row) => row.agent.client_id],
  ["approval", (row) => row.approval],
  ["outcome", (row) => row.outcome],
  ["duration_ms", (row) => row.duration_ms],
  ["dropped", (row) => row.dropped],
  ["reasons", (row) => row.reasons?.join("; ")],
  ["digest", (row) => row.digest],
  ["arguments", (row) => row.arguments],
];

/** @param {number|null} at */
const iso = (at) => (at === null || at === undefined ? "" : new Date(at).toISOString());

/** One cell: quoted where needed, and what a spreadsheet would take for a formula is marked as text. @param {unknown} value */
export function cell(value) {
  if (value === null || value === undefined) return "";
  const text = String(value);
  const safe = typeof value !== "number" && /^[\s]*[=+\-@\t\r\n|%]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @template Row @param {Row[]} rows @param {Columns<Row>} columns */
export const csv = (rows, columns) =>
  [columns.map(([name]) => name), ...rows.map((row) => columns.map(([, read]) => cell(read(row))))]
    .map((line) => line.join(","))
    .join("\r\n") + "\r\n";

/** @param {unknown[]} rows */
export const jsonl = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
