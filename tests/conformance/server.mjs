// The stdio server that the conformance suite's scenarios ask for, on the official SDK.

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import * as schema from "@modelcontextprotocol/sdk/types.js";
import { setTimeout as pause } from "node:timers/promises";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";
const text = (words) => ({ type: "text", text: words });
const image = { type: "image", data: PNG, mimeType: "image/png" };
const resource = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });
const object = (properties = {}, required = []) => ({ type: "object", properties, required });
const string = { type: "string" };

const capabilities = {
  tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: { listChanged: true },
  logging: {}, completions: {},
};
const server = new Server({ name: "conformance-server", version: "1" }, { capabilities });

const elicit = async (message, requestedSchema, extra) => {
  const params = { message, requestedSchema };
  const answer = await extra.sendRequest({ method: "elicitation/create", params }, schema.ElicitResultSchema);
  return [text(`Elicitation completed: action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`)];
};

const choices = ["option1", "option2", "option3"];
const titled = choices.map((value, at) => ({ const: value, title: `Option ${at + 1}` }));

const tools = {
  test_simple_text: () => [text("This is a simple text response for testing.")],
  test_image_content: () => [image],
  test_audio_content: () => [{ type: "audio", data: WAV, mimeType: "audio/wav" }],
  test_embedded_resource: () => [resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
  test_multiple_content_types: () => [
    text("Multiple content types test:"), image,
    resource("test://mixed-content-resource", "application/json", JSON.stringify({ test: "data", value: 123 })),
  ],
  test_tool_with_logging: async (_, extra) => {
    for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      await extra.sendNotification({ method: "notifications/message", params: { level: "info", data } });
      await pause(50);
    }
    return [text("Tool with logging executed successfully")];
  },
  test_tool_with_progress: async (_, extra) => {
    const progressToken = extra._meta?.progressToken ?? 0;
    for (const progress of [0, 50, 100]) {
      const params = { progressToken, progress, total: 100, message: `Completed step ${progress} of 100` };
      await extra.sendNotification({ method: "notifications/progress", params });
      await pause(50);
    }
    return [text(String(progressToken))];
  },
  test_error_handling: () => {
    throw new Error("This tool intentionally returns an error for testing");
  },
  test_sampling: async ({ prompt }, extra) => {
    const params = { messages: [{ role: "user", content: text(prompt) }], maxTokens: 100 };
    const answer = await extra.sendRequest({ method: "sampling/createMessage", params }, schema.CreateMessageResultSchema);
    return [text(`LLM response: ${answer.content.text}`)];
  },
  test_elicitation: ({ message }, extra) => elicit(message, object({ response: string }, ["response"]), extra),
  test_elicitation_sep1034_defaults: (_, extra) => elicit("Check the defaults", object({
    name: { type: "string", default: "John Doe" }, age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 }, verified: { type: "boolean", default: true },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
  }), extra),
  test_elicitation_sep1330_enums: (_, extra) => elicit("Choose", object({
    untitledSingle: { type: "string", enum: choices }, titledSingle: { type: "string", oneOf: titled },
    legacyEnum: { type: "string", enum: choices, enumNames: ["Option One", "Option Two", "Option Three"] },
    untitledMulti: { type: "array", items: { type: "string", enum: choices } },
    titledMulti: { type: "array", items: { anyOf: titled } },
  }), extra),
  json_schema_2020_12_tool: () => [text("validated")],
};
const inputs = {
  test_sampling: object({ prompt: string }, ["prompt"]),
  test_elicitation: object({ message: string }, ["message"]),
  json_schema_2020_12_tool: {
    $schema: "https://json-schema.org/draft/2020-12/schema", type: "object",
    $defs: { address: { type: "object", properties: { street: string, city: string } } },
    properties: { name: string, address: { $ref: "#/$defs/address" } }, additionalProperties: false,
  },
};

const on = (kind, answer) => server.setRequestHandler(kind, answer);
on(schema.ListToolsRequestSchema, () => ({
  tools: Object.keys(tools).map((name) => ({ name, description: `Plays ${name}`, inputSchema: inputs[name] ?? object() })),
}));
on(schema.CallToolRequestSchema, async ({ params }, extra) => {
  try {
    return { content: await tools[params.name](params.arguments ?? {}, extra) };
  } catch (error) {
    return { isError: true, content: [text(error.message)] };
  }
});

const resources = [
  { uri: "test://static-text", name: "Static text", mimeType: "text/plain", text: "This is the content of the static text resource." },
  { uri: "test://static-binary", name: "Static binary", mimeType: "image/png", blob: PNG },
  { uri: "test://watched-resource", name: "Watched", mimeType: "text/plain", text: "Watched resource content" },
];
on(schema.ListResourcesRequestSchema, () => ({ resources: resources.map(({ uri, name, mimeType }) => ({ uri, name, mimeType })) }));
on(schema.ListResourceTemplatesRequestSchema, () => ({
  resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "Template", mimeType: "application/json" }],
}));
on(schema.ReadResourceRequestSchema, ({ params: { uri } }) => {
  const found = resources.find((known) => known.uri === uri);
  const id = uri.match(/^test:\/\/template\/(.+)\/data$/)?.[1];
  if (found) return { contents: [{ uri, mimeType: found.mimeType, text: found.text, blob: found.blob }] };
  if (id) return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }] };
  throw new schema.McpError(-32002, `Resource not found: ${uri}`);
});
on(schema.SubscribeRequestSchema, () => ({}));
on(schema.UnsubscribeRequestSchema, () => ({}));

const says = (...content) => ({ messages: content.map((part) => ({ role: "user", content: part })) });
const prompts = {
  test_simple_prompt: [[], () => says(text("This is a simple prompt for testing."))],
  test_prompt_with_arguments: [["arg1", "arg2"], ({ arg1, arg2 }) => says(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  test_prompt_with_embedded_resource: [["resourceUri"], ({ resourceUri }) =>
    says(resource(resourceUri, "text/plain", "Embedded resource content for testing."), text("Please process the embedded resource above."))],
  test_prompt_with_image: [[], () => says(image, text("Please analyze the image above."))],
};
on(schema.ListPromptsRequestSchema, () => ({
  prompts: Object.entries(prompts).map(([name, [names]]) => ({
    name, description: `Plays ${name}`, arguments: names.map((arg) => ({ name: arg, description: arg, required: true })),
  })),
}));
on(schema.GetPromptRequestSchema, ({ params }) => prompts[params.name][1](params.arguments ?? {}));
on(schema.CompleteRequestSchema, () => ({ completion: { values: ["paris", "park", "party"], total: 3, hasMore: false } }));
on(schema.SetLevelRequestSchema, () => ({}));

await server.connect(new StdioServerTransport());
