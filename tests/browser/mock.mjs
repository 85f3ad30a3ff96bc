// A hub in memory with the same HTTP API, for working on the page and for pictures of states that are hard to reach.
// It proves nothing about the product: tests of behaviour run against the real hub.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import * as fixtures from "./fixtures.mjs";

const assets = fileURLToPath(new URL("../../src/hub/page/assets/", import.meta.url));
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
};
const headers = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types hitl-worker",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
};

/** Starts a mock hub; `state` can be changed while it runs, `add` and `settle` also tell the open pages. */
export async function startMock({ port = 0, signedIn = true } = {}) {
  const state = {
    queue: [],
    history: [],
    servers: fixtures.servers(),
    agents: fixtures.agentList.map((a) => ({ ...a })),
    activity: [],
    users: fixtures.users(),
    channels: [],
    browsers: [],
    user: { name: "lin", role: "admin" },
    signedIn,
    password: true,
    seen: [],
    calls: [],
    delay: 0,
  };
  const streams = new Set();
  let seq = 1;
  const emit = (event, data) => {
    for (const stream of streams)
      stream.write(`id: ${++seq}\nevent: ${event}\ndata: ${JSON.stringify({ id: seq, kind: event, ...data })}\n\n`);
  };
  const tell = (approval) => emit("approval", { subject: approval.id, approval });
  const find = (id) => [...state.queue, ...state.history].find((a) => a.id === id);
  const hub = {
    state,
    emit,
    add(given) {
      const approval = given.id ? given : fixtures.approval(given);
      state.queue.push(approval);
      tell(approval);
      return approval;
    },
    settle(id, patch) {
      const approval = Object.assign(find(id), {
        decided_at: Date.now(),
        outcome: patch.status === "approved" ? "succeeded" : "not_executed",
        duration_ms: patch.status === "approved" ? 412 : null,
        ...patch,
      });
      state.queue = state.queue.filter((a) => a.id !== id);
      state.history.unshift(approval);
      tell(approval);
      return approval;
    },
    cut() {
      for (const stream of streams) stream.destroy();
    },
    pause() {
      hub.cut();
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
    resume: (on) => new Promise((done) => server.listen(on, "127.0.0.1", done)),
    close() {
      hub.cut();
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };

  const decide = (id, action, reason) => {
    const approval = find(id);
    if (!approval) return [404, { title: "Not Found", status: 404, detail: "There is no such approval." }];
    if (approval.status !== "pending")
      return [409, { title: "Conflict", status: 409, detail: "This was decided already.", approval }];
    if (action === "extend") {
      approval.deadline_at += 300_000;
      tell(approval);
      return [200, approval];
    }
    return [
      200,
      hub.settle(id, {
        status: action === "approve" ? "approved" : "rejected",
        decided_by: state.user.name,
        reason: reason ?? null,
      }),
    ];
  };

  const page = (rows, query) => {
    const from = Number(query.get("cursor") ?? 0);
    const limit = Number(query.get("limit") ?? 50);
    return [
      200,
      { items: rows.slice(from, from + limit), next_cursor: from + limit < rows.length ? String(from + limit) : null },
    ];
  };

  const api = {
    "GET session": () =>
      state.signedIn
        ? [200, { user: state.user, csrf: "mock", hub_time: Date.now(), local: true, password: state.password }]
        : [401, { detail: "sign in first" }],
    "POST session": (_, body) => {
      if (body.code === "bad" || body.password === "wrong")
        return [401, { detail: "the name or the password is wrong" }];
      state.signedIn = true;
      return api["GET session"]();
    },
    "GET sessions": () => [200, { items: [], next_cursor: null }],
    "DELETE session": () => ((state.signedIn = false), [204]),
    "GET approvals": ([id], _, query) => {
      if (id) {
        const found = find(id);
        return found ? [200, { ...found, timeline: timeline(found) }] : [404, { detail: "there is no such approval" }];
      }
      const wanted = query.get("status")?.split(",") ?? [];
      const rows = wanted.join() === "pending" ? state.queue : [...state.history];
      const q = query.get("q")?.toLowerCase();
      return page(
        rows.filter(
          (a) =>
            (!wanted.length || wanted.includes(a.status)) &&
            ["server", "tool"].every((key) => !query.get(key) || a[key] === query.get(key)) &&
            (!query.get("agent") || a.agent.client_id === query.get("agent")) &&
            (!q || JSON.stringify(a).toLowerCase().includes(q)) &&
            (!query.get("from") || a.created_at >= Number(query.get("from"))) &&
            (!query.get("to") || a.created_at < Number(query.get("to"))),
        ),
        query,
      );
    },
    "POST approvals": ([id, action], body) => {
      if (id === "batch")
        return [200, { items: body.ids.map((one) => batchItem(one, decide(one, body.action, body.reason))) }];
      if (action === "seen") return (state.seen.push(id), [204]);
      return decide(id, action, body.reason);
    },
    "GET users": () => [200, { items: state.users, next_cursor: null }],
    "GET notifications": ([what]) => [
      200,
      what === "browsers" ? { items: state.browsers, key: fixtures.pushKey } : { items: state.channels, revision: "1" },
    ],
    "GET enrolments": () => [200, fixtures.enrolment()],
    "GET health": () => [200, { decision_point: state.point ?? null }],
    "POST servers": ([name, what], body) =>
      what === "simulate"
        ? [
            200,
            {
              verdict: "gate",
              bypass: false,
              trust: "high",
              reasons: ["trust high ≥ threshold high", `an administrator's note: ${body.tool} cannot be undone`],
            },
          ]
        : [404, { detail: `no ${what} on ${name}` }],
    "GET servers": ([name, what]) =>
      what === "coverage"
        ? [200, fixtures.coverage(state.servers.find((s) => s.name === name))]
        : name
          ? [200, fixtures.weighed(state.servers.find((s) => s.name === name))]
          : [200, { items: state.servers, next_cursor: null }],
    "PUT servers": ([name, , tool], body) => {
      const server = state.servers.find((s) => s.name === name);
      const bad = body.rules?.findIndex?.((rule) => !["gate", "deny"].includes(rule.effect)) ?? -1;
      if (bad >= 0) return [400, { detail: `rules[${bad}]: unknown variant`, place: `rules[${bad}]` }];
      if (!tool) Object.assign(server.policy, body);
      else
        changeTool(
          server.tools.find((t) => t.name === tool),
          body,
        );
      emit("policy", { subject: name });
      return [200, server];
    },
    "GET ungated": () => [200, { items: [], next_cursor: null }],
    "PUT looking": () => [204],
    "GET agents": () => [200, { items: state.agents, next_cursor: null }],
    "POST agents": (_, body) => {
      const agent = {
        client_id: `agt_${Math.random().toString(36).slice(2, 10)}`,
        user: null,
        trust: {},
        last_seen: null,
        ...body,
      };
      state.agents.push(agent);
      return [201, { ...agent, token: "hitl_a_mB4tq0vXhYx0m1pQ2mGm7c3oQJb5l1yYw2n8Zk9sT6U" }];
    },
    "DELETE servers": ([name]) => ((state.servers = state.servers.filter((s) => s.name !== name)), [204]),
    "PUT users": (_, body) =>
      body.current_password === "wrong"
        ? [403, { detail: "the current password is wrong" }]
        : ((state.password = true), [200, {}]),
    "DELETE agents": ([id]) => ((state.agents = state.agents.filter((a) => a.client_id !== id)), [204]),
    "GET insights": () => fixtures.insights(),
    "GET activity": (_, __, query) =>
      page(
        state.activity.filter(
          (row) =>
            ["server", "verdict"].every((key) => !query.get(key) || row[key] === query.get(key)) &&
            JSON.stringify(row).includes(query.get("q") ?? ""),
        ),
        query,
      ),
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://x");
    const [, , , what, ...rest] = url.pathname.split("/");
    if (!url.pathname.startsWith("/api/v1/")) return asset(url.pathname, response);
    if (what === "events") return stream(response);
    let body = "";
    for await (const chunk of request) body += chunk;
    state.calls.push(`${request.method} ${url.pathname}`);
    const handler = api[`${request.method} ${what}`];
    const [status, answer] = !handler
      ? [404, { detail: "no such route" }]
      : what !== "session" && !state.signedIn
        ? [401, { detail: "sign in first" }]
        : handler(rest.map(decodeURIComponent), body ? JSON.parse(body) : {}, url.searchParams);
    if (state.delay) await new Promise((done) => setTimeout(done, state.delay));
    response.writeHead(status, {
      ...headers,
      "Content-Type": status < 400 ? "application/json" : "application/problem+json",
    });
    response.end(answer === undefined ? undefined : JSON.stringify(answer));
  });

  function stream(response) {
    if (!state.signedIn) return response.writeHead(401, headers).end();
    response.writeHead(200, { ...headers, "Content-Type": "text/event-stream" });
    response.write(
      `id: ${seq}\nevent: hello\ndata: ${JSON.stringify({ now: Date.now(), seq, pending: state.queue.length })}\n\n`,
    );
    const beat = setInterval(() => response.write(":\n\n"), 5000);
    streams.add(response);
    response.on("close", () => (clearInterval(beat), streams.delete(response)));
  }

  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  hub.url = `http://127.0.0.1:${server.address().port}`;
  return hub;
}

function changeTool(tool, { trust, ...rest }) {
  Object.assign(tool, rest);
  if (trust !== undefined)
    Object.assign(tool, trust ? { trust, trust_from: "admin" } : { trust: "medium", trust_from: "name" });
}

const batchItem = (id, [status, answer]) => ({
  id,
  ok: status === 200,
  status,
  detail: answer.detail,
  approval: status === 200 ? answer : answer.approval,
});

function timeline(a) {
  const rows = [
    { at: a.created_at, actor: a.agent.client_id, action: "approval.created", detail: null },
    { at: a.created_at + 2100, actor: "lin", action: "approval.seen", detail: null },
  ];
  if (a.decided_at)
    rows.push({ at: a.decided_at, actor: a.decided_by ?? "hub", action: `approval.${a.status}`, detail: a.reason });
  if (a.duration_ms !== null)
    rows.push(
      { at: a.decided_at + 20, actor: a.agent.client_id, action: "approval.released", detail: null },
      {
        at: a.decided_at + 20 + a.duration_ms,
        actor: a.agent.client_id,
        action: "approval.finished",
        detail: a.outcome,
      },
    );
  return rows;
}

async function asset(path, response) {
  const name = path.startsWith("/assets/") ? path.slice(8) : path === "/sw.js" ? "sw.js" : "index.html";
  try {
    const data = await readFile(join(assets, normalize(name)));
    response
      .writeHead(200, { ...headers, "Content-Type": types[extname(name)] ?? "application/octet-stream" })
      .end(data);
  } catch {
    response.writeHead(404, headers).end();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const hub = await startMock({ port: 7421 });
  hub.state.queue.push(...fixtures.realistic());
  hub.state.history.push(...fixtures.history());
  hub.state.activity.push(...fixtures.activity());
  console.log(`mock hub: ${hub.url}`);
}
