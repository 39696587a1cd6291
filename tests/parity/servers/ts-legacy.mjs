// The server of 2025-11-25 on the official TypeScript SDK 1, with a session per host, its experimental tasks, and custom
// handlers for events, skills and what a vendor may add. Prints its address on stdout once it listens.

import { randomUUID } from "node:crypto";
import { completable } from "@modelcontextprotocol/sdk/server/completable.js";
import { McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { InMemoryTaskMessageQueue, InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks";
import { SubscribeRequestSchema, UnsubscribeRequestSchema, ListResourceTemplatesRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";

import { serve } from "./seen.mjs";
import { capabilities, event, EVENT_TYPES, eventScript, INFO, INSTRUCTIONS, MIXED, page, SKILL_FILES, sha256, skillPath, skillUri, SUBSCRIPTION, TEMPLATES, text } from "./surface.mjs";

const state = { cancelled: false };
const SKILLS = "io.modelcontextprotocol/skills";
const UI = "text/html;profile=mcp-app";
/** An error whose message is sent as it is; the SDK's own puts its code before it. */
const refuse = (code, message, data) => Object.assign(new Error(message), { code, data });
const progress = (extra, done, total, message) => {
  const progressToken = extra._meta?.progressToken;
  return progressToken === undefined
    ? undefined
    : extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress: done, total, ...(message && { message }) } });
};

/** The entries of `skills/list`, of our files. */
function skillEntries() {
  const names = [...new Set(Object.keys(SKILL_FILES).map((path) => path.split("/")[0]))];
  return names.map((name) => {
    const resources = Object.keys(SKILL_FILES)
      .filter((path) => path.startsWith(`${name}/`))
      .sort()
      .map((path) => {
        const bytes = Buffer.from(SKILL_FILES[path]);
        return { uri: skillUri(path), digest: sha256(bytes), size: bytes.length };
      });
    const description = /description: (.*)/.exec(SKILL_FILES[`${name}/SKILL.md`])[1];
    return { uri: `skill://${name}/SKILL.md`, frontmatter: { name, description }, resources };
  });
}

function skillContents(uri) {
  const file = SKILL_FILES[skillPath(uri)];
  if (file === undefined) throw refuse(-32002, "Resource not found", { uri });
  return typeof file === "string" ? { uri, mimeType: "text/markdown", text: file } : { uri, mimeType: "application/octet-stream", blob: Buffer.from(file).toString("base64") };
}

function parity() {
  const taskStore = new InMemoryTaskStore();
  const server = new McpServer(INFO, {
    capabilities: capabilities({
      extensions: { [SKILLS]: { directoryRead: true } },
      capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
    }),
    instructions: INSTRUCTIONS,
    taskStore,
    taskMessageQueue: new InMemoryTaskMessageQueue(),
  });
  const low = server.server;
  const custom = (method, act) =>
    low.setRequestHandler(z.looseObject({ method: z.literal(method), params: z.looseObject({}).optional() }), (request, extra) => act(request.params ?? {}, extra));
  const subscribed = new Set();
  low.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri);
    return { "com.example/subscribed": true };
  });
  low.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  const tool = (name, inputSchema, act, more = {}) => server.registerTool(name, { description: name, inputSchema, ...more }, act);

  tool("add", { a: z.number(), b: z.number() }, ({ a, b }) => ({ ...text(`${a + b}`), structuredContent: { sum: a + b } }), {
    title: "Add",
    outputSchema: { sum: z.number() },
    annotations: { readOnlyHint: true, idempotentHint: true, title: "Adds" },
    icons: [{ src: "https://example.com/add.png" }],
    _meta: { "com.example/rank": 1 },
  });
  tool("mixed", {}, () => MIXED);
  tool("fail", {}, () => ({ ...text("deliberate"), isError: true, _meta: { "com.example/why": "asked" } }));
  tool("throw", {}, () => {
    throw new Error("thrown");
  });
  tool("ask", {}, async (_, { requestId }) => {
    const requestedSchema = {
      type: "object",
      properties: { name: { type: "string", title: "Name" }, colour: { type: "string", enum: ["red", "green"], default: "red" } },
      required: ["name"],
    };
    const { action, content } = await low.elicitInput({ message: "What is your name?", requestedSchema }, { relatedRequestId: requestId });
    return text(action === "accept" ? `hello ${content.name}` : action);
  });
  tool("visit", {}, async (_, { requestId }) => {
    const question = { mode: "url", message: "Please sign", url: "https://example.com/sign?a=1", elicitationId: "sign-1" };
    const { action } = await low.elicitInput(question, { relatedRequestId: requestId });
    return text(action);
  });
  tool("think", {}, async (_, { requestId }) => {
    const question = {
      messages: [{ role: "user", content: { type: "text", text: "think hard" } }],
      systemPrompt: "be brief",
      temperature: 0.2,
      maxTokens: 10,
      modelPreferences: { hints: [{ name: "small" }], speedPriority: 1 },
    };
    const { content } = await low.createMessage(question, { relatedRequestId: requestId });
    return text(`thought: ${content.text}`);
  });
  // Asked on the standing stream, not on the call's own: both ways have to work.
  tool("where", {}, async () => text((await low.listRoots()).roots.map(({ uri }) => uri).join()));
  tool("count", { to: z.number() }, async ({ to }, extra) => {
    for (let done = 1; done <= to; done += 1) await progress(extra, done, to, `step ${done}`);
    return text(`counted to ${to}`);
  });
  tool("speak", {}, async (_, { sessionId }) => {
    await server.sendLoggingMessage({ level: "debug", data: "quiet" }, sessionId);
    await server.sendLoggingMessage({ level: "warning", data: { loud: [1, 2] }, logger: "parity.speaker" }, sessionId);
    return text("spoken");
  });
  tool("touch", { uri: z.string() }, async ({ uri }) => {
    if (subscribed.has(uri)) await low.sendResourceUpdated({ uri });
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
  tool("seen", {}, () => {
    const said = state.cancelled ? "cancelled" : "nothing";
    state.cancelled = false;
    return text(said);
  });
  tool("news", {}, async (_, extra) => {
    await extra.sendNotification({ method: "notifications/com.example/news", params: { headline: "№ 1", list: [null, 1e21] } });
    return text("told");
  });
  tool("invent", {}, async () => {
    await low.notification({ method: "notifications/events/list_changed" });
    return text("invented");
  });
  // Everything a server may say of its lists, in one call (PrefectHQ/fastmcp issue 4161).
  tool("flurry", {}, async () => {
    server.sendToolListChanged();
    server.sendResourceListChanged();
    server.sendPromptListChanged();
    if (subscribed.has("memo://one")) await low.sendResourceUpdated({ uri: "memo://one" });
    return text("a flurry");
  });
  // A question that no revision knows, and one for which the host has no answer.
  tool("odd question", {}, async (_, extra) => {
    const answer = await extra
      .sendRequest({ method: "com.example/question", params: { about: "№" } }, z.looseObject({}))
      .catch(({ code, message, data }) => ({ refused: { code, message, data } }));
    return text(JSON.stringify(answer));
  });

  /** A tool of which each run is a task. `act(taskId, store, extra)` brings it to its end. */
  const taskTool = (name, taskSupport, act) =>
    server.experimental.tasks.registerToolTask(name, { description: name, inputSchema: {}, execution: { taskSupport } }, {
      async createTask(_, extra) {
        const task = await extra.taskStore.createTask({ ttl: 60000, pollInterval: 20 });
        setImmediate(() => act(task.taskId, extra.taskStore, extra).catch((error) => console.error(error)));
        return { task };
      },
      getTask: (_, extra) => extra.taskStore.getTask(extra.taskId),
      getTaskResult: (_, extra) => extra.taskStore.getTaskResult(extra.taskId),
    });
  const done = async (taskId, store) => {
    await store.updateTaskStatus(taskId, "working", "half");
    await store.storeTaskResult(taskId, "completed", { ...text("chore done"), structuredContent: { done: true }, "com.example/extra": 1 });
  };
  taskTool("chore", "required", done);
  taskTool("choice", "optional", done);
  taskTool("doomed", "required", async (taskId, store) => {
    await store.storeTaskResult(taskId, "failed", { ...text("the roof fell in"), isError: true });
  });
  taskTool("endless", "required", async (taskId, store) => {
    await store.updateTaskStatus(taskId, "working", "still at it");
    while ((await store.getTask(taskId)).status !== "cancelled") await new Promise((resolve) => setTimeout(resolve, 20));
    state.cancelled = true;
  });
  taskTool("interview", "required", async (taskId, store, extra) => {
    await store.updateTaskStatus(taskId, "input_required", "a name is wanted");
    const { action, content } = await extra.sendRequest(
      {
        method: "elicitation/create",
        params: { mode: "form", message: "What is your name?", requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } },
      },
      z.looseObject({}),
      { relatedTask: { taskId } },
    );
    await store.storeTaskResult(taskId, "completed", text(`${action}: ${content?.name}`));
  });

  // Answers an ordinary call with a task because the host could have asked for one (sipyourdrink-ltd/bernstein pull 3103).
  const ordinary = low._requestHandlers.get("tools/call");
  low._requestHandlers.set("tools/call", async (request, extra) => {
    if (request.params.name !== "eager") return ordinary(request, extra);
    const task = { taskId: "eager-1", status: "working", ttl: null, createdAt: "2026-02-19T15:30:00Z", lastUpdatedAt: "2026-02-19T15:30:00Z" };
    return { task };
  });

  server.registerPrompt(
    "greeting",
    {
      title: "Greeting",
      description: "Greets",
      argsSchema: { name: completable(z.string(), (value) => ["Ada", "Alan", "Barbara"].filter((name) => name.startsWith(value))) },
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
  server.registerResource("skill", new ResourceTemplate("skill://{+path}", { list: undefined }), {}, (uri) => ({ contents: [skillContents(uri.href)] }));
  low.setRequestHandler(ListResourceTemplatesRequestSchema, ({ params }) => {
    const found = page(TEMPLATES, "resourceTemplates", params?.cursor);
    if (!found) throw refuse(-32602, "bad cursor", { cursor: params.cursor });
    return found;
  });

  // MCP Apps, in the words of its extension: the package's helpers are made for the SDK 2.
  tool("chart", {}, () => ({ ...text("drawn"), structuredContent: { points: [1, 2] }, _meta: { ui: { state: 1 } } }), {
    description: "draws",
    _meta: { ui: { resourceUri: "ui://chart/view.html", visibility: ["model", "app"] }, "ui/resourceUri": "ui://chart/view.html" },
  });
  server.registerResource("chart view", "ui://chart/view.html", { description: "the view", mimeType: UI, _meta: { ui: { prefersBorder: true } } }, () => ({
    contents: [
      { uri: "ui://chart/view.html", mimeType: UI, text: "<!doctype html><title>chart</title>", _meta: { ui: { csp: { connectDomains: ["https://example.com"] }, domain: "chart" } } },
    ],
  }));

  custom("skills/list", ({ cursor }) => page(skillEntries(), "skills", cursor));
  custom("skills/get", ({ uri }) => {
    const skill = skillEntries().find((entry) => entry.uri === uri);
    if (!skill) throw refuse(-32602, "no such skill", { uri });
    return { skill };
  });
  custom("resources/directory/read", ({ uri }) => {
    const folder = `${skillPath(uri).replace(/\/$/, "")}/`;
    const names = [...new Set(Object.keys(SKILL_FILES).filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length).split("/")[0]))].sort();
    if (names.length === 0) throw refuse(-32602, "no such directory", { uri });
    const resources = names.map((name) =>
      `${folder}${name}` in SKILL_FILES
        ? { uri: skillUri(`${folder}${name}`), name, mimeType: "text/markdown" }
        : { uri: skillUri(`${folder}${name}`), name, mimeType: "inode/directory" },
    );
    return { resources };
  });

  custom("events/list", ({ cursor }) => page(EVENT_TYPES, "events", cursor));
  custom("events/poll", (params) => {
    if (params.name !== "memo.written") throw refuse(-32011, "NotFound", { kind: "event", name: params.name });
    const events = params.cursor === null ? [] : [event(1), event(2)];
    return { events, cursor: params.cursor === null ? "c0" : "c2", truncated: false, hasMore: false, nextPollMs: 30000, polled: params };
  });
  custom("events/subscribe", ({ delivery }) => ({ id: "sub_1", refreshBefore: null, cursor: "c0", truncated: false, delivery: delivery.url }));
  custom("events/unsubscribe", () => ({}));
  custom("events/stream", async (params, extra) => {
    if (params.name === "memo.secret") throw refuse(-32012, "Forbidden", { name: params.name });
    for (const said of eventScript(params, extra.requestId)) await extra.sendNotification(said);
    if (params.name === "memo.written") {
      await new Promise((resolve) => extra.signal.addEventListener("abort", resolve));
      state.cancelled = true;
    }
    return { _meta: { [SUBSCRIPTION]: extra.requestId } };
  });

  custom("com.example/echo", (params) => ({ echo: params, "com.example/answer": { to: null, list: [1.0, 0.1, "№"] } }));
  custom("com.example/fail", () => {
    throw refuse(-31999, "as you wished\nand more", { nested: { list: [null] } });
  });
  custom("com.example/kind", () => ({ resultType: "com.example/kind", kind: { unheard: "of" } }));
  custom("com.example/tell", async (_, extra) => {
    await extra.sendNotification({ method: "notifications/com.example/news", params: { headline: "№ 1", _meta: { "com.example/trace": 5 } } });
    await extra.sendNotification({ method: "notifications/com.example/bare" });
    return { told: true };
  });
  return server;
}

const sessions = new Map();

serve(async (request, response, body) => {
  const id = request.headers["mcp-session-id"];
  let transport = sessions.get(id);
  if (id !== undefined && !transport) return response.writeHead(404).end();
  if (!transport) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (session) => sessions.set(session, transport),
      onsessionclosed: (session) => sessions.delete(session),
    });
    await parity().connect(transport);
  }
  await transport.handleRequest(request, response, body);
});
