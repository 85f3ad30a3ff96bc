// An MCP client on the official TypeScript SDK, driven by one JSON argument as python_client.py is:
// {"sdk": "v1" | "v2", "command": [...], "env": {...}, "calls": [{"tool": ..., "arguments": {...}, "cancel": bool}]}

const spec = JSON.parse(process.argv[2]);

const say = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

async function sdk() {
  if (spec.sdk === "v2") {
    const { Client } = await import("@modelcontextprotocol/client");
    const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
    return { Client, StdioClientTransport, call: (client, params, options) => client.callTool(params, options) };
  }
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  return { Client, StdioClientTransport, call: (client, params, options) => client.callTool(params, undefined, options) };
}

const { Client, StdioClientTransport, call } = await sdk();
const [command, ...args] = spec.command;
const client = new Client({ name: "typescript-test", version: "1" });
await client.connect(new StdioClientTransport({ command, args, env: spec.env, stderr: "inherit" }));
const { tools } = await client.listTools();
say("tools", { names: tools.map((tool) => tool.name) });
for (const { tool, arguments: given, cancel } of spec.calls) {
  const stop = new AbortController();
  try {
    const onprogress = ({ progress, total, message }) => {
      say("progress", { progress, total: total ?? null, message });
      if (cancel) stop.abort();
    };
    const options = { onprogress, resetTimeoutOnProgress: true, signal: stop.signal };
    const result = await call(client, { name: tool, arguments: given }, options);
    const text = result.content.map((part) => part.text ?? "").join("");
    say("result", { is_error: result.isError === true, text });
  } catch (error) {
    if (stop.signal.aborted) say("cancelled");
    else say("error", { kind: error.constructor.name, text: String(error.message) });
  }
}
await client.close();
say("closed");
