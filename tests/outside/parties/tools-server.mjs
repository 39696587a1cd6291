// A Streamable HTTP server out of the official TypeScript SDK, with an event store (so its streams can be resumed),
// tools that take time, report, ask and count, and counters of what reached it.
//
// Run as a process of its own, so that a test can kill it and start it again on the same port:
//   node tools-server.mjs [--port N] [--json] [--no-events] [--retry MS]
// GET /counters tells what happened, as JSON. The first line on stdout is `listening on port N`.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express from "express";
import { z } from "zod";

import { pause, startParty } from "../support/process.mjs";

/// Events in the order they were stored. (The SDK's own example store orders by clock and chance, and cannot be
/// asked twice within a millisecond.)
export class EventStore {
  #events = [];

  async storeEvent(streamId, message) {
    this.#events.push({ streamId, message });
    return String(this.#events.length);
  }

  async getStreamIdForEventId(eventId) {
    return this.#events[Number(eventId) - 1]?.streamId;
  }

  async replayEventsAfter(lastEventId, { send }) {
    const last = this.#events[Number(lastEventId) - 1];
    if (!last) throw new Error(`no event ${lastEventId}`);
    for (let id = Number(lastEventId) + 1; id <= this.#events.length; id += 1) {
      const { streamId, message } = this.#events[id - 1];
      // An event without a message is the priming event of a stream: nothing to repeat.
      if (streamId === last.streamId && message.jsonrpc) await send(String(id), message);
    }
    return last.streamId;
  }
}

/// The tools, for any server of ours: each does one thing a bridge can get wrong.
export function toolsServer(counters = newCounters()) {
  const server = new McpServer({ name: "outside-tools", version: "1.0.0" }, { capabilities: { logging: {} } });
  const says = (value) => ({ content: [{ type: "text", text: String(value) }] });
  const tool = (name, inputSchema, body) => server.registerTool(name, { description: name, inputSchema }, body);

  tool("add", { a: z.number(), b: z.number() }, async ({ a, b }) => says(a + b));

  // Takes `ms`, and counts how many did so at once and whether it was cancelled meanwhile.
  tool("wait", { ms: z.number(), key: z.string().optional() }, async ({ ms, key }, { signal }) => {
    counters.started += 1;
    counters.waiting += 1;
    counters.mostWaiting = Math.max(counters.mostWaiting, counters.waiting);
    signal.addEventListener("abort", () => (counters.cancelled += 1), { once: true });
    await pause(ms);
    counters.waiting -= 1;
    return says(`waited ${ms} ${key ?? ""}`.trim());
  });

  // Counts how often each key was called: twice means that a bridge repeated a call with side effects.
  tool("count", { key: z.string(), ms: z.number().default(0) }, async ({ key, ms }) => {
    counters.calls[key] = (counters.calls[key] ?? 0) + 1;
    await pause(ms);
    return says(counters.calls[key]);
  });

  tool("report", { steps: z.number(), ms: z.number().default(10) }, async ({ steps, ms }, extra) => {
    const { progressToken } = extra._meta ?? {};
    for (let progress = 1; progress <= steps; progress += 1) {
      await pause(ms);
      if (progressToken !== undefined) {
        await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress, total: steps } });
      }
    }
    return says(`reported ${steps}`);
  });

  // Asks the person, and answers with what they said.
  tool("ask", { question: z.string() }, async ({ question }, extra) => {
    const answer = await server.server.elicitInput(
      { message: question, requestedSchema: { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] } },
      { relatedRequestId: extra.requestId },
    );
    return says(`${answer.action}: ${answer.content?.answer}`);
  });

  // Closes its own stream early and cleanly, works on, and answers where the client comes back (SEP-1699).
  tool("polled", { ms: z.number() }, async ({ ms }, extra) => {
    extra.closeSSEStream?.();
    await pause(ms);
    return says(`polled after ${ms}`);
  });

  tool("big", { bytes: z.number() }, async ({ bytes }) => says("x".repeat(bytes)));
  return server;
}

export const newCounters = () => ({
  sessions: 0, gets: 0, resumed: 0, deletes: 0, lost: 0, started: 0, waiting: 0, mostWaiting: 0, cancelled: 0, calls: {},
});

/// Puts the tools behind `app` at /mcp, a session to each client. `guards` are middlewares that come first.
export function serve(app, { counters = newCounters(), events = true, json = false, retry, guards = [], makeServer = toolsServer } = {}) {
  const sessions = new Map();
  app.all("/mcp", ...guards, async (req, res) => {
    const id = req.headers["mcp-session-id"];
    if (req.method === "GET") counters[req.headers["last-event-id"] ? "resumed" : "gets"] += 1;
    if (req.method === "DELETE") counters.deletes += 1;

    let transport = sessions.get(id);
    if (id && !transport) {
      counters.lost += 1;
      return res.status(404).json({ jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } });
    }
    if (!transport) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        enableJsonResponse: json,
        eventStore: events ? new EventStore() : undefined,
        retryInterval: retry,
        onsessioninitialized: (id) => {
          counters.sessions += 1;
          sessions.set(id, transport);
        },
        onsessionclosed: (id) => void sessions.delete(id),
      });
      await makeServer(counters).connect(transport);
    }
    await transport.handleRequest(req, res, req.body);
  });
  return counters;
}

const here = fileURLToPath(import.meta.url);

/// Starts it as a process; `counters()` asks it what it has seen.
export async function startToolsServer(t, { port = 0, flags = [] } = {}) {
  const party = await startParty(t, process.execPath, [here, "--port", String(port), ...flags], {
    ready: /listening on port (\d+)/,
  });
  const origin = `http://127.0.0.1:${party.ready[1]}`;
  return {
    ...party,
    port: Number(party.ready[1]),
    url: `${origin}/mcp`,
    counters: async () => (await fetch(`${origin}/counters`)).json(),
  };
}

if (process.argv[1] === here) {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "0" },
      json: { type: "boolean" },
      "no-events": { type: "boolean" },
      retry: { type: "string" },
    },
  });
  const app = express();
  app.use(express.json({ limit: "64mb" }));
  const counters = serve(app, { json: values.json, events: !values["no-events"], retry: values.retry && Number(values.retry) });
  app.get("/counters", (_, res) => res.json(counters));
  const listener = app.listen(Number(values.port), "127.0.0.1", (error) => {
    if (error) throw error;
    console.log(`listening on port ${listener.address().port}`);
  });
}
