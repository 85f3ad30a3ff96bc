// The shapes in rules/types.js are those that the hub sends: a field that is renamed on one side fails here.

import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mocked, shown, startWorld, until } from "./world.mjs";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
let world;
before(async () => {
  world = await startWorld();
});
after(() => world?.close());

/** What the compiler has to say against these answers being of these types; an unknown field is an error as well. */
function complaints(answers) {
  const folder = mkdtempSync(join(tmpdir(), "hitl-types-"));
  const types = path("../../src/hub/page/assets/rules/types.js");
  const lines = Object.entries(answers).map(
    ([name, rows], i) => `const _${i}: import(${JSON.stringify(types)}).${name}[] = ${JSON.stringify(rows)};`,
  );
  writeFileSync(join(folder, "answers.ts"), lines.join("\n"));
  const options =
    "--noEmit --allowJs --strict --skipLibCheck --types= --module esnext --moduleResolution bundler --target es2023";
  try {
    execFileSync(
      process.execPath,
      [
        path("node_modules/typescript/bin/tsc"),
        ...options
          .split(" ")
          .map((one) => (one === "--types=" ? ["--types", ""] : [one]))
          .flat(),
        join(folder, "answers.ts"),
      ],
      { encoding: "utf8" },
    );
    return "";
  } catch (error) {
    return error.stdout || String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the hub's JSON has the shapes that the page believes it has", { skip: mocked }, async () => {
  const shim = await world.shim("github");
  const page = await world.open("/approvals");
  const get = async (what) => {
    const answer = await page.request.get(`/api/v1/${what}`, { headers: await shown(page) });
    assert.ok(answer.ok(), `${what}: ${await answer.text()}`);
    return answer.json();
  };
  shim.call("delete_repo", '{"repo":"waits"}');
  shim.call("list_repos");
  const decided = shim.call("delete_repo", '{"repo":"ends"}');
  const card = page.locator("article.card", { hasText: "ends" });
  await card.locator(".reject-open").click();
  await card.getByRole("button", { name: "Wrong environment" }).click();
  await decided.answer;
  const approvals = (await get("approvals")).items;
  const servers = (await get("servers")).items;
  const agents = (await get("agents")).items;
  const activity = await until(async () => (({ items }) => items.length && items)(await get("activity")), "activity");
  const answers = {
    Session: [await get("session")],
    Approval: [...approvals, ...(await Promise.all(approvals.map(({ id }) => get(`approvals/${id}`))))],
    Server: [...servers, await get("servers/github")],
    Agent: agents,
    User: (await get("users")).items,
    ActivityRow: activity,
    Coverage: [await get(`servers/github/coverage?agent=${agents[0].client_id}`)],
  };
  for (const [name, rows] of Object.entries(answers)) assert.ok(rows.length, name);
  assert.equal(complaints(answers), "");
  const { status, ...rest } = approvals[0];
  assert.match(complaints({ Approval: [{ ...rest, state: status }] }), /state/, "a renamed field is seen");
});
