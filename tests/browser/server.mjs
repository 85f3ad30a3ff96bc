// A small MCP server over stdio for the browser tests: it says what it was given, byte for byte, and nothing else.
// With a file named, its tools are what that file says each time they are listed.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const file = process.argv[2];
const own = ["delete_repo", "create_issue", "list_repos", "execute_sql"].map((name) => ({
  name,
  description: `${name} of the test server.`,
  inputSchema: { type: "object" },
}));

const tools = () => (file ? JSON.parse(readFileSync(file, "utf8")) : own);
const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === "initialize")
    send({
      jsonrpc: "2.0",
      id,
      result: {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "test", version: "1" },
      },
    });
  else if (method === "tools/list") send({ jsonrpc: "2.0", id, result: { tools: tools() } });
  else if (method === "tools/call")
    send({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: `ran ${line.length} ${params.name}` }] } });
  else if (id !== undefined) send({ jsonrpc: "2.0", id, result: {} });
});
