// Streamable HTTP in front of a stdio server, for the official conformance suite, which speaks HTTP only.
//
// Usage: node bridge.mjs COMMAND [ARGS...]; prints its URL. Every session has a process of its own. Messages are read
// only to find their way: the bytes of a request's body and of the server's lines go through untouched.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";

const [command, ...args] = process.argv.slice(2);
const sessions = new Map();

class Session {
  id = randomUUID();
  /** Open responses, oldest first, by the id of the request they answer. */
  waiting = new Map();
  stream = null;

  constructor() {
    this.server = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.server.stdout }).on("line", (line) => this.fromServer(line));
    this.server.on("exit", () => this.close());
  }

  fromServer(line) {
    const message = JSON.parse(line);
    const answers = message.method === undefined ? JSON.stringify(message.id) : null;
    const response = answers === null ? (this.waiting.values().next().value ?? this.stream) : this.waiting.get(answers);
    response?.write(`event: message\ndata: ${line}\n\n`);
    if (answers !== null) {
      this.waiting.delete(answers);
      response?.end();
    }
  }

  fromClient(body, response) {
    const message = JSON.parse(body);
    if (message.method === undefined || message.id === undefined) {
      response.writeHead(202).end();
    } else {
      response.writeHead(200, { "content-type": "text/event-stream", "mcp-session-id": this.id });
      this.waiting.set(JSON.stringify(message.id), response);
    }
    this.server.stdin.write(body);
    this.server.stdin.write("\n");
  }

  close() {
    sessions.delete(this.id);
    for (const response of [...this.waiting.values(), this.stream]) response?.end();
    this.server.stdin.end();
  }
}

const local = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

function allowed({ host = "", origin }) {
  return local.test(host) && (origin === undefined || local.test(new URL(origin).host));
}

async function handle(request, response) {
  if (!allowed(request.headers)) return response.writeHead(403).end();
  const session = sessions.get(request.headers["mcp-session-id"]);
  if (request.method === "POST") {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const opens = session === undefined && JSON.parse(body).method === "initialize";
    const found = opens ? new Session() : session;
    if (found === undefined) return response.writeHead(404).end();
    sessions.set(found.id, found);
    return found.fromClient(body, response);
  }
  if (session === undefined) return response.writeHead(404).end();
  if (request.method === "GET") {
    session.stream = response.writeHead(200, { "content-type": "text/event-stream" });
    return response.flushHeaders();
  }
  session.close();
  response.writeHead(200).end();
}

const http = createServer((request, response) => {
  handle(request, response).catch((error) => response.headersSent || response.writeHead(400).end(String(error)));
});
http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}/mcp`));
// Its parent's end is its own.
process.stdin.on("end", () => process.exit()).resume();
