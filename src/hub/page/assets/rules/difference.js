// The lines in which two texts differ, by the longest common subsequence.

/** @typedef {{kind: "same"|"added"|"removed", text: string}} Change */

const LIMIT = 2000;

/**
 * What to do to `before` to get `after`; null when the texts are too long to compare here.
 * @param {string[]} before
 * @param {string[]} after
 * @returns {Change[]|null}
 */
export function difference(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail))
    tail++;
  const a = before.slice(head, before.length - tail);
  const b = after.slice(head, after.length - tail);
  if (a.length > LIMIT || b.length > LIMIT) return null;
  /** @type {(text: string) => Change} */
  const same = (text) => ({ kind: "same", text });
  return [...before.slice(0, head).map(same), ...middle(a, b), ...before.slice(before.length - tail).map(same)];
}

/** @param {string[]} a @param {string[]} b @returns {Change[]} */
function middle(a, b) {
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  const at = (/** @type {number} */ i, /** @type {number} */ j) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  /** @type {Change[]} */
  const changes = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      changes.push({ kind: "same", text: a[i] ?? "" });
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) {
      changes.push({ kind: "removed", text: a[i++] ?? "" });
    } else {
      changes.push({ kind: "added", text: b[j++] ?? "" });
    }
  }
  return changes;
}
