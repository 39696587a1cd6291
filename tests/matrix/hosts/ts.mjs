// The story's host on the official TypeScript client 2.x, as a host of either era.
//
//   ts.mjs --era legacy|modern --story FILE (--url URL | -- COMMAND [ARGUMENT …])
//
// Plays the story's steps in order and prints `{step: outcome}` as JSON. A step that throws has the error as its outcome;
// judging is the runner's.

import { readFileSync } from "node:fs";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const MODERN = "2026-07-28";
const STEP_MS = 15_000;
const own = process.argv.slice(2);
const cut = own.indexOf("--");
const option = (name) => own[own.indexOf(name) + 1];
const era = option("--era");
const steps = JSON.parse(readFileSync(option("--story"), "utf8"));

let person = { action: "cancel" };
let question = "";
const logged = [];
const updated = [];
let listChanged = 0;
let woken = () => {};

const client = new Client(
  { name: "story-host", version: "1.0.0" },
  {
    capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} },
    versionNegotiation: { mode: era === "modern" ? { pin: MODERN } : "legacy" },
  },
);
client.setRequestHandler("elicitation/create", ({ params }) => {
  question = `${params.message}: ${params.mode === "url" ? params.url : Object.keys(params.requestedSchema.properties).join()}`;
  return person;
});
client.setRequestHandler("sampling/createMessage", ({ params }) => {
  const content = [params.messages[0].content].flat()[0];
  return { role: "assistant", model: "none", content: { type: "text", text: `answer to ${content.text}` } };
});
client.setRequestHandler("roots/list", () => ({ roots: [{ uri: "file:///work", name: "work" }] }));
client.setNotificationHandler("notifications/message", ({ params }) => logged.push(`${params.level}: ${params.data}`));
client.setNotificationHandler("notifications/resources/updated", ({ params }) => {
  updated.push(params.uri);
  woken();
});
client.setNotificationHandler("notifications/tools/list_changed", () => {
  listChanged += 1;
  woken();
});

const call = ({ name, arguments: args = {} }, options, meta) => client.callTool({ name, arguments: args, ...(meta && { _meta: meta }) }, options);
const textOf = (result) => (result.isError ? `failed: ${JSON.stringify(result.content)}` : result.content[0].text);
const names = (list, key = "name") => list.map((one) => one[key]).sort();
const until = async (done) => {
  while (!done()) await new Promise((resolve) => (woken = resolve));
};

const VERBS = {
  server: () => client.getServerVersion().name,
  tools: async () => names((await client.listTools()).tools),
  async schema({ name }) {
    const { inputSchema } = (await client.listTools()).tools.find((tool) => tool.name === name);
    return Object.fromEntries(Object.entries(inputSchema.properties).map(([key, { type }]) => [key, type]));
  },
  structured: async (step) => (await call(step)).structuredContent,
  text: async (step) => textOf(await call(step)),
  twice: async (step) => (await Promise.all([call(step), call(step)])).map(textOf),
  async image(step) {
    const { content } = await call(step);
    return `${content[0].mimeType} ${content[0].data}`;
  },
  async failure(step) {
    const result = await call(step);
    return result.isError ? `the tool said: ${result.content[0].text}` : "it went well";
  },
  prompts: async () => names((await client.listPrompts()).prompts),
  async prompt(step) {
    const { messages } = await client.getPrompt(step);
    return `${messages[0].role}: ${messages[0].content.text}`;
  },
  async complete({ prompt, argument, value }) {
    return (await client.complete({ ref: { type: "ref/prompt", name: prompt }, argument: { name: argument, value } })).completion.values;
  },
  resources: async () => names((await client.listResources()).resources, "uri"),
  templates: async () => names((await client.listResourceTemplates()).resourceTemplates, "uriTemplate"),
  read: async ({ uri }) => (await client.readResource({ uri })).contents[0].text,
  missing: ({ uri }) => client.readResource({ uri }).then(
    () => "it was there",
    (error) => (error.code === -32602 || error.code === -32002 ? "refused" : `refused with ${error.code}: ${error.message}`),
  ),
  asked: () => question,
  async progress(step) {
    const steps = [];
    const result = await call(step, { onprogress: ({ progress, total }) => steps.push(`${progress}/${total}`) });
    return [...steps, textOf(result)];
  },
  async log({ name, level }) {
    logged.length = 0;
    if (era === "legacy") await client.setLoggingLevel(level);
    const result = await call({ name }, undefined, era === "modern" ? { "io.modelcontextprotocol/logLevel": level } : undefined);
    // A legacy server may say it on the standing stream, which is not in step with the call's own.
    const late = Date.now() + 1000;
    while (logged.length === 0 && Date.now() < late) await new Promise((resolve) => setTimeout(resolve, 20));
    return [...logged, textOf(result)];
  },
  async subscribe({ uri, name }) {
    let listening;
    if (era === "modern") listening = await client.listen({ resourceSubscriptions: [uri] });
    else await client.subscribeResource({ uri });
    await call({ name });
    await until(() => updated.includes(uri));
    if (listening) await listening.close();
    else await client.unsubscribeResource({ uri });
    return `${uri} changed`;
  },
  async changed({ name }) {
    const listening = era === "modern" ? await client.listen({ toolsListChanged: true }) : undefined;
    const before = listChanged;
    await call({ name });
    await until(() => listChanged > before);
    const { tools } = await client.listTools(undefined, { cacheMode: "refresh" });
    await listening?.close();
    return tools.some((tool) => tool.name === "grown") ? "grown is listed" : "nothing is new";
  },
  async cancel({ name, seen }) {
    const stop = new AbortController();
    const gone = call({ name }, { signal: stop.signal, onprogress: () => stop.abort("enough") }).then(
      () => "answered after all",
      () => undefined,
    );
    const answered = await gone;
    if (answered) return answered;
    // The server learns of it in its own time.
    for (let tries = 0; tries < 40; tries += 1) {
      const said = textOf(await call({ name: seen }));
      if (said !== "nothing") return said;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return "the server was never told";
  },
};

const transport = cut < 0
  ? new StreamableHTTPClientTransport(new URL(option("--url")))
  : new StdioClientTransport({ command: own[cut + 1], args: own.slice(cut + 2), env: { ...process.env }, stderr: "inherit" });
const outcome = {};
const bounded = (work) =>
  Promise.race([work, new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing within ${STEP_MS} ms`)), STEP_MS).unref())]);
try {
  await bounded(client.connect(transport));
  if (era === "modern" && client.getNegotiatedProtocolVersion?.() !== MODERN) throw new Error(`negotiated ${client.getNegotiatedProtocolVersion?.()}`);
  for (const { step, do: verb, with: given = {}, person: answer } of steps) {
    if (answer) person = answer;
    try {
      outcome[step] = await bounded(VERBS[verb](given));
    } catch (error) {
      outcome[step] = `error: ${error.message}`;
    }
  }
  const left = performance.now();
  await bounded(client.close());
  // The client kills what has not left after two seconds.
  outcome["left by itself"] = performance.now() - left < 1900;
} catch (error) {
  outcome["error"] = String(error?.stack ?? error);
}
console.log(JSON.stringify(outcome));
process.exit(0);
