// The half of a session that no cookie carries. The hub tells it once, at sign-in, and wants it with every request; an
// origin, port included, has a storage of its own, so that no other page of this machine can read it.

const KEY = "hitl.session";
/** Where nothing can be kept, it lasts as long as the page. */
let kept = "";

/** What requests show; empty when nobody signed in here. */
export function get() {
  try {
    return localStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

/** @param {string} half */
export function set(half) {
  kept = half;
  try {
    localStorage.setItem(KEY, half);
  } catch {
    // Another tab then has to sign in by itself.
  }
}

export function forget() {
  kept = "";
  try {
    localStorage.removeItem(KEY);
  } catch {
    // It was never there.
  }
}
