// The activity page with the real hub: what was called, and why it was denied.

import { test, before, after, afterEach } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mocked, shown, startWorld } from "./world.mjs";
import { complaints } from "./axe.mjs";

let world;
before(async () => {
  world = await startWorld();
});
after(() => world?.close());
afterEach(() => world.closePages());

test(
  "why a call was denied is found by words, and the address shows the same to others",
  { skip: mocked },
  async () => {
    const shim = await world.shim("denials");
    const page = await world.open("/activity");
    const rules = [{ tool: "delete_*", effect: "deny", description: "nothing is deleted here" }];
    const answer = await page.request.put("/api/v1/servers/denials/policy", {
      headers: await shown(page),
      data: { rules },
    });
    assert.ok(answer.ok(), await answer.text());
    assert.match(await shim.call("delete_repo", '{"repo":"lost"}').answer, /nothing is deleted here/);
    await shim.call("list_repos").answer;

    const search = page.getByLabel("Search tool, server, agent, reason, arguments and digest");
    await search.fill("lost deleted");
    await search.press("Enter");
    const row = page.locator("tbody tr");
    await row.locator("summary", { hasText: "argument rule: nothing is deleted here" }).click();
    await row.getByLabel("Arguments").getByText('{"repo":"lost"}', { exact: true }).waitFor();
    assert.equal(await row.count(), 1);
    assert.deepEqual(await complaints(page), []);
    const today = new Date();
    const two = (n) => String(n).padStart(2, "0");
    await page.getByLabel("From").fill(`${today.getFullYear()}-${two(today.getMonth() + 1)}-${two(today.getDate())}`);
    await page.getByLabel("Verdict").selectOption("deny");
    const { pathname, search: query } = new URL(page.url());
    assert.match(query, /^\?q=lost\+deleted&verdict=deny&from=\d{4}-\d\d-\d\d$/);

    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "JSONL" }).click();
    const rows = readFileSync(await (await saved).path(), "utf8")
      .trim()
      .split("\n")
      .map(JSON.parse);
    assert.deepEqual(
      rows.map(({ tool, verdict, reasons, arguments: given }) => [tool, verdict, reasons[0], given]),
      [["delete_repo", "deny", "argument rule: nothing is deleted here", '{"repo":"lost"}']],
    );

    const other = await world.open(pathname + query, { user: "kim" });
    await other.locator("summary", { hasText: "nothing is deleted here" }).waitFor();
    assert.equal(await other.locator("tbody tr").count(), 1);
    const alone = await world.open(`/activity?q=${rows[0].digest}`, { user: "kim" });
    await alone.locator("summary", { hasText: "nothing is deleted here" }).waitFor();
    await other.getByRole("button", { name: "Clear" }).click();
    await other.locator("tr", { hasText: "list_repos" }).waitFor();
    assert.equal(new URL(other.url()).search, "");
  },
);
