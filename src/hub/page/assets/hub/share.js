// One tab of a browser holds the line to the hub and passes on what it hears: a browser opens only six connections to
// one host, and each tab that kept one of them would leave none to decide through.

/**
 * What the tab with the line tells the others, and they ask of it.
 * @typedef {{kind: "open"}|{kind: "alive"}|{kind: "lost", ms: number}|{kind: "over"}
 *   |{kind: "message", message: import("./sse.js").Message}|{kind: "here", lastId: string}} News
 * @typedef {{kind: "who"}|{kind: "hurry"}} Ask
 * @typedef {object} How
 * @property {(tell: (news: News) => void, signal: AbortSignal) => Promise<void>} lead  holds the line until the signal
 * @property {(ask: Ask["kind"]) => News[]} asked   what the leader answers
 * @property {(news: News) => void} hear            every tab hears everything, the leader its own words
 * @property {AbortSignal} signal
 */

/** A tab in sight that gets no answer for so long takes the line over: phones stop tabs that are out of sight. */
const ANSWER_MS = 2000;

/**
 * Leads when no other tab does, else follows the one that leads.
 * @param {string} name  tabs that share it share the line
 * @param {How} how
 * @returns {{ask: (kind: Ask["kind"]) => void}}
 */
export function share(name, how) {
  if (!navigator.locks) return alone(how);
  const channel = new BroadcastChannel(name);
  let leading = false;
  let unanswered = 0;
  /** @type {AbortController|null} */
  let queued = null;

  const tell = (/** @type {News} */ news) => {
    channel.postMessage(news);
    how.hear(news);
  };

  /** @param {LockOptions} options */
  async function hold(options) {
    const line = new AbortController();
    const end = () => line.abort();
    how.signal.addEventListener("abort", end);
    await navigator.locks
      .request(name, options, () => {
        leading = true;
        clearTimeout(unanswered);
        return how.lead(tell, line.signal);
      })
      // Another tab took it, or nobody is signed in any more.
      .catch(() => {});
    end();
    how.signal.removeEventListener("abort", end);
    leading = false;
  }

  /** Waits for its turn, again and again: what was taken away is waited for anew. */
  async function wait() {
    while (!how.signal.aborted) {
      queued = new AbortController();
      await hold({ signal: AbortSignal.any([queued.signal, how.signal]) });
      if (queued.signal.aborted) await hold({ steal: true });
    }
  }

  /** @param {Ask["kind"]} kind */
  function ask(kind) {
    if (leading) return void how.asked(kind);
    channel.postMessage({ kind });
    clearTimeout(unanswered);
    unanswered = window.setTimeout(() => !document.hidden && !leading && queued?.abort(), ANSWER_MS);
  }

  channel.onmessage = ({ data }) => {
    if (data.kind === "who" || data.kind === "hurry") return leading && how.asked(data.kind).forEach(tell);
    clearTimeout(unanswered);
    how.hear(data);
  };
  const look = () => document.hidden || leading || ask("who");
  document.addEventListener("visibilitychange", look);
  how.signal.addEventListener("abort", () => {
    document.removeEventListener("visibilitychange", look);
    clearTimeout(unanswered);
    channel.close();
  });
  void wait();
  ask("who");
  return { ask };
}

/** Where a browser has no locks, as over plain http from elsewhere, each tab in sight has a line, and one out of sight none. @param {How} how */
function alone(how) {
  /** @type {AbortController|null} */
  let line = null;
  const look = () => {
    line?.abort();
    if (document.hidden || how.signal.aborted) return;
    line = new AbortController();
    void how.lead(how.hear, line.signal);
  };
  document.addEventListener("visibilitychange", look);
  how.signal.addEventListener("abort", () => {
    document.removeEventListener("visibilitychange", look);
    line?.abort();
  });
  look();
  return { ask: (/** @type {Ask["kind"]} */ kind) => void how.asked(kind) };
}
