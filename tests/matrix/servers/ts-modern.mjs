// The story's server on the official TypeScript SDK 2.x, which speaks 2026-07-28; with `--era both` also, without sessions
// and so without questions or notices, what came before. Prints its address on stdout once it listens.

import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { completable, createMcpHandler, inputRequired, inputResponse, McpServer, ResourceTemplate } from "@modelcontextprotocol/server";
import { z } from "zod";

const state = { cancelled: false, grown: false };
const text = (said) => ({ content: [{ type: "text", text: said }] });
const progress = (ctx, done, total) => {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  return progressToken === undefined
    ? undefined
    : ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: done, total } });
};
/** The answer to a question, or the question. */
const answered = (ctx, kind, question) => {
  const view = inputResponse(ctx.mcpReq.inputResponses, "it");
  return view.kind === kind ? { view } : { ask: inputRequired({ inputRequests: { it: question }, requestState: `asked ${kind}` }) };
};

const legacy = process.argv.at(-1) === "both" ? "stateless" : "reject";
const handler = createMcpHandler(story, { legacy, onerror: (error) => console.error(error.message) });

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
  const tool = (name, inputSchema, act, more = {}) =>
    server.registerTool(name, { description: name, inputSchema: z.object(inputSchema), ...more }, act);

  tool("add", { a: z.number(), b: z.number() }, ({ a, b }) => ({ ...text(`${a + b}`), structuredContent: { sum: a + b } }), {
    outputSchema: z.object({ sum: z.number() }),
  });
  tool("greet", { name: z.string() }, ({ name }) => text(`Grüße, ${name}!`));
  tool("picture", {}, () => ({ content: [{ type: "image", mimeType: "image/png", data: "AAECA/8=" }] }));
  tool(
    "locate",
    { region: z.string().meta({ "x-mcp-header": "Region" }), shard: z.int().meta({ "x-mcp-header": "Shard" }) },
    ({ region, shard }) => text(`in ${region}, shard ${shard}`),
  );
  tool("fail", {}, () => ({ ...text("deliberate"), isError: true }));
  tool("ask", {}, (_, ctx) => {
    const question = inputRequired.elicit({
      message: "What is your name?",
      requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
    });
    const { view, ask } = answered(ctx, "elicit", question);
    return ask ?? text(view.action === "accept" ? `hello ${view.content.name}` : "declined");
  });
  tool("visit", {}, (_, ctx) => {
    const { view, ask } = answered(ctx, "elicit", inputRequired.elicitUrl({ message: "Please sign", url: "https://example.com/sign" }));
    return ask ?? text(view.action === "accept" ? "visited" : "declined");
  });
  tool("think", {}, (_, ctx) => {
    const question = inputRequired.createMessage({
      messages: [{ role: "user", content: { type: "text", text: "think hard" } }],
      maxTokens: 10,
    });
    const { view, ask } = answered(ctx, "sampling", question);
    return ask ?? text(`thought: ${view.result.content.text}`);
  });
  tool("where", {}, (_, ctx) => {
    const { view, ask } = answered(ctx, "roots", inputRequired.listRoots());
    return ask ?? text(view.roots.map(({ uri }) => uri).join());
  });
  tool("count", { to: z.number() }, async ({ to }, ctx) => {
    for (let done = 1; done <= to; done += 1) await progress(ctx, done, to);
    return text(`counted to ${to}`);
  });
  tool("speak", {}, async (_, ctx) => {
    await ctx.mcpReq.log("debug", "quiet");
    await ctx.mcpReq.log("warning", "loud");
    return text("spoken");
  });
  tool("touch", {}, () => {
    handler.notify.resourceUpdated("memo://one");
    return text("touched");
  });
  tool("grow", {}, () => {
    state.grown = true;
    handler.notify.toolsChanged();
    return text("grew");
  });
  tool("wait", {}, async (_, ctx) => {
    const gone = new Promise((resolve) => ctx.mcpReq.signal.addEventListener("abort", resolve));
    await progress(ctx, 1, 2);
    await gone;
    state.cancelled = true;
    return text("never read");
  });
  tool("seen", {}, () => text(state.cancelled ? "cancelled" : "nothing"));
  if (state.grown) tool("grown", {}, () => text("here"));

  server.registerPrompt(
    "greeting",
    { argsSchema: z.object({ name: completable(z.string(), (value) => ["Ada", "Alan", "Barbara"].filter((name) => name.startsWith(value))) }) },
    ({ name }) => ({ messages: [{ role: "user", content: { type: "text", text: `Say hello to ${name}` } }] }),
  );
  server.registerResource("one", "memo://one", {}, (uri) => ({ contents: [{ uri: uri.href, text: "the first memo" }] }));
  server.registerResource("item", new ResourceTemplate("memo://item/{n}", { list: undefined }), {}, (uri, { n }) => ({
    contents: [{ uri: uri.href, text: `item ${n}` }],
  }));
  return server;
}

const server = createServer(toNodeHandler(handler)).listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/mcp`);
});
