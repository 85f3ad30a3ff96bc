// What ledger.py is, for a machine that has Node and no Python: it appends every line it reads to a ledger file, as it came.
//
// Usage: ledger.mjs LEDGER_FILE
//
// Tools: list_repos passes under the default policy, delete_repo is gated; env lists the HITL_* variables it was given;
// exit ends the process with "code"; stay makes it live on when its stdin has ended.

import { appendFileSync } from "node:fs";

const TOOLS = ["list_repos", "delete_repo", "env", "exit", "stay"];
const ledger = process.argv[2];
const text = (message) => ({ content: [{ type: "text", text: message }] });

function call({ name, arguments: given = {} }) {
  if (name === "exit") process.exit(given.code);
  if (name === "stay") setInterval(() => {}, 1000);
  if (name === "env") return text(Object.keys(process.env).filter((key) => key.startsWith("HITL_")).join(" "));
  return text(`${name} done with ${JSON.stringify(given)}`);
}

function answer({ method, params }) {
  if (method === "initialize") {
    const serverInfo = { name: "ledger", version: "1" };
    return { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo };
  }
  if (method === "tools/list") return { tools: TOOLS.map((name) => ({ name, inputSchema: { type: "object" } })) };
  return method === "tools/call" ? call(params) : {};
}

let rest = Buffer.alloc(0);
process.stdin.on("data", (chunk) => {
  appendFileSync(ledger, chunk);
  rest = Buffer.concat([rest, chunk]);
  for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.subarray(end + 1)) {
    let message = {};
    try {
      message = JSON.parse(rest.subarray(0, end).toString()) ?? {};
    } catch {
      // What is no message is kept all the same.
    }
    if (message.method && "id" in message) {
      process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: answer(message) })}\n`);
    }
  }
});
process.stderr.write("ledger: ready\n");
