// Server-sent events over fetch: unlike EventSource it shows heartbeats and status codes, which the page needs in
// order to know whether what it shows is live.

/** @typedef {{event: string, data: string, id: string}} Message */

/**
 * Cuts a stream of text into messages.
 * @param {(message: Message) => void} deliver
 */
export function parser(deliver) {
  let rest = "";
  let event = "";
  let id = "";
  /** @type {string[]} */
  let data = [];
  const field = (/** @type {string} */ line) => {
    if (line === "") {
      if (data.length) deliver({ event: event || "message", data: data.join("\n"), id });
      event = "";
      data = [];
      return;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "data") data.push(value);
    else if (name === "id") id = value;
  };
  return (/** @type {string} */ text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    lines.forEach(field);
  };
}

/**
 * Reads one connection until it ends; throws when it cannot be made or breaks.
 * @param {string} url
 * @param {{headers: Record<string, string>, lastId: string, silence: number, onOpen: () => void, onAlive: () => void, onMessage: (m: Message) => void, signal: AbortSignal}} how
 *   `silence` is the time in milliseconds after which a quiet line counts as dead
 */
export async function read(url, how) {
  const cut = new AbortController();
  const stop = () => cut.abort();
  how.signal.addEventListener("abort", stop);
  let watchdog = setTimeout(stop, how.silence);
  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(stop, how.silence);
    how.onAlive();
  };
  try {
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream", ...how.headers };
    if (how.lastId) headers["Last-Event-ID"] = how.lastId;
    const answer = await fetch(url, { headers, signal: cut.signal, credentials: "same-origin", cache: "no-store" });
    if (!answer.ok || !answer.body) throw Object.assign(new Error("refused"), { status: answer.status });
    how.onOpen();
    const feed = parser(how.onMessage);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      feed(value);
    }
  } finally {
    clearTimeout(watchdog);
    how.signal.removeEventListener("abort", stop);
  }
}
