// The server of 2026-07-28 on the official TypeScript SDK 2, with ext-apps, the SDK's own skills, and custom handlers for
// events, tasks and what a vendor may add. Prints its address on stdout once it listens.

import { toNodeHandler } from "@modelcontextprotocol/node";
import { completable, createMcpHandler, inputRequired, inputResponse, McpServer, ProtocolError, ResourceTemplate } from "@modelcontextprotocol/server";
import { memorySkillFiles, SkillsExtension } from "@modelcontextprotocol/server/ext/skills";
import { registerAppResource, registerAppTool, RESOURCE_MIME_TYPE } from "@modelcontextprotocol/ext-apps/server";
import { z } from "zod";

import { serve } from "./seen.mjs";
import { capabilities, event, EVENT_TYPES, eventScript, INFO, INSTRUCTIONS, MIXED, page, refuse, SKILL_FILES, SUBSCRIPTION, TEMPLATES, text } from "./surface.mjs";

const TASKS = "io.modelcontextprotocol/tasks";
const any = { params: z.looseObject({}).optional() };
const state = { cancelled: false, grown: false };
const tasks = new Map();
/** Who is to be told of new kinds of events. */
const kinds = new Set();
const skills = await SkillsExtension.load(memorySkillFiles(SKILL_FILES), { pageSize: 1 });
const handler = createMcpHandler(parity, { legacy: "reject", onerror: (error) => console.error(error.message) });

/** The answer to a question, or the question. */
const answered = (ctx, kind, question) => {
  const view = inputResponse(ctx.mcpReq.inputResponses, "it");
  return view.kind === kind ? { view } : { ask: inputRequired({ inputRequests: { it: question }, requestState: `asked ${kind}` }) };
};
const progress = (ctx, done, total, message) => {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  return progressToken === undefined
    ? undefined
    : ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: done, total, ...(message && { message }) } });
};

/** A task of SEP-2663 as `tasks/get` shows it. Each look moves it on by one, so that nothing depends on a clock. */
function look(task) {
  const { taskId, createdAt, script } = task;
  const step = script[Math.min(task.at, script.length - 1)];
  if (!step.inputRequests) task.at += 1;
  const base = { taskId, createdAt, lastUpdatedAt: createdAt, ttlMs: 60000, pollIntervalMs: 20, "com.example/look": true };
  return { resultType: "complete", ...base, ...step };
}

const SCRIPTS = {
  chore: [
    { status: "working", statusMessage: "a third" },
    { status: "working", statusMessage: "two thirds" },
    { status: "completed", result: { resultType: "complete", ...text("chore done"), structuredContent: { done: true }, "com.example/extra": 1 } },
  ],
  interview: [
    { status: "working" },
    {
      status: "input_required",
      inputRequests: {
        name: {
          method: "elicitation/create",
          params: { mode: "form", message: "What is your name?", requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } },
        },
      },
    },
    { status: "completed", result: { resultType: "complete", ...text("hello") } },
  ],
  doomed: [{ status: "working" }, { status: "failed", statusMessage: "the roof fell in", error: { code: -32050, message: "roof", data: { tiles: 3 } } }],
  endless: [{ status: "working", statusMessage: "still at it" }],
};

function startTask(name) {
  const taskId = `task-${tasks.size + 1}`;
  const task = { taskId, createdAt: "2026-02-19T15:30:00Z", at: 0, script: SCRIPTS[name] };
  tasks.set(taskId, task);
  return { resultType: "task", taskId, status: "working", statusMessage: "begun", createdAt: task.createdAt, lastUpdatedAt: task.createdAt, ttlMs: 60000, pollIntervalMs: 20 };
}

function parity() {
  const server = new McpServer(INFO, { capabilities: capabilities({ extensions: { [TASKS]: {} } }), instructions: INSTRUCTIONS });
  const low = server.server;
  const tool = (name, inputSchema, act, more = {}) =>
    server.registerTool(name, { description: name, inputSchema: z.object(inputSchema), ...more }, act);

  tool("add", { a: z.number(), b: z.number() }, ({ a, b }) => ({ ...text(`${a + b}`), structuredContent: { sum: a + b } }), {
    title: "Add",
    outputSchema: z.object({ sum: z.number() }),
    annotations: { readOnlyHint: true, idempotentHint: true, title: "Adds" },
    icons: [{ src: "https://example.com/add.png" }],
    _meta: { "com.example/rank": 1 },
  });
  tool("mixed", {}, () => MIXED);
  tool("fail", {}, () => ({ ...text("deliberate"), isError: true, _meta: { "com.example/why": "asked" } }));
  tool("throw", {}, () => {
    throw new Error("thrown");
  });
  tool("ask", {}, (_, ctx) => {
    const requestedSchema = {
      type: "object",
      properties: { name: { type: "string", title: "Name" }, colour: { type: "string", enum: ["red", "green"], default: "red" } },
      required: ["name"],
    };
    const { view, ask } = answered(ctx, "elicit", inputRequired.elicit({ message: "What is your name?", requestedSchema }));
    return ask ?? text(view.action === "accept" ? `hello ${view.content.name}` : view.action);
  });
  tool("visit", {}, (_, ctx) => {
    const { view, ask } = answered(ctx, "elicit", inputRequired.elicitUrl({ message: "Please sign", url: "https://example.com/sign?a=1" }));
    return ask ?? text(view.action);
  });
  tool("think", {}, (_, ctx) => {
    const question = inputRequired.createMessage({
      messages: [{ role: "user", content: { type: "text", text: "think hard" } }],
      systemPrompt: "be brief",
      temperature: 0.2,
      maxTokens: 10,
      modelPreferences: { hints: [{ name: "small" }], speedPriority: 1 },
    });
    const { view, ask } = answered(ctx, "sampling", question);
    return ask ?? text(`thought: ${view.result.content.text}`);
  });
  tool("where", {}, (_, ctx) => {
    const { view, ask } = answered(ctx, "roots", inputRequired.listRoots());
    return ask ?? text(view.roots.map(({ uri }) => uri).join());
  });
  tool("count", { to: z.number() }, async ({ to }, ctx) => {
    for (let done = 1; done <= to; done += 1) await progress(ctx, done, to, `step ${done}`);
    return text(`counted to ${to}`);
  });
  tool("speak", {}, async (_, ctx) => {
    await ctx.mcpReq.log("debug", "quiet");
    await ctx.mcpReq.log("warning", { loud: [1, 2] }, "parity.speaker");
    return text("spoken");
  });
  tool("touch", { uri: z.string() }, ({ uri }) => {
    handler.notify.resourceUpdated(uri);
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
  tool("seen", {}, () => {
    const said = state.cancelled ? "cancelled" : "nothing";
    state.cancelled = false;
    return text(said);
  });
  // Everything a server may say of its lists, in one call (PrefectHQ/fastmcp issue 4161).
  tool("flurry", {}, () => {
    handler.notify.toolsChanged();
    handler.notify.resourcesChanged();
    handler.notify.promptsChanged();
    handler.notify.resourceUpdated("memo://one");
    return text("a flurry");
  });
  tool("invent", {}, () => {
    for (const told of kinds) told();
    return text("invented");
  });
  tool("news", {}, async (_, ctx) => {
    await ctx.mcpReq.notify({ method: "notifications/com.example/news", params: { headline: "№ 1", list: [null, 1e21] } });
    return text("told");
  });
  if (state.grown) tool("grown", {}, () => text("here"));
  const aware = (ctx) => ctx.mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"]?.extensions?.[TASKS];
  for (const name of Object.keys(SCRIPTS)) tool(name, {}, () => text(`${name} at once`));
  // Before the SDK's own handler: a task is made by a handler that may answer with any `resultType`.
  const ordinary = low._requestHandlers.get("tools/call");
  low._requestHandlers.set("tools/call", async (request, ctx) => {
    const { name } = request.params;
    if (name in SCRIPTS && aware(ctx)) return startTask(name);
    if (name === "riddle") return { resultType: "com.example/riddle", riddle: { question: "?", options: [1, 2] }, "com.example/extra": true };
    return ordinary(request, ctx);
  });

  server.registerPrompt(
    "greeting",
    {
      title: "Greeting",
      description: "Greets",
      argsSchema: z.object({ name: completable(z.string(), (value) => ["Ada", "Alan", "Barbara"].filter((name) => name.startsWith(value))) }),
    },
    ({ name }) => ({
      description: "a greeting",
      messages: [
        { role: "user", content: { type: "text", text: `Say hello to ${name}` } },
        { role: "assistant", content: { type: "resource", resource: { uri: "memo://one", text: "the first memo" } } },
      ],
      "com.example/extra": [1],
    }),
  );
  const one = { title: "One", description: "The first", mimeType: "text/plain", size: 14, annotations: { priority: 1, audience: ["user"] }, _meta: { "com.example/rank": 1 } };
  server.registerResource("one", "memo://one", one, (uri) => ({
    contents: [{ uri: uri.href, mimeType: "text/plain", text: "the first memo\r\n\u2028", _meta: { "com.example/etag": "1" } }],
    "com.example/extra": { read: 1 },
  }));
  server.registerResource("bytes", "memo://bytes", {}, (uri) => ({ contents: [{ uri: uri.href, mimeType: "application/octet-stream", blob: "AAECA/8=" }] }));
  server.registerResource("item", new ResourceTemplate("memo://item/{n}", { list: undefined }), {}, (uri, { n }) => ({
    contents: [{ uri: uri.href, text: `item ${n}` }],
  }));
  low.setRequestHandler("resources/templates/list", ({ params }) => {
    const found = page(TEMPLATES, "resourceTemplates", params?.cursor);
    if (!found) throw new ProtocolError(-32602, "bad cursor", { cursor: params.cursor });
    return { ...found, ttlMs: 0, cacheScope: "private" };
  });

  registerAppTool(server, "chart", { description: "draws", inputSchema: z.object({}), _meta: { ui: { resourceUri: "ui://chart/view.html", visibility: ["model", "app"] } } }, () => ({
    ...text("drawn"),
    structuredContent: { points: [1, 2] },
    _meta: { ui: { state: 1 } },
  }));
  const html = "<!doctype html><title>chart</title>";
  registerAppResource(server, "chart view", "ui://chart/view.html", { description: "the view", _meta: { ui: { prefersBorder: true } } }, () => ({
    contents: [{ uri: "ui://chart/view.html", mimeType: RESOURCE_MIME_TYPE, text: html, _meta: { ui: { csp: { connectDomains: ["https://example.com"] }, domain: "chart" } } }],
  }));

  skills.attach(server);

  low.setRequestHandler("events/list", any, (params) => ({ ...page(EVENT_TYPES, "events", params?.cursor), ttlMs: 0, cacheScope: "private" }));
  low.setRequestHandler("events/poll", any, (params) => {
    if (params.name !== "memo.written") throw refuse(ProtocolError, -32011, "NotFound", { kind: "event", name: params.name });
    const events = params.cursor === null ? [] : [event(1), event(2)];
    return { events, cursor: params.cursor === null ? "c0" : "c2", truncated: false, hasMore: false, nextPollMs: 30000, polled: params };
  });
  low.setRequestHandler("events/subscribe", any, (params) => ({ id: "sub_1", refreshBefore: null, cursor: "c0", truncated: false, delivery: params.delivery.url }));
  low.setRequestHandler("events/unsubscribe", any, () => ({}));
  low.setRequestHandler("events/stream", any, async (params, ctx) => {
    if (params.name === "memo.secret") throw refuse(ProtocolError, -32012, "Forbidden", { name: params.name });
    const id = ctx.mcpReq.id;
    for (const said of eventScript(params, id)) await ctx.mcpReq.notify(said);
    if (params.name === "memo.written") {
      await new Promise((resolve) => ctx.mcpReq.signal.addEventListener("abort", resolve));
      state.cancelled = true;
    }
    return { _meta: { "io.modelcontextprotocol/subscriptionId": id } };
  });

  const known = (params) => {
    const task = tasks.get(params.taskId);
    if (!task) throw refuse(ProtocolError, -32602, "Failed to retrieve task", { taskId: params.taskId });
    return task;
  };
  low.setRequestHandler("tasks/get", any, (params) => look(known(params)));
  // The SDK takes `inputResponses` out of the params of any method.
  low.setRequestHandler("tasks/update", any, (params, ctx) => {
    const task = known(params);
    task.at += 1;
    const name = ctx.mcpReq.inputResponses?.name;
    task.script = [...task.script.slice(0, -1), { status: "completed", result: { resultType: "complete", ...text(`${name?.action}: ${name?.content?.name}`) } }];
    return {};
  });
  low.setRequestHandler("tasks/cancel", any, (params) => {
    state.cancelled = true;
    Object.assign(known(params), { script: [{ status: "cancelled", statusMessage: "as asked" }], at: 0 });
    return {};
  });

  low.setRequestHandler("com.example/echo", any, (params) => ({ echo: params, "com.example/answer": { to: null, list: [1.0, 0.1, "№"] } }));
  low.setRequestHandler("com.example/fail", any, () => {
    throw refuse(ProtocolError, -31999, "as you wished\nand more", { nested: { list: [null] } });
  });
  low.setRequestHandler("com.example/tell", any, async (params, ctx) => {
    await ctx.mcpReq.notify({ method: "notifications/com.example/news", params: { headline: "№ 1", _meta: { "com.example/trace": 5 } } });
    await ctx.mcpReq.notify({ method: "notifications/com.example/bare" });
    return { told: true };
  });
  return server;
}

const NOTICES = { tools_list_changed: "toolsListChanged", prompts_list_changed: "promptsListChanged", resources_list_changed: "resourcesListChanged" };

/** A `subscriptions/listen` with the member of SEP-3415, which the SDK's own drops. */
function listen({ id, params: { notifications } }, response) {
  const _meta = { [SUBSCRIPTION]: id };
  const tell = (method, params) => response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method, params: { ...params, _meta } })}\n\n`);
  response.writeHead(200, { "content-type": "text/event-stream" });
  tell("notifications/subscriptions/acknowledged", { notifications });
  const kind = () => tell("notifications/events/list_changed");
  const leave = handler.bus.subscribe((event) => {
    if (event.kind === "resource_updated") {
      if (notifications.resourceSubscriptions?.includes(event.uri)) tell("notifications/resources/updated", { uri: event.uri });
    } else if (notifications[NOTICES[event.kind]]) tell(`notifications/${event.kind.replace("_", "/")}`);
  });
  kinds.add(kind);
  response.once("close", () => {
    kinds.delete(kind);
    leave();
  });
}

const official = toNodeHandler(handler);
const isDeaf = process.argv.includes("--refuses-to-listen");
serve((request, response, body) => {
  // What a server may do that never has anything to say (github/github-mcp-server pull 3073).
  if (isDeaf && body?.method === "subscriptions/listen") {
    const error = { code: -32601, message: "Method not found: subscriptions/listen" };
    return response.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id: body.id, error }));
  }
  if (body?.method === "subscriptions/listen" && body.params?.notifications?.eventsListChanged) return listen(body, response);
  // The SDK refuses to send a `resultType` of a vendor for a method of a vendor.
  if (body?.method !== "com.example/kind") return official(request, response, body);
  const result = { resultType: "com.example/kind", kind: { unheard: "of" } };
  return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id: body.id, result }));
});
