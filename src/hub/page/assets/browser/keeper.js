// Keeps the keyboard's place: when what has the focus goes away, what stood around it gets it, never the bare page.

/** What had the focus, and what stands around it, nearest first. @type {Element[]} */
let way = [];

/** Whether an element can have the focus by itself or by a script. @param {Element|undefined} element */
const takesFocus = (element) =>
  element instanceof HTMLElement &&
  element.isConnected &&
  !element.closest("[inert], [hidden]") &&
  !element.matches(":disabled") &&
  (element.hasAttribute("tabindex") || element.matches("a[href], button, input, select, textarea, summary"));

function look() {
  const [last] = way;
  const lost =
    document.activeElement === document.body ||
    document.activeElement === null ||
    document.activeElement.matches(":disabled");
  if (!last || !lost || takesFocus(last)) return;
  const next = way.find(takesFocus) ?? document.getElementById("main");
  if (next instanceof HTMLElement) next.focus({ preventScroll: true });
}

/** Listens; called once. */
export function keepPlace() {
  document.addEventListener("focusin", ({ target }) => {
    way = [];
    for (let at = target instanceof Element ? target : null; at && at !== document.body; at = at.parentElement)
      way.push(at);
  });
  // Where a person puts the focus nowhere, by a click beside everything, it stays nowhere.
  document.addEventListener("pointerdown", () => void (way = []), true);
  new MutationObserver(look).observe(document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["disabled", "hidden"],
  });
}
