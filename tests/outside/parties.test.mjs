// The parties themselves, without mcpipe: each is what the other tests take it for. When one of these fails, look no
// further for the reason of the others.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { startEverything } from "./parties/everything.mjs";
import { startProxy } from "./parties/proxy.mjs";
import { python, startPythonServer } from "./parties/python.mjs";
import { startToolsServer } from "./parties/tools-server.mjs";
import { progressBeforeAnswer, tap } from "./support/messages.mjs";
import { eventually } from "./support/process.mjs";

const bounded = (name, body) => test(name, { timeout: 60_000 }, body);

async function straight(t, url, Transport = StreamableHTTPClientTransport) {
  const client = new Client({ name: "straight", version: "1.0.0" }, { capabilities: { elicitation: { form: {} } } });
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({
    action: "accept",
    content: { answer: `answer to ${params.message}` },
  }));
  const transport = new Transport(new URL(url));
  await client.connect(transport);
  t.after(() => client.close());
  const received = tap(transport);
  const call = async (name, args, options) =>
    (await client.callTool({ name, arguments: args }, undefined, options)).content[0].text;
  return { client, transport, received, call };
}

/// What every server with our tools does.
async function isAToolsServer({ call, received }) {
  assert.equal(await call("add", { a: 19, b: 23 }), "42");
  assert.equal(await call("wait", { ms: 10 }), "waited 10");
  assert.equal(await call("report", { steps: 3 }, { onprogress: () => {} }), "reported 3");
  assert.deepEqual(progressBeforeAnswer(received), [[1, 3], [2, 3], [3, 3]]);
  assert.equal(await call("ask", { question: "why" }), "accept: answer to why");
}

bounded("the TypeScript server has its tools and counts", async (t) => {
  const server = await startToolsServer(t);
  const { call, client, transport, received } = await straight(t, server.url);
  await isAToolsServer({ call, received });
  assert.equal(await call("count", { key: "k" }), "1");
  assert.equal(await call("count", { key: "k" }), "2");
  await transport.terminateSession();
  await client.close();
  const { sessions, deletes, calls } = await server.counters();
  assert.deepEqual({ sessions, deletes, calls }, { sessions: 1, deletes: 1, calls: { k: 2 } });
});

bounded("the TypeScript server answers in JSON when told to", async (t) => {
  const server = await startToolsServer(t, { flags: ["--json"] });
  const { call } = await straight(t, server.url);
  assert.equal(await call("add", { a: 19, b: 23 }), "42");
});

bounded("a stream cut by the proxy is resumed where it was, and the call runs once", async (t) => {
  const server = await startToolsServer(t, { flags: ["--retry", "100"] });
  const proxy = await startProxy(t, server.port);
  const { call } = await straight(t, proxy.url("/mcp"));
  const slow = call("count", { key: "cut", ms: 600 });
  await eventually(async () => (await server.counters()).calls.cut === 1, "the call to arrive");
  assert.ok(proxy.cut() > 0);
  assert.equal(await slow, "1");
  assert.ok((await server.counters()).resumed > 0);
});

bounded("a stream closed early by the server is polled, and the answer comes", async (t) => {
  const server = await startToolsServer(t, { flags: ["--retry", "100"] });
  const { call } = await straight(t, server.url);
  assert.equal(await call("polled", { ms: 300 }), "polled after 300");
  assert.ok((await server.counters()).resumed > 0);
});

bounded("a server started again on its port knows no session of before", async (t) => {
  const first = await startToolsServer(t);
  const { call } = await straight(t, first.url);
  assert.equal(await call("add", { a: 1, b: 1 }), "2");
  await first.stop();
  const second = await startToolsServer(t, { port: first.port });
  await assert.rejects(call("add", { a: 1, b: 1 }), /Session not found|404/);
  assert.ok((await second.counters()).lost > 0);
});

bounded("the proxy cuts after so many bytes, refuses, stalls, and carries again", async (t) => {
  const server = await startToolsServer(t, { flags: ["--no-events"] });
  const proxy = await startProxy(t, server.port);
  const fetched = (path = "/counters", ms = 5000) =>
    fetch(proxy.url(path), { headers: { connection: "close" }, signal: AbortSignal.timeout(ms) }).then((r) => r.text());
  assert.match(await fetched(), /sessions/);
  proxy.cutAfter(200);
  await assert.rejects(fetched());
  proxy.refuse(true);
  await assert.rejects(fetched());
  proxy.refuse(false);
  proxy.stall(true);
  await assert.rejects(fetched("/counters", 300), /abort|timeout/i);
  proxy.stall(false);
  assert.match(await fetched(), /sessions/);
  assert.ok(proxy.opened >= 4, `${proxy.opened}`);
});

bounded("server-everything speaks the HTTP+SSE transport of 2024-11-05", async (t) => {
  const server = await startEverything(t, "sse");
  const { call } = await straight(t, server.url, SSEClientTransport);
  assert.equal(await call("echo", { message: "over sse" }), "Echo: over sse");
  // What a bridge meets that tries Streamable HTTP first.
  const post = await fetch(server.url, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
  assert.ok([400, 404, 405].includes(post.status), `${post.status}`);
});

if (python) {
  for (const flags of [{}, { json: true }]) {
    bounded(`the Python server has its tools ${JSON.stringify(flags)}`, async (t) => {
      const server = await startPythonServer(t, flags);
      const party = await straight(t, server.url);
      if (flags.json) assert.equal(await party.call("add", { a: 19, b: 23 }), "42");
      else await isAToolsServer(party);
    });
  }

  bounded("the Python server speaks the HTTP+SSE transport", async (t) => {
    const server = await startPythonServer(t, { sse: true });
    await isAToolsServer(await straight(t, server.url, SSEClientTransport));
  });
}
