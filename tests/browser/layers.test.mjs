// The page's folders say what may touch what: an arrow only goes down, and what reaches outside the page has one place.

import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { posix } from "node:path";

const assets = new URL("../../src/hub/page/assets/", import.meta.url);
/** What the files of a folder may import, their own folder included. */
const floors = {
  rules: ["rules"],
  browser: ["browser", "rules", "vendor"],
  hub: ["hub", "browser", "rules"],
  components: ["components", "hub", "browser", "rules"],
  screens: ["screens", "components", "hub", "browser", "rules"],
  ".": ["screens", "components", "hub", "browser", "rules"],
};
/** What only the files of some folder, or one file, may name. */
const doors = [
  [
    /\b(document|window|location|navigator|localStorage|history|setTimeout|requestAnimationFrame)\b[.(]|Date\.now\(|new Date\(\)/,
    (file) => !file.startsWith("rules/"),
    "rules are pure",
  ],
  [/(?<![.\w])fetch\(/, (file) => file.startsWith("hub/") || file === "sw.js", "only hub/ asks the hub"],
  [/localStorage|sessionStorage|indexedDB/, (file) => file.startsWith("browser/"), "only browser/ keeps anything"],
  [
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\(|dangerouslySet/,
    () => false,
    "text becomes text nodes only",
  ],
];

const files = readdirSync(assets, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".js"))
  .map((entry) => posix.join(posix.relative(assets.pathname, entry.parentPath), entry.name))
  .filter((file) => !file.startsWith("vendor/"));
const text = new Map(files.map((file) => [file, readFileSync(new URL(file, assets), "utf8")]));
/** The code without its comments. */
const code = (file) => text.get(file).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
/** Every file that one names, in types too. */
const named = (file) =>
  [...text.get(file).matchAll(/(?:from |import\(|^import )"(\.[^"]+)"/gm)].map(([, path]) =>
    posix.join(posix.dirname(file), path),
  );
/** Those that run when it runs. */
const imported = (file) =>
  [...code(file).matchAll(/(?:from |^import )"(\.[^"]+)"/gm)].map(([, path]) => posix.join(posix.dirname(file), path));

test("every file lies on a floor and names files of its own or lower ones only", () => {
  const wrong = files.flatMap((file) => {
    const allowed = floors[posix.dirname(file)];
    return allowed
      ? named(file)
          .filter((path) => !allowed.includes(posix.dirname(path)))
          .map((path) => `${file} -> ${path}`)
      : [`${file} lies on no floor`];
  });
  assert.deepEqual(wrong, []);
});

test("no two files import each other, however far round", () => {
  const done = new Set();
  const visit = (file, way) => {
    assert.ok(!way.includes(file), [...way, file].join(" -> "));
    if (done.has(file) || !text.has(file)) return;
    imported(file).forEach((next) => visit(next, [...way, file]));
    done.add(file);
  };
  files.forEach((file) => visit(file, []));
});

test("what reaches outside a rule has one door", () => {
  for (const [pattern, allowed, why] of doors) {
    const wrong = files.filter((file) => !allowed(file) && pattern.test(code(file)));
    assert.deepEqual(wrong, [], why);
  }
});
