// Whether a person can see what a key is about to decide.

import { movedByItself } from "./guard.js";

/**
 * True when the card is before the person's eyes, its buttons in sight. If it is not, it is brought there, and a key
 * decides nothing for the same moment as on a card that just appeared.
 * @param {Element|null|undefined} card
 */
export function inSight(card) {
  const foot = card?.querySelector(".card-foot")?.getBoundingClientRect();
  if (!card || !foot) return false;
  const { top, height } = card.getBoundingClientRect();
  const tall = height > window.innerHeight;
  if (foot.top >= 0 && foot.bottom <= window.innerHeight && (top >= 0 || tall)) return true;
  card.scrollIntoView({ block: tall ? "end" : "nearest" });
  movedByItself();
  return false;
}
