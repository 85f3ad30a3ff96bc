// The page's rules that need no browser.

import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { activity, hostile, approval } from "./fixtures.mjs";

const from = (name) => import(`../../src/hub/page/assets/${name}.js`);
const { tokenize, layout, lineText, segments } = await from("rules/tokens");
const { pieces, visible, isMixed } = await from("rules/glyphs");
const { shapeOf, unopened, cut, isLong, REST } = await from("rules/fold");
const { findIn, countIn } = await from("rules/find");
const { riskyWords, riskyIn, hinted } = await from("rules/risky");
const { gates, undescribed } = await from("rules/gates");
const { upsert, reconcile, neighbour, visibleCards } = await from("rules/queue");
const { approvalColumns, activityColumns, csv, cell, jsonl } = await from("rules/csv");
const { difference } = await from("rules/difference");
const { dayOf, midnights } = await from("rules/insights");
const { parser } = await from("hub/sse");
const { countdown, duration, ago, actionWords, forWhom } = await from("rules/format");

const values = (raw) =>
  tokenize(raw)
    .filter((t) => t.kind === "number" || t.kind === "string")
    .map((t) => t.text);

test("numbers keep the literal that was sent", () => {
  assert.deepEqual(values(hostile.numbers), [
    "9007199254740993",
    "9007199254740992",
    "123456789012345678901234567890",
    "1.10",
    "1E400",
    "-0",
  ]);
});

test("a duplicate key is kept and marked, also when it is written with an escape", () => {
  const keys = (raw) =>
    tokenize(raw)
      .filter((t) => t.kind === "key")
      .map((t) => Boolean(t.duplicate));
  assert.deepEqual(keys('{"a":1,"a":2}'), [false, true]);
  assert.deepEqual(keys('{"a":1,"\\u0061":2}'), [false, true]);
  assert.deepEqual(keys('{"a":{"a":1},"b":{"a":1}}'), [false, false, false, false]);
});

test("every character except white space between tokens survives, whatever the text", () => {
  for (const raw of [
    ...Object.values(hostile).map((h) => (typeof h === "function" ? h() : h)),
    '"\\',
    "}{",
    '{"a":"b',
    "\u0000",
    "[1,,2]",
    '{"a" "b"}',
    "",
  ]) {
    const kept = tokenize(raw)
      .map((t) => t.text)
      .join("");
    assert.equal(kept.replace(/[ \t\r\n]/g, ""), raw.replace(/[ \t\r\n]/g, ""));
  }
});

test("what is not JSON is shown to its end as it came", () => {
  const tokens = tokenize('{"a": tru, "b": "rm"}');
  assert.deepEqual(tokens.at(-1), { kind: "bad", text: 'tru, "b": "rm"}' });
});

test("lines are indented by depth and short values stay together", () => {
  assert.deepEqual(layout(tokenize('{"a":[1,2],"b":{"c":{"d":"' + "x".repeat(80) + '"}},"e":{}}')).map(lineText), [
    "{",
    '  "a": [1, 2],',
    '  "b": {',
    '    "c": {',
    `      "d": "${"x".repeat(80)}"`,
    "    }",
    "  },",
    '  "e": {}',
    "}",
  ]);
});

test("escapes are told apart from text, surrogate pairs as one", () => {
  assert.deepEqual(segments("a\\n\\ud83d\\ude00\\u202e"), [
    { text: "a" },
    { text: "\\n", decoded: "\n" },
    { text: "\\ud83d\\ude00", decoded: "😀" },
    { text: "\\u202e", decoded: "\u202e" },
  ]);
});

test("characters that nobody sees become labels", () => {
  for (const char of [
    "\u202e",
    "\u200b",
    "\u2066",
    "\ufeff",
    "\u00ad",
    "\u0000",
    "\u001b",
    "\u2028",
    "\ue000",
    "\u{e0041}",
    "\u00a0",
    "\u3164",
    "\ud800",
  ]) {
    const marked = pieces(`a${char}b`).filter((p) => p.mark === "hidden");
    assert.equal(marked.length, 1, `U+${char.codePointAt(0).toString(16)}`);
    assert.ok(!visible(`a${char}b`).includes(char));
  }
});

test("what deceives is the same on the page as in the core, but for what no character is", () => {
  const source = readFileSync(new URL("../../src/core/inert.rs", import.meta.url), "utf8");
  const ranges = [...source.matchAll(/\((0x[0-9a-f]+), (0x[0-9a-f]+)\)/g)].map(([, first, last]) => [
    Number(first),
    Number(last),
  ]);
  assert.ok(ranges.length > 40);
  const marked = (char) => pieces(`a${char}b`).some((p) => p.mark === "hidden");
  const differ = [];
  for (let point = 0; point <= 0x10ffff; point++) {
    const char = String.fromCodePoint(point);
    const inCore = ranges.some(([first, last]) => point >= first && point <= last);
    const isNone = !inCore && /[\p{Cn}\p{Cs}]/u.test(char);
    if (inCore !== marked(char) && !isNone) differ.push(point.toString(16));
  }
  assert.deepEqual(differ, []);
});

test("ordinary text of any script and emoji stay as they are", () => {
  for (const text of ["naïve café", "Привет мир", "你好，世界", "مرحبا", "👩‍👩‍👧 ❤️ 👍🏽", "Ωμέγα", "日本語テキスト"])
    assert.equal(visible(text), text);
  assert.equal(isMixed("Привет hello"), false);
});

test("a word that mixes Latin with imitations of it is marked", () => {
  assert.deepEqual(
    pieces("\u0430dmin").map((p) => p.mark),
    ["lookalike", undefined],
  );
  assert.deepEqual(
    pieces("ｒｍ").every((p) => p.mark === "lookalike"),
    true,
  );
});

test("folds are counted until each was opened", () => {
  const long = approval({ arguments: hostile.long() });
  assert.equal(unopened(long, new Map()), 1);
  assert.equal(unopened(long, new Map([[long.id, new Set(shapeOf(long).folds)]])), 0);
  const many = approval({ arguments: hostile.many() });
  assert.deepEqual(shapeOf(many).folds, [REST]);
});

test("what is short enough to read stays whole, and what is folded shows both ends, cut at lines", () => {
  const sql = (lines) => `"${"select name from people;\\n".repeat(lines)}DELETE FROM api_keys;"`;
  assert.equal(isLong({ text: sql(27) }), false, `${sql(27).length} characters`);
  assert.equal(isLong({ text: `"${"a\\n".repeat(85)}"` }), true, "by its lines");
  assert.equal(isLong({ text: sql(200) }), true);
  const [head, folded, tail] = cut(sql(200));
  assert.equal(head + folded + tail, sql(200));
  assert.ok(head.endsWith("\\n") && folded.endsWith("\\n"), "both cuts are at the ends of lines");
  assert.ok(tail.endsWith('DELETE FROM api_keys;"'));
  for (const unit of ["x", "\\\\", "\\u00e9", "\\n", "\\\\n", "😀", '\\"', "a\\\\\\u0041"]) {
    for (const lead of ["", "a", "ab", "abc", "abcd", "abcde"]) {
      const parts = cut(`"${lead}${unit.repeat(3000)}"`);
      assert.equal(parts.join(""), `"${lead}${unit.repeat(3000)}"`);
      const [one, two] = parts.map((part) => (part.match(/\\(?:u[0-9a-fA-F]{4}|[^u])|[^\\]/gu) ?? []).join(""));
      assert.deepEqual([one, two], parts.slice(0, 2), `${lead}${unit} is cut beside every escape`);
      assert.ok(parts[0].length > 0 && parts[0].length <= 1202);
    }
  }
});

test("words that destroy are found whole, in names too, and nothing else", () => {
  const found = (text) => riskyWords(text);
  assert.deepEqual(found("DROP TABLE x; delete_all"), ["DROP", "delete"]);
  assert.deepEqual(found("rm -rf / && git push --force"), ["rm", "-rf", "--force"]);
  for (const calm of [
    "undelete",
    "dropbox",
    "format",
    "a form of skill",
    "trimmed",
    "alarm",
    "terms",
    "--forceful",
    "deletes3",
  ])
    assert.deepEqual(found(calm), [], calm);
  assert.equal(
    hinted("please DROP it")
      .map((part) => part.text)
      .join(""),
    "please DROP it",
  );
});

test("what a fold hides is named, also right after an escape", () => {
  assert.deepEqual(riskyIn("id = 7;\\nDELETE FROM api_keys;\\tDROP\\u000atruncate"), ["DELETE", "DROP", "truncate"]);
  assert.deepEqual(riskyIn("un\\u0064elete"), []);
});

test("words are found across the pieces of a line, whatever the case", () => {
  const spots = (pieces, words) =>
    findIn(pieces, words, 9).map(({ from, to }) => `${from.piece}:${from.at}-${to.piece}:${to.at}`);
  assert.deepEqual(spots(["a DR", "OP b", " drop"], "drop"), ["0:2-1:2", "2:1-2:5"]);
  assert.deepEqual(spots(["one", "", "two"], "two"), ["2:0-2:3"]);
  assert.deepEqual(spots(["aaaa"], "aa"), ["0:0-0:2", "0:2-0:4"]);
  assert.deepEqual(spots(["x"], ""), []);
  assert.equal(findIn(["aaaa"], "a", 2).length, 2);
  assert.equal(countIn("Drop drop", "DROP"), 2);
});

test("warnings count what is strange, as text and as escapes", () => {
  const { notes } = shapeOf(approval({ arguments: hostile.bidi }));
  assert.deepEqual(notes, { hidden: 6, lookalike: 2, duplicate: 0, bad: 0 });
});

test("two megabytes and deep nesting are laid out in no time", () => {
  const before = process.cpuUsage();
  shapeOf(approval({ arguments: hostile.huge() }));
  shapeOf(approval({ arguments: hostile.deep(20_000) }));
  // Time on a core, a tenth of a second of it: what else the machine does is not counted.
  assert.ok(process.cpuUsage(before).user < 5_000_000);
});

test("new cards go to the end and nothing becomes pending again", () => {
  const [a, b] = [approval({ created_at: 1, id: "a" }), approval({ created_at: 2, id: "b" })];
  let queue = upsert(upsert([], b, 5), a, 5);
  assert.deepEqual(
    queue.map((i) => i.approval.id),
    ["a", "b"],
  );
  queue = upsert(queue, { ...a, status: "approved" }, 9);
  queue = upsert(queue, a, 10);
  assert.deepEqual([queue[0].approval.status, queue[0].settledAt], ["approved", 9]);
});

test("reading the queue again names what the hub no longer lists, but not what events just brought", () => {
  const [a, b, c] = ["a", "b", "c"].map((id, i) => approval({ id, created_at: i }));
  const queue = [{ approval: a }, { approval: b }];
  const after = reconcile(queue, [c], new Set(["b"]), 1);
  assert.deepEqual(after.gone, ["a"]);
  assert.deepEqual(
    after.queue.map((i) => i.approval.id),
    ["a", "b", "c"],
  );
});

test("moving skips settled cards and stops at the ends", () => {
  const cards = ["a", "b", "c"].map((id) => ({ approval: approval({ id }) }));
  cards[1].approval.status = "rejected";
  assert.equal(neighbour(cards, null, 1), "a");
  assert.equal(neighbour(cards, "a", 1), "c");
  assert.equal(neighbour(cards, "c", 1), null);
  assert.equal(neighbour(cards, "c", -1), "a");
});

test("the filter looks at names and arguments", () => {
  const cards = [
    { approval: approval({ server: "x" }) },
    { approval: approval({ server: "y", arguments: '{"find":"Needle"}' }) },
  ];
  const nothing = { server: "", agent: "", trust: "", text: "" };
  assert.equal(visibleCards(cards, { ...nothing, text: "needle" }).length, 1);
  assert.equal(visibleCards(cards, { ...nothing, server: "x", trust: "low" }).length, 0);
});

test("a claimed user is never written like a known one", () => {
  const [known, claimed] = [{ user: "ada" }, { user: null, claimed_user: "ceo" }].map((given) => approval(given));
  assert.deepEqual([known, claimed].map(forWhom), [" for ada", " for ceo (claimed)"]);
  const [names, ...cells] = csv([known, claimed], approvalColumns)
    .split("\r\n")
    .map((line) => line.split(","));
  const column = (name) => cells.slice(0, 2).map((row) => row[names.indexOf(name)]);
  assert.deepEqual(
    [column("user"), column("claimed_user")],
    [
      ["ada", ""],
      ["", "ceo"],
    ],
  );
});

test("a spreadsheet shows cells and runs none", () => {
  for (const bad of ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "|x", "%x"]) assert.ok(/^"?'/.test(cell(bad)), bad);
  assert.equal(cell(-5), "-5");
  assert.equal(cell('a"b,c'), '"a""b,c"');
  const row = approval({ reason: "=HYPERLINK(1)", tool: "a\nb" });
  assert.match(csv([row], approvalColumns), /'=HYPERLINK/);
  assert.deepEqual(JSON.parse(jsonl([row])).reason, "=HYPERLINK(1)");
  const denied = { ...activity(6).find((one) => one.verdict === "deny"), arguments: "=1+1" };
  assert.match(csv([denied], activityColumns), /,argument rule: no deletes at night,[0-9a-f]{64},'=1\+1\r\n$/);
});

test("a difference names the changed lines alone", () => {
  const kinds = difference(["a", "b", "c"], ["a", "x", "c"]).map((c) => c.kind + c.text);
  assert.deepEqual(kinds, ["samea", "removedb", "addedx", "samec"]);
  assert.ok(difference(["a"], ["a"]).every((c) => c.kind === "same"));
});

test("events are read across chunk borders, comments and any line end", () => {
  const got = [];
  const feed = parser((m) => got.push(m));
  for (const part of ["id: 1\neve", "nt: approval\r\nda", 'ta: {"a":\ndata: 1}\n', "\n:\n\n", "data: x\n\n"])
    feed(part);
  assert.deepEqual(got, [
    { event: "approval", data: '{"a":\n1}', id: "1" },
    { event: "message", data: "x", id: "1" },
  ]);
});

test("what a server makes wait is said with rules and those let through, and whether it was chosen", () => {
  const policy = { require_all: false, threshold: "high", bypass: [], rules: [], gate_changed_tools: null };
  const tools = [{ hitl: false, trust_from: "name", annotations: null }];
  const server = (change = {}, more = tools) => ({ policy: { ...policy, ...change }, tools: more });
  assert.equal(gates(server()), "high risk waits");
  assert.equal(
    gates(server({ rules: [{}, {}], bypass: ["a"] }, [{ ...tools[0], hitl: true }])),
    "high risk waits, 1 tool switched on, 2 argument rules · 1 agent let through",
  );
  assert.equal(gates(server({ threshold: null, bypass: ["a"] })), "nothing waits · 1 agent let through");
  assert.equal(undescribed(server()), true);
  for (const change of [{ require_all: true }, { threshold: null }, { threshold: "medium" }, { rules: [{}] }])
    assert.equal(undescribed(server(change)), false);
  assert.equal(undescribed(server({}, [])), false);
  assert.equal(undescribed(server({}, [{ ...tools[0], annotations: { title: "Look" } }])), true);
  assert.equal(undescribed(server({}, [{ ...tools[0], annotations: { readOnlyHint: false } }])), false);
});

test("times read well", () => {
  assert.deepEqual(
    [countdown(272_000), countdown(59_001), countdown(-5), countdown(3_725_000)],
    ["4:32", "1:00", "0:00", "1:02:05"],
  );
  assert.deepEqual(
    [duration(412), duration(4000), duration(125_000), duration(7_200_000)],
    ["412 ms", "4.0 s", "2 min 5 s", "2 h"],
  );
  assert.deepEqual([ago(500), ago(28_000), ago(200_000)], ["just now", "28 s ago", "3 min ago"]);
});

test("the days of the chart begin at midnight, whatever summer time does", () => {
  const now = new Date(2026, 2, 30, 9).getTime();
  const found = midnights(now);
  assert.equal(found.length, 15);
  assert.ok(found.every((at) => new Date(at).getHours() === 0 && new Date(at).getMinutes() === 0));
  assert.deepEqual([dayOf(found[0]), dayOf(found[13]), dayOf(found[14])], ["2026-03-17", "2026-03-30", "2026-03-31"]);
});

test("every step that the hub records of an approval has words", () => {
  const room = new URL("../../src/hub/approvals/", import.meta.url);
  const files = readdirSync(room, { recursive: true }).filter((file) => file.endsWith(".rs"));
  const recorded = files.flatMap((file) => readFileSync(new URL(file, room), "utf8").match(/"approval\.\w+"/g) ?? []);
  assert.ok(recorded.length > 10, "the steps are recorded elsewhere now");
  assert.deepEqual(
    [...new Set(recorded)].map((action) => JSON.parse(action)).filter((action) => !actionWords[action]),
    [],
  );
});
