// The vendored modules are the published ones, but for the lines that their README names.

import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const vendored = (name) => read(`../../src/hub/page/assets/vendor/${name}`);
const published = (path) =>
  read(`node_modules/${path}`)
    .replace(/\/\/# sourceMappingURL=.*/, "")
    .trimEnd();

test("vendored modules are the published ones", () => {
  assert.equal(vendored("preact.js").trimEnd(), published("preact/dist/preact.mjs"));
  assert.equal(
    vendored("hooks.js").trimEnd(),
    published("preact/hooks/dist/hooks.mjs").replace('from"preact"', 'from"./preact.js"'),
  );
  assert.equal(vendored("htm.js").trimEnd(), published("htm/dist/htm.module.js"));
});

test("their note names the versions and integrity that the lock file has", () => {
  const lock = JSON.parse(read("package-lock.json")).packages;
  for (const name of ["preact", "htm"]) {
    const { version, integrity } = lock[`node_modules/${name}`];
    assert.ok(vendored("README.md").includes(`${name} ${version}`) && vendored("README.md").includes(integrity));
  }
});
