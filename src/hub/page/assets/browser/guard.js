// What keeps a press that was meant for something else from approving: the moments at which things moved by themselves.

/** A card that just appeared or moved is not approved by a press that was meant for something else. */
export const GUARD_MS = 500;
/** A high-trust approve waits this long for its second press. */
export const CONFIRM_MS = 5000;
/** Sooner than this, a second press is the same double click. */
export const SECOND_PRESS_AFTER_MS = 250;

let shiftedAt = 0;
let focusMovedAt = 0;

/** The list moved under the pointer by itself. */
export const shifted = () => void (shiftedAt = Date.now());
/** What keys act on came to where the person looks by itself. */
export const movedByItself = () => void (focusMovedAt = Date.now());

/** Whether a press may be meant for what was there a moment ago. @param {"pointer"|"key"} by */
export const justMoved = (by) => Date.now() - (by === "key" ? focusMovedAt : shiftedAt) < GUARD_MS;
