// A server of both eras out of the official TypeScript SDK 2: 2026-07-28 by its handler, and what came before in sessions
// with streams that can be resumed, told apart by the SDK's own `isLegacyRequest`. One of its tools asks for sampling in
// the old way, in the middle of a call, which only a session can carry.
//
//   node both.mjs [--port N] [--sessions yes|no] [--retry MS]
//
// GET /counters tells what happened, as JSON. The first line on stdout is `listening on port N`.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { NodeStreamableHTTPServerTransport, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, isLegacyRequest, McpServer } from "@modelcontextprotocol/server";
import express from "express";
import { z } from "zod";

import { pause, startParty } from "../support/process.mjs";
import { EventStore } from "./tools-server.mjs";

const here = fileURLToPath(import.meta.url);

/// Starts it as a process; `counters()` asks it what it has seen.
export async function startBoth(t, flags = []) {
  const party = await startParty(t, process.execPath, [here, ...flags], { ready: /listening on port (\d+)/ });
  const origin = `http://127.0.0.1:${party.ready[1]}`;
  return {
    ...party,
    port: Number(party.ready[1]),
    url: `${origin}/mcp`,
    counters: async () => (await fetch(`${origin}/counters`)).json(),
  };
}

function main() {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "0" },
      sessions: { type: "string", default: "yes" },
      retry: { type: "string", default: "100" },
    },
  });
  const counters = { asked: [], sessions: 0, resumed: 0, calls: {} };
  const says = (text) => ({ content: [{ type: "text", text }] });
  const make = () => {
    const server = new McpServer({ name: "both", version: "1.0.0" }, { capabilities: { tools: { listChanged: true } } });
    const tool = (name, inputSchema, act) => server.registerTool(name, { description: name, inputSchema: z.object(inputSchema) }, act);
    tool("think", {}, async (_, ctx) => {
      const messages = [{ role: "user", content: { type: "text", text: "think hard" } }];
      const { content } = await server.server.createMessage({ messages, maxTokens: 10 }, { relatedRequestId: ctx.mcpReq.id });
      return says(`thought: ${[content].flat()[0].text}`);
    });
    tool("count", { key: z.string(), ms: z.number() }, async ({ key, ms }) => {
      counters.calls[key] = (counters.calls[key] ?? 0) + 1;
      await pause(ms);
      return says(`${counters.calls[key]}`);
    });
    tool("big", { bytes: z.number() }, async ({ bytes }) => says("x".repeat(bytes)));
    return server;
  };

  const sessions = new Map();
  const inSession = async (req, res) => {
    let transport = sessions.get(req.headers["mcp-session-id"]);
    if (req.headers["last-event-id"]) counters.resumed += 1;
    if (!transport) {
      transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: new EventStore(),
        retryInterval: Number(values.retry),
        onsessioninitialized: (id) => {
          counters.sessions += 1;
          sessions.set(id, transport);
        },
      });
      await make().connect(transport);
    }
    await transport.handleRequest(req, res, req.body);
  };
  const keepsSessions = values.sessions === "yes";
  const modern = toNodeHandler(createMcpHandler(make, { legacy: keepsSessions ? "reject" : "stateless" }));

  const app = express();
  app.get("/counters", (_, res) => res.json(counters));
  app.use(express.json({ limit: "64mb" }));
  app.all("/mcp", async (req, res) => {
    const headers = new Headers(Object.entries(req.headers).map(([name, value]) => [name, String(value)]));
    const request = new Request("http://127.0.0.1/mcp", { method: req.method, headers });
    const isLegacy = await isLegacyRequest(request, req.body);
    if (req.body?.method) counters.asked.push(`${isLegacy ? "legacy" : "modern"} ${req.body.method}`);
    if (isLegacy && keepsSessions) return inSession(req, res);
    return modern(req, res, req.body);
  });
  const listener = app.listen(Number(values.port), "127.0.0.1", () => {
    console.log(`listening on port ${listener.address().port}`);
  });
}

if (process.argv[1] === here) main();
