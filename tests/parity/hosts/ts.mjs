// A host on an official TypeScript client: the SDK 2 as a host of either era, or the SDK 1.
//
//   ts.mjs --sdk 1|2 --era legacy|modern --story FILE (--url URL | -- COMMAND [ARGUMENT …])
//
// Plays the steps of a story in order and prints what came of each as JSON; judging is the runner's.

import { readFileSync } from "node:fs";

import { createTaskSessionFromClient, toolDeclarationFromMcpTool } from "@modelcontextprotocol/ext-tasks/client";
import { z } from "zod";

import { Recorder } from "./recorder.mjs";

// Stdout is for the recording.
console.log = console.info = console.debug = console.error;

const MODERN = "2026-07-28";
const STEP_MS = 20_000;
const own = process.argv.slice(2);
const cut = own.indexOf("--");
const option = (name) => own[own.indexOf(name) + 1];
const era = option("--era");
const sdk = option("--sdk");
const steps = JSON.parse(readFileSync(option("--story"), "utf8"));
const anything = z.looseObject({});
const META = "io.modelcontextprotocol/";

const INFO = { name: "parity-host", version: "2.0.0", title: "Host ✓" };
const CAPABILITIES = {
  elicitation: { form: {}, url: {} },
  sampling: {},
  roots: { listChanged: true },
  experimental: { "com.example/lab": { level: 1 } },
  extensions: {
    [`${META}tasks`]: {},
    [`${META}events`]: {},
    [`${META}ui`]: { mimeTypes: ["text/html;profile=mcp-app"] },
    "com.example/vendor": { version: 3 },
  },
  ...(era === "legacy" && { tasks: { list: {}, cancel: {}, requests: { elicitation: { create: {} }, sampling: { createMessage: {} } } } }),
};

const recorder = new Recorder();
let person = { action: "accept", content: { name: "Ada" } };

const party = sdk === "1" ? await sdk1() : await sdk2();
const { client, transport } = party;
for (const [method, answer] of Object.entries({
  "elicitation/create": () => person,
  "sampling/createMessage": () => ({ role: "assistant", model: "none", content: { type: "text", text: "answer" } }),
  "roots/list": () => ({ roots: [{ uri: "file:///work", name: "work" }] }),
})) {
  party.on(method, (params) => {
    recorder.step.questions.push({ method, params: recorder.worded(params) });
    return answer(params);
  });
}
client.fallbackRequestHandler = ({ method, params }) => {
  recorder.step.questions.push({ method, params });
  if (method === "com.example/question") return { answer: "№ 42", "com.example/extra": [null] };
  throw Object.assign(new Error("not answered here"), { code: -32601, data: { method } });
};
client.fallbackNotificationHandler = async () => {};

async function sdk1() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const client = new Client(INFO, { capabilities: CAPABILITIES });
  return {
    client,
    transport: transportOf(StreamableHTTPClientTransport, StdioClientTransport),
    on: (method, act) => client.setRequestHandler(z.looseObject({ method: z.literal(method), params: anything.optional() }), ({ params }) => act(params)),
    request: ({ method, params }, options) =>
      method === "tools/call" ? client.callTool(params, undefined, options) : client.request({ method, params }, anything, options),
  };
}

async function sdk2() {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const client = new Client(INFO, { capabilities: CAPABILITIES, versionNegotiation: { mode: era === "modern" ? { pin: MODERN } : "legacy" } });
  return {
    client,
    transport: transportOf(StreamableHTTPClientTransport, StdioClientTransport),
    on: (method, act) => client.setRequestHandler(method, ({ params }) => act(params)),
    request({ method, params }, options) {
      if (method === "tools/call") return client.callTool(params, options);
      if (method === "tools/list" && !params?.cursor) return client.listTools(undefined, { cacheMode: "refresh" });
      // A method of the specification brings its own schema.
      return client.request({ method, ...(params && { params }) }, anything, options);
    },
  };
}

function transportOf(Http, Stdio) {
  const transport =
    cut < 0 ? new Http(new URL(option("--url"))) : new Stdio({ command: own[cut + 1], args: own.slice(cut + 2), env: { ...process.env }, stderr: "inherit" });
  return recorder.tap(transport);
}

/** The failure as JSON, whichever class of whichever SDK it is. */
function failure(error) {
  const { code, message, data } = error;
  return { error: { ...(code !== undefined && { code }), message, ...(data !== undefined && { data }) } };
}

let rawIds = 0;
/** A request outside the SDK's own codecs, as a host makes it that knows more than its SDK. */
async function raw({ method, params = {} }) {
  rawIds += 1;
  const framing = {
    [`${META}protocolVersion`]: MODERN,
    [`${META}clientInfo`]: INFO,
    [`${META}clientCapabilities`]: CAPABILITIES,
  };
  const whole = era === "modern" ? { ...params, _meta: { ...framing, ...params._meta } } : params;
  const { error, result } = await recorder.dispatch(transport, { jsonrpc: "2.0", id: `raw-${rawIds}`, method, params: whole });
  return error ? { error } : recorder.worded(result);
}

/** A session of ext-tasks over the connected client. */
async function taskSession() {
  const { tools } = await VERBS.quietly(() => client.listTools());
  const declared = new Map(tools.map((tool) => [tool.name, toolDeclarationFromMcpTool(tool)]));
  const common = { endpointId: "parity", onInputRequest, tools: { currentTool: (name) => declared.get(name) } };
  if (era === "legacy") return createTaskSessionFromClient(client, common);
  return createTaskSessionFromClient(client, {
    ...common,
    rawDispatch: async (request) => {
      rawIds += 1;
      return recorder.dispatch(transport, { ...request, jsonrpc: "2.0", id: `raw-${rawIds}` });
    },
    v2RequestFraming: { protocolVersion: MODERN, clientInfo: INFO, clientCapabilities: CAPABILITIES },
  });
}

function onInputRequest(request) {
  recorder.step.questions.push({ kind: request.kind, params: request.params });
  return request.kind === "elicitation" ? person : { roots: [] };
}

/** The server about itself, as it came: the SDK's own view has no members that it does not know. */
async function said() {
  const [initialized] = recorder.steps.connect.answers.filter(({ to }) => to === "initialize");
  const { result } = initialized ?? { result: await VERBS.quietly(() => raw({ method: "server/discover" })) };
  const { capabilities, instructions, serverInfo, _meta } = result;
  return { capabilities, instructions, server: serverInfo ?? _meta?.[`${META}serverInfo`] };
}

const VERBS = {
  request: (step) => party.request(step, step.progress ? { onprogress: () => {} } : undefined),
  raw: (step) => raw(step),
  notify: async ({ method, params }) => {
    await client.notification({ method, ...(params && { params }) });
    return "sent";
  },
  server: async () => ({
    said: await said(),
    capabilities: client.getServerCapabilities(),
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    ...(sdk === "2" && { revision: client.getNegotiatedProtocolVersion() }),
  }),
  async level({ level }) {
    // In the modern era it is given with each request.
    if (era === "legacy") await client.setLoggingLevel(level);
    return "set";
  },
  speak: ({ level }) =>
    party.request({ method: "tools/call", params: { name: "speak", arguments: {}, ...(era === "modern" && { _meta: { [`${META}logLevel`]: level } }) } }),
  async subscribed({ uri }) {
    const call = () => party.request({ method: "tools/call", params: { name: "touch", arguments: { uri } } });
    if (era === "legacy") {
      await party.request({ method: "resources/subscribe", params: { uri } });
      const said = await call();
      await recorder.hear({ "notifications/resources/updated": 1 });
      await party.request({ method: "resources/unsubscribe", params: { uri } });
      return said;
    }
    const listening = await client.listen({ resourceSubscriptions: [uri] });
    const said = await call();
    await recorder.hear({ "notifications/resources/updated": 1 });
    await listening.close();
    return said;
  },
  async changed() {
    const listening = era === "modern" ? await client.listen({ toolsListChanged: true, promptsListChanged: true }) : undefined;
    const said = await party.request({ method: "tools/call", params: { name: "grow", arguments: {} } });
    await recorder.hear({ "notifications/tools/list_changed": 1 });
    const { tools } = await party.request({ method: "tools/list" });
    await listening?.close();
    return { said, listed: tools.some(({ name }) => name === "grown"), honoured: listening?.honoredFilter };
  },
  async flurry({ uri, hear }) {
    const filter = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, resourceSubscriptions: [uri] };
    const listening = era === "modern" ? await client.listen(filter) : undefined;
    if (!listening) await party.request({ method: "resources/subscribe", params: { uri } });
    const said = await party.request({ method: "tools/call", params: { name: "flurry", arguments: {} } });
    await recorder.hear(hear);
    if (listening) await listening.close();
    else await party.request({ method: "resources/unsubscribe", params: { uri } });
    return said;
  },
  /** A request that lasts until the host has heard enough and leaves it. */
  async left(step) {
    const stop = new AbortController();
    const options = { signal: stop.signal, timeout: 60_000, ...(step.progress && { onprogress: () => {} }) };
    const gone = party.request(step, options).catch((error) => ({ left: error.name === "AbortError" || /stop|abort/i.test(error.message) }));
    await recorder.hear(step.hear);
    if (step.settle) await new Promise((resolve) => setTimeout(resolve, step.settle));
    stop.abort("stop");
    const answer = await gone;
    if (!step.seen) return answer;
    // The server learns of it in its own time.
    for (let tries = 0; tries < 60; tries += 1) {
      const said = (await VERBS.quietly(() => party.request({ method: "tools/call", params: { name: "seen", arguments: {} } }))).content[0].text;
      if (said !== "nothing") return { ...answer, said };
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { ...answer, said: "the server was never told" };
  },
  /** Runs `act` without keeping its answers, of which there may be any number. */
  async quietly(act) {
    const { step } = recorder;
    recorder.step = { answers: [], heard: step.heard, asked: [], questions: [] };
    const said = await act();
    recorder.step = step;
    return said;
  },
  /** Two streams at once: every notification has to name its own. */
  async streams({ streams, hear }) {
    const stop = new AbortController();
    const all = streams.map((params) =>
      party.request({ method: "events/stream", params }, { signal: stop.signal, timeout: 60_000 }).catch(() => "left"),
    );
    await recorder.hear(hear);
    stop.abort("stop");
    return Promise.all(all);
  },
  /** `subscriptions/listen` with members that the SDK does not know. */
  async listen({ notifications, hear, then }) {
    rawIds += 1;
    const id = `raw-${rawIds}`;
    const framing = { [`${META}protocolVersion`]: MODERN, [`${META}clientInfo`]: INFO, [`${META}clientCapabilities`]: CAPABILITIES };
    const stop = new AbortController();
    const message = { jsonrpc: "2.0", id, method: "subscriptions/listen", params: { notifications, _meta: framing } };
    void recorder.dispatch(transport, message, { requestSignal: stop.signal }).catch(() => {});
    await recorder.hear({ "notifications/subscriptions/acknowledged": 1 });
    const said = then && (await party.request(then));
    await recorder.hear(hear);
    stop.abort();
    await transport.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } }).catch(() => {});
    return said ?? "listened";
  },
  /** A change that a legacy host hears unasked and a modern one listens for. */
  async invented({ notifications, then, hear }) {
    if (era === "modern") return VERBS.listen({ notifications, then, hear });
    const said = await party.request(then);
    await recorder.hear(hear);
    return said;
  },
  async task({ name, cancel }) {
    const session = await taskSession();
    const events = [];
    try {
      const execution = await session.callTool(name, {});
      const settled = execution.settle({ onEvent: (event) => void events.push(told(event)) });
      if (cancel) {
        for (let tries = 0; tries < 100 && events.length === 0; tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
        await execution.cancel?.();
      }
      const { outcome } = await settled;
      // A task of 2025-11-25 goes on by itself, and may be at its end before anyone looks.
      return { ...(era === "modern" && !cancel && { events: distinct(events) }), outcome: told({ type: "outcome", outcome }) };
    } finally {
      await session.close();
    }
  },
  /** The SDK 1's own experimental tasks. */
  async stream({ name, cancel }) {
    const messages = [];
    for await (const message of client.experimental.tasks.callToolStream({ name, arguments: {} }, undefined, { task: { ttl: 60000 } })) {
      messages.push(message.type === "error" ? { type: "error", ...failure(message.error) } : message);
      if (cancel && message.type === "taskCreated") await client.experimental.tasks.cancelTask(message.task.taskId);
    }
    return messages.filter(({ type }) => type !== "taskStatus");
  },
  /** The SDK 2's own reader of skills, which checks every digest. */
  async skills() {
    const { SkillsClient } = await import("@modelcontextprotocol/client/ext/skills");
    const reader = new SkillsClient(client);
    const { skills, invalid, ttlMs, cacheScope } = await reader.list();
    const files = {};
    for (const skill of skills) {
      const got = await reader.get(skill.uri);
      for (const { uri } of got.skill.resources) {
        const { bytes, verified, mimeType } = await reader.read(got.skill, uri);
        files[uri] = { base64: Buffer.from(bytes).toString("base64"), verified, mimeType };
      }
    }
    const folder = reader.directoryRead && (await reader.readDirectory(skills[0].uri.replace(/\/SKILL\.md$/, "")));
    return { supported: reader.supported, directoryRead: reader.directoryRead, skills, invalid, ttlMs, cacheScope, files, folder };
  },
};

function told(event) {
  if (event.type === "task") {
    const { status, statusMessage } = event.task;
    return { task: { status, statusMessage } };
  }
  const { outcome } = event;
  return { outcome: { status: outcome.status, ...("result" in outcome && { result: outcome.result }), ...(outcome.error && failure(outcome.error)) } };
}

/** The list without repetitions of what came just before: how often a task is looked at depends on the clock. */
const distinct = (list) => list.filter((one, at) => JSON.stringify(one) !== JSON.stringify(list[at - 1]));

const bounded = (work) =>
  Promise.race([work, new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing within ${STEP_MS} ms`)), STEP_MS).unref())]);

try {
  await bounded(client.connect(transport));
  recorder.step.outcome = "connected";
  for (const step of steps) {
    const kept = recorder.begin(step.step);
    if (step.person) person = step.person;
    try {
      kept.outcome = recorder.worded((await bounded(VERBS[step.do](step))) ?? null);
    } catch (error) {
      kept.outcome = failure(error);
    }
    if (step.hear) await recorder.hear(step.hear);
    else if (step.settle) await new Promise((resolve) => setTimeout(resolve, step.settle));
  }
  recorder.begin("leave");
  const left = performance.now();
  await bounded(client.close());
  // The client kills what has not left after two seconds.
  recorder.step.outcome = performance.now() - left < 1900 ? "left by itself" : "had to be killed";
} catch (error) {
  recorder.steps.failed = String(error?.stack ?? error);
}
process.stdout.write(JSON.stringify(recorder.steps), () => process.exit(0));
