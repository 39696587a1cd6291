// The official SDK's client of both eras (`versionNegotiation: auto`) while a person signs in: it asks `server/discover` of
// a process that it ends, begins in another, and stays in the modern era, before a modern server and before a legacy one.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

import { startProtected } from "./protected/server.mjs";
import { browserIn } from "./support/browsers.mjs";
import { binary, direct, Place } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { eventually } from "./support/process.mjs";

const bounded = (name, body) => direct || test(name, { timeout: 120_000 }, body);

/// How long the person takes, in milliseconds.
const PERSON = Number(process.env.MCPIPE_OUTSIDE_PERSON ?? 6_000);
const MODERN = "2026-07-28";

/// Serves the modern era alone.
function serveModern(app, { guards, counters }) {
  counters.asked = [];
  const make = () => {
    const server = new McpServer({ name: "outside-tools", version: "1.0.0" }, { capabilities: { tools: { listChanged: true } } });
    const inputSchema = z.object({ a: z.number(), b: z.number() });
    server.registerTool("add", { description: "add", inputSchema }, async ({ a, b }) => ({
      content: [{ type: "text", text: String(a + b) }],
    }));
    return server;
  };
  const handler = toNodeHandler(createMcpHandler(make, { legacy: "reject" }));
  app.all("/mcp", ...guards, (req, res) => {
    counters.asked.push(req.body?.method);
    return handler(req, res, req.body);
  });
}

/// Connects the client; `changes` are the times at which it has heard that the tools have changed.
async function connect(t, url, place, browser, listChanged = true) {
  const changes = [];
  const began = Date.now();
  const client = new Client(
    { name: "outside-host", version: "1.0.0" },
    {
      versionNegotiation: { mode: "auto" },
      ...(listChanged && { listChanged: { tools: { autoRefresh: false, onChanged: () => changes.push(Date.now() - began) } } }),
    },
  );
  const errors = [];
  client.onerror = (error) => errors.push(error);
  const stdio = new StdioClientTransport({ command: binary, args: [url], env: place.env(browser.env), cwd: place.root, stderr: "pipe" });
  let stderr = "";
  stdio.stderr?.on("data", (chunk) => (stderr += chunk));
  t.after(() => client.close());
  await client.connect(stdio);
  return { client, changes, errors, connected: Date.now() - began, since: () => Date.now() - began, stderr: () => stderr };
}

const sum = async ({ client }) => text(await client.callTool({ name: "add", arguments: { a: 19, b: 23 } }));

for (const [name, options] of [
  ["modern", { serve: serveModern }],
  ["legacy", {}],
]) {
  bounded(`a client of both eras stays modern while a person signs in: ${name} server`, async (t) => {
    const { url, counters } = await startProtected(t, options);
    const place = new Place(t);
    const browser = browserIn(place, "--delay", String(PERSON));

    // Nothing is remembered of the server. A client that does not subscribe is connected long before the person is done.
    const first = await connect(t, url, place, browser, false);
    assert.equal(first.client.getNegotiatedProtocolVersion(), MODERN, first.stderr());
    assert.ok(first.connected < PERSON, `connected after ${first.connected} ms`);
    const { tools } = await first.client.listTools();
    assert.ok(tools.some((tool) => tool.name === "add"));
    assert.ok(first.since() >= PERSON - 1000, "the tools came before the sign-in");
    assert.equal(await sum(first), "42", first.stderr());
    assert.deepEqual(first.errors, []);
    assert.equal(browser.opened(), 1);
    await first.client.close();

    // A start without a sign-in hears what the server says of itself.
    const silent = await connect(t, url, place, browserIn(place, "--forbidden"), false);
    assert.equal(silent.client.getServerVersion()?.name, "outside-tools");
    await silent.client.close();

    // Now the server is remembered, and the person has to sign in again.
    fs.rmSync(path.join(place.home, "vault.bin"));
    const again = browserIn(place, "--delay", String(PERSON));
    const second = await connect(t, url, place, again);
    assert.equal(second.client.getNegotiatedProtocolVersion(), MODERN, second.stderr());
    assert.equal(second.client.getServerVersion()?.name, "outside-tools");
    // It has waited for its subscription; then it hears that the tools may be others.
    await eventually(() => second.changes.length > 0, "the announcement of the tools");
    assert.equal(await sum(second), "42", second.stderr());
    assert.deepEqual(second.errors, []);
    assert.equal(again.opened(), 1);
    await second.client.close();
    if (counters.asked) assert.ok(!counters.asked.includes("initialize"), counters.asked.join());
  });
}
