// What axe has to say against a page.

import { readFileSync } from "node:fs";

const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Complaints as short lines, about the whole page or a part of it. */
export async function complaints(page, part = "html") {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(settledAndRun, [part, runOnly]);
  return violations.flatMap((v) =>
    v.nodes.map((node) => `${v.id}: ${node.target} ${node.failureSummary?.split("\n")[1] ?? ""}`),
  );
}

/** In the page. A colour half-way through its transition is nobody's contrast: each is brought to its end first. */
function settledAndRun([part, only]) {
  for (const animation of document.getAnimations()) animation.finish();
  return window.axe.run(part, { runOnly: only });
}
