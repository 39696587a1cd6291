// The story's server on the official TypeScript SDK 1.x: 2025-11-25, with a session per host; with `--transport sse` over
// the HTTP+SSE of 2024-11-05, which some servers still have. Prints its address on stdout once it listens.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { completable } from "@modelcontextprotocol/sdk/server/completable.js";
import { McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";

const state = { cancelled: false };
const text = (said) => ({ content: [{ type: "text", text: said }] });
const progress = (extra, done, total) => {
  const progressToken = extra._meta?.progressToken;
  return progressToken === undefined
    ? undefined
    : extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress: done, total } });
};

function story() {
  const server = new McpServer(
    { name: "story", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        logging: {},
      },
    },
  );
  const subscribed = new Set();
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri);
    return {};
  });
  server.server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  const tool = (name, inputSchema, act, more = {}) => server.registerTool(name, { description: name, inputSchema, ...more }, act);

  tool("add", { a: z.number(), b: z.number() }, ({ a, b }) => ({ ...text(`${a + b}`), structuredContent: { sum: a + b } }), {
    outputSchema: { sum: z.number() },
  });
  tool("greet", { name: z.string() }, ({ name }) => text(`Grüße, ${name}!`));
  tool("picture", {}, () => ({ content: [{ type: "image", mimeType: "image/png", data: "AAECA/8=" }] }));
  tool("locate", { region: z.string(), shard: z.int() }, ({ region, shard }) => text(`in ${region}, shard ${shard}`));
  tool("fail", {}, () => ({ ...text("deliberate"), isError: true }));
  tool("ask", {}, async (_, { requestId }) => {
    const { action, content } = await server.server.elicitInput(
      {
        message: "What is your name?",
        requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
      },
      { relatedRequestId: requestId },
    );
    return text(action === "accept" ? `hello ${content.name}` : "declined");
  });
  tool("visit", {}, async (_, { requestId }) => {
    const { action } = await server.server.elicitInput(
      { mode: "url", message: "Please sign", url: "https://example.com/sign", elicitationId: randomUUID() },
      { relatedRequestId: requestId },
    );
    return text(action === "accept" ? "visited" : "declined");
  });
  tool("think", {}, async (_, { requestId }) => {
    const { content } = await server.server.createMessage(
      { messages: [{ role: "user", content: { type: "text", text: "think hard" } }], maxTokens: 10 },
      { relatedRequestId: requestId },
    );
    return text(`thought: ${content.text}`);
  });
  // Asked on the standing stream, not on the call's own: both ways have to work.
  tool("where", {}, async () => {
    const { roots } = await server.server.listRoots();
    return text(roots.map(({ uri }) => uri).join());
  });
  tool("count", { to: z.number() }, async ({ to }, extra) => {
    for (let done = 1; done <= to; done += 1) await progress(extra, done, to);
    return text(`counted to ${to}`);
  });
  tool("speak", {}, async (_, { sessionId }) => {
    await server.sendLoggingMessage({ level: "debug", data: "quiet" }, sessionId);
    await server.sendLoggingMessage({ level: "warning", data: "loud" }, sessionId);
    return text("spoken");
  });
  tool("touch", {}, async () => {
    if (subscribed.has("memo://one")) await server.server.sendResourceUpdated({ uri: "memo://one" });
    return text("touched");
  });
  tool("grow", {}, () => {
    tool("grown", {}, () => text("here"));
    return text("grew");
  });
  tool("wait", {}, async (_, extra) => {
    const gone = new Promise((resolve) => extra.signal.addEventListener("abort", resolve));
    await progress(extra, 1, 2);
    await gone;
    state.cancelled = true;
    return text("never read");
  });
  tool("seen", {}, () => text(state.cancelled ? "cancelled" : "nothing"));

  server.registerPrompt(
    "greeting",
    { argsSchema: { name: completable(z.string(), (value) => ["Ada", "Alan", "Barbara"].filter((name) => name.startsWith(value))) } },
    ({ name }) => ({ messages: [{ role: "user", content: { type: "text", text: `Say hello to ${name}` } }] }),
  );
  server.registerResource("one", "memo://one", {}, (uri) => ({ contents: [{ uri: uri.href, text: "the first memo" }] }));
  server.registerResource("item", new ResourceTemplate("memo://item/{n}", { list: undefined }), {}, (uri, { n }) => ({
    contents: [{ uri: uri.href, text: `item ${n}` }],
  }));
  return server;
}

const sessions = new Map();

async function streamable(request, response) {
  const id = request.headers["mcp-session-id"];
  let transport = sessions.get(id);
  if (id !== undefined && !transport) return response.writeHead(404).end();
  if (!transport) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (session) => sessions.set(session, transport),
      onsessionclosed: (session) => sessions.delete(session),
    });
    await story().connect(transport);
  }
  await transport.handleRequest(request, response);
}

async function sse(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  if (request.method === "GET" && pathname === "/mcp") {
    const transport = new SSEServerTransport("/messages", response);
    sessions.set(transport.sessionId, transport);
    response.on("close", () => sessions.delete(transport.sessionId));
    return story().connect(transport);
  }
  const transport = pathname === "/messages" && sessions.get(searchParams.get("sessionId"));
  if (request.method !== "POST" || !transport) return response.writeHead(pathname === "/mcp" ? 405 : 404).end();
  return transport.handlePostMessage(request, response);
}

const server = createServer(process.argv.at(-1) === "sse" ? sse : streamable).listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/mcp`);
});
