// A legacy host with the official TypeScript SDK serving both revisions: it gets what a legacy server gives. A question in
// the middle of a call, a stream that is cut and resumed, a large result; and the next start asks nothing twice.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CreateMessageRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { startBoth } from "./parties/both.mjs";
import { startProxy } from "./parties/proxy.mjs";
import { connect, direct, Place } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { eventually } from "./support/process.mjs";

const bounded = (name, body) => direct || test(name, { timeout: 60_000 }, body);

async function open(t, url, place = new Place(t)) {
  const prepare = (client) =>
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
      role: "assistant",
      model: "none",
      content: { type: "text", text: `answer to ${[params.messages[0].content].flat()[0].text}` },
    }));
  const host = await connect(t, url, { place, prepare });
  host.call = async (name, args = {}) => text(await host.client.callTool({ name, arguments: args }));
  return host;
}

bounded("a tool that asks for sampling in the old way is answered", async (t) => {
  const server = await startBoth(t);
  const host = await open(t, server.url);
  assert.equal(await host.call("think"), "thought: answer to think hard");
  const { asked, sessions } = await server.counters();
  assert.deepEqual(asked.slice(0, 2), ["modern server/discover", "legacy initialize"]);
  assert.equal(sessions, 1);
  assert.deepEqual(asked.filter((what) => what.startsWith("modern")), ["modern server/discover"]);
  assert.equal((await host.leave()).code, 0, host.stderr());
});

bounded("a cut stream is resumed, and no call is repeated", async (t) => {
  const server = await startBoth(t);
  const proxy = await startProxy(t, server.port);
  const host = await open(t, proxy.url("/mcp"));
  const answer = host.call("count", { key: "cut", ms: 1000 });
  await eventually(async () => (await server.counters()).calls.cut === 1, "the call to arrive");
  await proxy.quiet(100);
  assert.ok(proxy.cut() >= 1);
  assert.equal(await answer, "1");
  assert.ok((await server.counters()).resumed >= 1);
  assert.equal((await host.leave()).code, 0, host.stderr());
});

bounded("a large result arrives whole", async (t) => {
  const server = await startBoth(t);
  const host = await open(t, server.url);
  // The SDK client reads lines of up to 10 MiB.
  const bytes = 8 * 1024 * 1024;
  assert.equal((await host.call("big", { bytes })).length, bytes);
  await host.leave();
});

bounded("the next start begins with initialize", async (t) => {
  const server = await startBoth(t);
  const place = new Place(t);
  await (await open(t, server.url, place)).leave();
  const before = (await server.counters()).asked.length;
  const host = await open(t, server.url, place);
  assert.equal(await host.call("think"), "thought: answer to think hard");
  const { asked } = await server.counters();
  assert.equal(asked[before], "legacy initialize");
  assert.ok(!asked.slice(before).includes("modern server/discover"), asked.join());
  await host.leave();
});

bounded("a server whose legacy side keeps no sessions is spoken to in the modern era", async (t) => {
  const server = await startBoth(t, ["--sessions", "no"]);
  const host = await open(t, server.url);
  assert.equal(await host.call("count", { key: "one", ms: 0 }), "1");
  const { asked } = await server.counters();
  assert.ok(asked.includes("modern tools/call"), asked.join());
  assert.ok(!asked.includes("legacy tools/call"), asked.join());
  await host.leave();
});
