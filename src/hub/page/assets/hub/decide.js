// What an approver does: approve, reject, extend, in batches too. The page says nothing is decided before the hub does.

import * as api from "./api.js";
import { get, set, toast } from "../browser/store.js";
import { CONFIRM_MS, SECOND_PRESS_AFTER_MS, justMoved, movedByItself } from "../browser/guard.js";
import { replace, upsert, visibleCards, neighbour } from "../rules/queue.js";
import { unopened } from "../rules/fold.js";
import { visible } from "../rules/glyphs.js";
import { plural, statusWords } from "../rules/format.js";

/** @typedef {import("../rules/types.js").Approval} Approval */

/** May this person decide? */
export const mayDecide = () => (get().session?.user.role ?? "viewer") !== "viewer";

/** @param {string} id */
const itemOf = (id) => get().queue.find((item) => item.approval.id === id);

/**
 * Sets the card that keys act on.
 * @param {string|null} id
 * @param {{byItself?: boolean}} [how]
 */
export function focus(id, how = {}) {
  if (id === get().focus) return;
  if (how.byItself) movedByItself();
  set({ focus: id, confirm: null, writing: null, finding: null });
}

/**
 * One press of Approve, by pointer or key. High trust takes two.
 * @param {string} id
 * @param {"pointer"|"key"} by
 * @param {string} [comment]
 */
export function pressApprove(id, by, comment) {
  const item = itemOf(id);
  if (!item || item.approval.status !== "pending" || item.busy || !mayDecide()) return;
  if (justMoved(by)) return;
  const folded = unopened(item.approval, get().opened);
  if (folded) return toast("warn", `Open the ${plural(folded, "folded part")} of the arguments first (O).`);
  if (item.approval.trust === "high") {
    const asked = get().confirm;
    const now = Date.now();
    const second = asked?.id === id && now - asked.at < CONFIRM_MS;
    if (second && now - asked.at < SECOND_PRESS_AFTER_MS) return;
    if (!second)
      return set({ confirm: { id, at: now }, writing: get().writing?.what === "approve" ? get().writing : null });
  }
  void decide(id, "approve", comment ? { comment } : {});
}

/** @param {string} id @param {string} [reason] */
export const reject = (id, reason) => decide(id, "reject", reason ? { reason } : {});

/** @param {string} id */
export const extend = (id) => decide(id, "extend");

/**
 * @param {string} id
 * @param {"approve"|"reject"|"extend"} action
 * @param {object} [body]
 */
async function decide(id, action, body) {
  if (itemOf(id)?.busy) return;
  set({ queue: replace(get().queue, id, { busy: action, error: undefined }), confirm: null });
  try {
    const digest = action === "extend" ? undefined : itemOf(id)?.approval.digest;
    const answer = await api.act(id, action, { ...body, digest });
    const approval = answer?.status ? answer : await api.approval(id);
    settle(id, approval);
    const what = `${visible(approval.tool)} on ${visible(approval.server)}`;
    if (action === "extend") toast("ok", `More time for ${what}.`);
    else
      toast(
        action === "approve" ? "ok" : "warn",
        `${statusWords[/** @type {Approval} */ (approval).status]}: ${what}.`,
      );
  } catch (error) {
    await failed(id, action, error);
  }
}

/** The time to read it begins with our answer, also when an event brought the end before. @param {string} id @param {Approval} approval @param {boolean} [late] */
function settle(id, approval, late) {
  const settledAt = approval.status === "pending" ? undefined : Date.now();
  set({
    queue: replace(upsert(get().queue, approval, Date.now()), id, {
      busy: undefined,
      error: undefined,
      late,
      settledAt,
    }),
    writing: get().writing?.id === id ? null : get().writing,
  });
  deselect(id);
  if (approval.status !== "pending") moveOn(id);
}

/** Too late shows the winner; everything else says what went wrong, on the card. @param {string} id @param {string} action @param {unknown} error */
async function failed(id, action, error) {
  const words = error instanceof Error ? error.message : String(error);
  if (error instanceof api.ApiError && error.status === 409 && action !== "extend") {
    const winner = error.approval ?? (await api.approval(id).catch(() => null));
    if (winner?.status === "pending") {
      // Another text of the same call took its place: it is there to be read now.
      settle(id, winner);
      set({ queue: replace(get().queue, id, { error: words }) });
      return toast("warn", words);
    }
    if (winner) {
      settle(id, winner, true);
      return toast(
        "warn",
        `${winnerWords(winner)} Your ${action === "approve" ? "approval" : "rejection"} changed nothing.`,
      );
    }
  }
  set({ queue: replace(get().queue, id, { busy: undefined, error: words }) });
  toast("error", words);
}

/** Who was faster, in a sentence. @param {Approval} approval */
export function winnerWords(approval) {
  const who = approval.decided_by ? visible(approval.decided_by) : null;
  if (approval.status === "approved") return `${who ?? "Somebody"} approved this already.`;
  if (approval.status === "rejected") return `${who ?? "Somebody"} rejected this already.`;
  if (approval.status === "timed_out") return "The time was up: it counts as rejected.";
  return "The call was taken back before you decided.";
}

/** @param {string} id */
function deselect(id) {
  if (!get().selected.has(id)) return;
  const selected = new Set(get().selected);
  selected.delete(id);
  set({ selected });
}

/** From a card that is settled to the next one that waits. @param {string} id */
export function moveOn(id) {
  if (get().focus !== id) return;
  const cards = visibleCards(get().queue, get().filter);
  focus(neighbour(cards, id, 1) ?? neighbour(cards, id, -1), { byItself: true });
}

/**
 * Decides these cards in one request and tells about each.
 * @param {string[]} ids
 * @param {"approve"|"reject"} action
 * @param {string} [reason]
 */
export async function decideBatch(ids, action, reason) {
  if (!ids.length || !mayDecide()) return;
  set({ queue: get().queue.map((i) => (ids.includes(i.approval.id) ? { ...i, busy: action, error: undefined } : i)) });
  let results;
  try {
    const answer = await api.batch(ids, action, digestsOf(ids), reason);
    results = answer?.results ?? answer?.items ?? answer;
  } catch (error) {
    set({ queue: get().queue.map((i) => (ids.includes(i.approval.id) ? { ...i, busy: undefined } : i)) });
    return toast("error", error instanceof Error ? error.message : String(error));
  }
  const failures = results.map(takeResult).filter(Boolean).length;
  const done = plural(ids.length - failures, "call");
  const word = action === "approve" ? "approved" : "rejected";
  if (failures) toast("warn", `${done} ${word}, ${failures} not: see the cards.`);
  else toast("ok", `${done} ${word}.`);
}

/** What stands on these cards. @param {string[]} ids */
const digestsOf = (ids) => Object.fromEntries(ids.map((id) => [id, itemOf(id)?.approval.digest]));

/** More time for each of these. @param {string[]} ids */
export async function extendBatch(ids) {
  if (!mayDecide()) return;
  const results = await Promise.allSettled(ids.map(async (id) => settle(id, await api.act(id, "extend"))));
  const failures = results.filter((result) => result.status === "rejected").length;
  const done = `More time for ${plural(ids.length - failures, "call")}`;
  if (failures) toast("warn", `${done}, ${failures} had none left to give.`);
  else toast("ok", `${done}.`);
}

/** One result of a batch; true when it failed. @param {any} result */
function takeResult(result) {
  const ok = result.ok ?? (result.status === undefined || result.status < 300);
  const error = result.detail ?? result.error?.detail ?? result.error ?? result.title;
  const changed = !ok && result.approval?.status === "pending";
  if (result.approval) settle(result.id, result.approval, !ok && !changed);
  if (changed || !result.approval)
    set({
      queue: replace(get().queue, result.id, {
        busy: undefined,
        error: ok ? undefined : String(error ?? "It could not be decided."),
      }),
    });
  return !ok;
}
