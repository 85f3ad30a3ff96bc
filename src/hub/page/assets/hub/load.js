// Reading something for a screen: again when events say that it changed, without losing what is shown meanwhile.

import { useState, useEffect, useRef } from "../browser/ui.js";
import { useStore } from "../browser/store.js";

/**
 * @template T
 * @param {() => Promise<T>} read
 * @param {unknown[]} inputs    read anew, from nothing, when one of these changes
 * @param {string[]} [kinds]    events after which to read again
 * @returns {{data: T|undefined, error: string, reload: () => Promise<void>, put: (data: T) => void}}
 */
export function useLoad(read, inputs, kinds = []) {
  const [data, put] = useState(/** @type {T|undefined} */ (undefined));
  const [error, setError] = useState("");
  const changes = useStore((state) => kinds.map((kind) => state.changes[kind] ?? 0).join());
  const latest = useRef(0);
  const reload = async () => {
    const mine = ++latest.current;
    try {
      const fresh = await read();
      if (mine !== latest.current) return;
      put(() => fresh);
      setError("");
    } catch (problem) {
      if (mine === latest.current) setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  useEffect(() => {
    put(() => undefined);
    setError("");
    void reload();
    return () => void latest.current++;
  }, inputs);
  const line = useStore((state) => state.line);
  useEffect(() => {
    if (line === "live" && error) void reload();
  }, [line]);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) void reload();
    first.current = false;
  }, [changes]);
  return { data, error, reload, put: (value) => put(() => value) };
}

/**
 * Text that somebody edits, and that begins anew when what is kept of it changes.
 * @param {string} kept
 * @returns {[string, (text: string) => void]}
 */
export function useDraft(kept) {
  const [text, setText] = useState(kept);
  const last = useRef(kept);
  useEffect(() => {
    // Not when it first appears: somebody may be typing already.
    if (last.current === kept) return;
    last.current = kept;
    setText(kept);
  }, [kept]);
  return [text, setText];
}
