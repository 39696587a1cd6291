// mcpipe between the official SDK client and the official reference server, over Streamable HTTP.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

import { startEverything } from "./parties/everything.mjs";
import { connect, direct, run } from "./support/host.mjs";
import { progressBeforeAnswer, text } from "./support/messages.mjs";
import { eventually, pause } from "./support/process.mjs";

let everything;
before(async (t) => {
  everything = await startEverything(t);
});

const bounded = (name, body) => test(name, { timeout: 60_000 }, body);

bounded("tools are listed and called, and arguments arrive as they were sent", async (t) => {
  const { client, errors } = await connect(t, everything.url);
  assert.equal(client.getServerVersion().name, "mcp-servers/everything");

  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name);
  for (const name of ["echo", "get-sum", "trigger-long-running-operation", "trigger-sampling-request"]) {
    assert.ok(names.includes(name), `${name} among ${names}`);
  }
  const message = "“naïve” ☃ \u2028 \\u0041 \t 𝄞";
  assert.equal(text(await client.callTool({ name: "echo", arguments: { message } })), `Echo: ${message}`);
  assert.match(text(await client.callTool({ name: "get-sum", arguments: { a: 19, b: 23 } })), /42/);
  assert.deepEqual(errors, []);
});

bounded("forty calls at once come back each to its own", async (t) => {
  const { client, errors } = await connect(t, everything.url);
  const sums = await Promise.all(
    Array.from({ length: 40 }, (_, n) => client.callTool({ name: "get-sum", arguments: { a: n, b: 1000 } })),
  );
  sums.forEach((sum, n) => assert.ok(text(sum).includes(String(n + 1000)), text(sum)));
  assert.deepEqual(errors, []);
});

bounded("progress arrives while the call is open, each step once and in order", async (t) => {
  const { client, received } = await connect(t, everything.url);
  const seen = [];
  const result = await client.callTool(
    { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 4 } },
    undefined,
    { onprogress: ({ progress }) => seen.push(progress) },
  );
  assert.match(text(result), /completed/);
  assert.deepEqual(progressBeforeAnswer(received), [[1, 4], [2, 4], [3, 4], [4, 4]]);
  assert.deepEqual(seen.slice(0, 3), [1, 2, 3]);
});

bounded("a sampling request of the server is answered by the host while the call that caused it waits", async (t) => {
  const asked = [];
  const { client } = await connect(t, everything.url, {
    prepare: (client) =>
      client.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => {
        asked.push(params);
        return { model: "outside", role: "assistant", content: { type: "text", text: "forty-two, says the host" } };
      }),
  });
  await client.listTools();
  const result = await client.callTool({ name: "trigger-sampling-request", arguments: { prompt: "what is it?", maxTokens: 20 } });
  assert.equal(asked.length, 1);
  assert.match(JSON.stringify(asked[0].messages), /what is it\?/);
  assert.match(text(result), /forty-two, says the host/);
});

bounded("an elicitation of the server is answered by the host", async (t) => {
  const { client } = await connect(t, everything.url, {
    prepare: (client) =>
      client.setRequestHandler(ElicitRequestSchema, async () => ({ action: "accept", content: { name: "Ada Lovelace", check: true } })),
  });
  await client.listTools();
  const result = await client.callTool({ name: "trigger-elicitation-request", arguments: {} });
  assert.match(text(result), /Ada Lovelace/);
});

bounded("the server learns the host's roots, over the standing stream", async (t) => {
  let asked = 0;
  const { client } = await connect(t, everything.url, {
    prepare: (client) =>
      client.setRequestHandler(ListRootsRequestSchema, async () => {
        asked += 1;
        return { roots: [{ uri: "file:///outside/of/it", name: "outside" }] };
      }),
  });
  // This server asks by itself, a third of a second after it was initialized, in answer to no call.
  await eventually(() => asked > 0, "a roots/list request that belongs to no call");
  assert.match(text(await client.callTool({ name: "get-roots-list", arguments: {} })), /file:\/\/\/outside\/of\/it/);
});

bounded("resources are listed, read and subscribed to, and an update arrives", async (t) => {
  const updated = [];
  const { client } = await connect(t, everything.url, {
    prepare: (client) =>
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri)),
  });
  const uri = "demo://resource/dynamic/text/7";
  const { resourceTemplates } = await client.listResourceTemplates();
  assert.ok(resourceTemplates.some(({ uriTemplate }) => uriTemplate.startsWith("demo://resource/dynamic/text/")));
  assert.ok((await client.listResources()).resources.length > 0);
  const { contents } = await client.readResource({ uri });
  assert.equal(contents[0].uri, uri);
  assert.match(contents[0].text, /7/);

  await client.subscribeResource({ uri });
  await client.callTool({ name: "toggle-subscriber-updates", arguments: {} });
  await eventually(() => updated.includes(uri), "resources/updated");
  await client.callTool({ name: "toggle-subscriber-updates", arguments: {} });
  await client.unsubscribeResource({ uri });
});

bounded("prompts are listed, fetched with arguments, and completed", async (t) => {
  const { client } = await connect(t, everything.url);
  const { prompts } = await client.listPrompts();
  assert.ok(prompts.some(({ name }) => name === "args-prompt"));
  const prompt = await client.getPrompt({ name: "args-prompt", arguments: { city: "Gdańsk", state: "Pomorze" } });
  assert.match(prompt.messages[0].content.text, /Gdańsk, Pomorze/);
  const { completion } = await client.complete({
    ref: { type: "ref/prompt", name: "completable-prompt" },
    argument: { name: "department", value: "E" },
  });
  assert.ok(completion.values.includes("Engineering"), JSON.stringify(completion));
});

bounded("the log level the host sets is the level it hears", async (t) => {
  const heard = [];
  const { client } = await connect(t, everything.url, {
    prepare: (client) =>
      client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.push(params)),
  });
  const subscribed = (n) => heard.some(({ data }) => String(data).includes(`text/${n}`));
  // The server logs each subscription at level info.
  await client.setLoggingLevel("error");
  await client.subscribeResource({ uri: "demo://resource/dynamic/text/1" });
  await client.setLoggingLevel("debug");
  await client.subscribeResource({ uri: "demo://resource/dynamic/text/2" });
  await eventually(() => subscribed(2), "the log message of the second subscription");
  assert.ok(!subscribed(1), "a message below the level was passed on");
});

bounded("a cancelled call ends at once, is never answered late, and disturbs nothing", async (t) => {
  const { client, errors } = await connect(t, everything.url);
  const cancel = new AbortController();
  const slow = client.callTool(
    { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 2 } },
    undefined,
    { signal: cancel.signal },
  );
  setTimeout(() => cancel.abort("no longer wanted"), 200);
  await assert.rejects(slow, /no longer wanted/);
  assert.match(text(await client.callTool({ name: "echo", arguments: { message: "still here" } })), /still here/);
  await pause(1500);
  // The SDK client reports an answer to an id it no longer waits for as an error.
  assert.deepEqual(errors, []);
});

bounded("end of input ends the bridge: status 0, within two seconds when nothing is owed", async (t) => {
  const host = await connect(t, everything.url);
  await host.client.listTools();
  const { code, signal, ms } = await host.leave();
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, host.stderr());
  // The SDK sends SIGTERM two seconds after closing stdin; status 0 without a signal says it was not needed.
  assert.ok(ms < 2000, `${ms} ms`);
});

if (!direct) bounded("a shell pipe gets every answer before the bridge leaves", async (t) => {
  const messages = [
    { id: 1, method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "pipe", version: "1" } } },
    { method: "notifications/initialized" },
    { id: "two", method: "tools/list" },
    { id: 3, method: "tools/call", params: { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 1 } } },
    { id: 4, method: "tools/call", params: { name: "echo", arguments: { message: "from a pipe" } } },
  ];
  const input = messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join("");
  const { code, lines, stderr } = await run(t, [everything.url], { input });
  const answers = lines.map((line) => JSON.parse(line)).filter((frame) => "result" in frame || "error" in frame);
  assert.deepEqual(answers.map(({ id }) => id).sort(), [1, 3, 4, "two"], stderr);
  assert.ok(answers.every((frame) => "result" in frame), JSON.stringify(answers));
  assert.equal(code, 0, stderr);
});
