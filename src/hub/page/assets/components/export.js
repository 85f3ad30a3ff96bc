// A list as a file: every row that fits the filter, read page by page.

import { html, useState } from "../browser/ui.js";
import { toast } from "../browser/store.js";
import { number } from "../rules/format.js";
import { csv, jsonl } from "../rules/csv.js";

/** @typedef {Record<string, string|number|null>} Query */

/**
 * @template Row
 * @param {{name: string, query: Query, read: (query: Query) => Promise<import("../rules/types.js").Page<Row>>, columns: import("../rules/csv.js").Columns<Row>}} props
 */
export function Export({ name, query, read, columns }) {
  const [busy, setBusy] = useState("");
  const save = async (/** @type {"csv"|"jsonl"} */ format) => {
    try {
      const rows = await all(read, query, (count) => setBusy(`${number(count)} rows…`));
      download(
        format === "csv" ? csv(rows, columns) : jsonl(rows),
        `hitl-${name}.${format}`,
        format === "csv" ? "text/csv" : "application/jsonl",
      );
    } catch (error) {
      toast("error", error instanceof Error ? error.message : String(error));
    }
    setBusy("");
  };
  if (busy) return html`<span class="quiet" role="status">${busy}</span>`;
  return html`<span class="export"><span class="quiet">Export</span> <button class="link" onClick=${() => save("csv")}>CSV</button> <button class="link" onClick=${() => save("jsonl")}>JSONL</button></span>`;
}

/**
 * @template Row
 * @param {(query: Query) => Promise<import("../rules/types.js").Page<Row>>} read
 * @param {Query} query
 * @param {(count: number) => void} tell
 */
async function all(read, query, tell) {
  /** @type {Row[]} */
  const rows = [];
  /** @type {string|null} */
  let cursor = null;
  do {
    /** @type {import("../rules/types.js").Page<Row>} */
    const page = await read({ ...query, limit: 200, cursor });
    rows.push(...page.items);
    cursor = page.next_cursor;
    tell(rows.length);
  } while (cursor);
  return rows;
}

/** @param {string} text @param {string} name @param {string} type */
function download(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
