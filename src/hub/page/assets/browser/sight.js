// Whether a person can see what a key is about to decide.

import { movedByItself } from "./guard.js";

/**
 * True when the card is before the person's eyes: whole, or, when it is taller than the window, from where it begins or
 * further down; its buttons are in sight all the time. If it is not, it is brought there, and a key decides nothing for
 * the same moment as on a card that just appeared.
 * @param {Element|null|undefined} card
 */
export function inSight(card) {
  const foot = card?.querySelector(".card-foot")?.getBoundingClientRect();
  if (!card || !foot) return false;
  const { top, bottom, height } = card.getBoundingClientRect();
  const room = window.innerHeight;
  const tall = height > room;
  const shown = tall ? top < room / 2 && bottom > room / 2 : top >= 0 && bottom <= room;
  if (shown && foot.top >= 0 && foot.bottom <= room) return true;
  card.scrollIntoView({ block: tall ? "start" : "nearest" });
  movedByItself();
  return false;
}
