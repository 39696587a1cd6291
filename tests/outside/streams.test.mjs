// mcpipe over connections that break: a cutting proxy before the TypeScript server and its event store, a server that is
// killed and started again, and servers that only speak HTTP+SSE.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startEverything } from "./parties/everything.mjs";
import { startProxy } from "./parties/proxy.mjs";
import { python, startPythonServer } from "./parties/python.mjs";
import { startToolsServer } from "./parties/tools-server.mjs";
import { connect, direct } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { endProcess, eventually, pause } from "./support/process.mjs";

// What happens here is the bridge's work; a client connected directly would do it differently.
const bounded = (name, body) => direct || test(name, { timeout: 60_000 }, body);

async function open(t, url, flags = []) {
  // These are about the legacy transports; which era a server speaks is the matrix's business.
  const host = await connect(t, url, { flags: ["--protocol", "legacy", ...flags] });
  host.call = async (name, args) => text(await host.client.callTool({ name, arguments: args }));
  // 0 says that every request had an answer of the server's; 4, that one was lost on the way.
  host.left = async (code = 0) => assert.equal((await host.leave()).code, code, host.stderr());
  return host;
}

bounded("a cut in the middle of calls loses no answer and repeats no call", async (t) => {
  const server = await startToolsServer(t, { flags: ["--retry", "100"] });
  const proxy = await startProxy(t, server.port);
  const host = await open(t, proxy.url("/mcp"));
  const keys = Array.from({ length: 10 }, (_, n) => `cut ${n}`);
  const calls = keys.map((key) => host.call("count", { key, ms: 1000 }));
  await eventually(async () => Object.keys((await server.counters()).calls).length === keys.length, "the calls to arrive");
  // Each stream's first event id must have got through: a stream cut before it cannot be resumed by any client.
  await proxy.quiet(100);
  assert.ok(proxy.cut() >= keys.length);
  assert.deepEqual(await Promise.all(calls), keys.map(() => "1"));
  const { calls: counted, resumed, sessions } = await server.counters();
  assert.deepEqual(counted, Object.fromEntries(keys.map((key) => [key, 1])));
  assert.ok(resumed >= keys.length, `${resumed} streams resumed`);
  assert.equal(sessions, 1);
  assert.deepEqual(host.errors, []);
  await host.left();
});

bounded("a stream that the server closes early is asked for again, not before its retry time", async (t) => {
  const server = await startToolsServer(t, { flags: ["--retry", "300"] });
  const host = await open(t, server.url);
  assert.equal(await host.call("polled", { ms: 800 }), "polled after 800");
  const { resumed } = await server.counters();
  assert.ok(resumed >= 1 && resumed <= 3, `${resumed} times asked in 0.8 s with a retry time of 0.3 s`);
  await host.left();
});

bounded("a cut without event ids is an error that says whether to try again, never silence", async (t) => {
  const server = await startToolsServer(t, { flags: ["--no-events"] });
  const proxy = await startProxy(t, server.port);
  const host = await open(t, proxy.url("/mcp"));
  const lost = host.call("count", { key: "lost", ms: 2000 });
  await eventually(async () => (await server.counters()).calls.lost === 1, "the call to arrive");
  proxy.cut();
  const error = await lost.then((answer) => assert.fail(`answered ${answer}`), (error) => error);
  assert.equal(error.data?.source, "mcpipe", JSON.stringify(error));
  assert.equal(typeof error.data.retryable, "boolean", JSON.stringify(error.data));
  assert.equal(await host.call("add", { a: 19, b: 23 }), "42");
  assert.equal((await server.counters()).calls.lost, 1, "the call was repeated");
  await host.left(4);
});

bounded("a server killed and started again is greeted anew, unseen by the host", async (t) => {
  const first = await startToolsServer(t);
  const host = await open(t, first.url);
  assert.equal(await host.call("add", { a: 1, b: 1 }), "2");
  await endProcess(first.child, "SIGKILL");
  const second = await startToolsServer(t, { port: first.port });
  const sums = await Promise.all([1, 2, 3, 4, 5].map((n) => host.call("add", { a: n, b: n })));
  assert.deepEqual(sums, ["2", "4", "6", "8", "10"]);
  assert.equal((await second.counters()).sessions, 1, "concurrent losses made more than one session");
  assert.deepEqual(host.errors, []);
  await host.left();
});

bounded("a call whose server dies under it is answered, and the next server is used", async (t) => {
  const first = await startToolsServer(t);
  const host = await open(t, first.url);
  const lost = host.call("wait", { ms: 20_000 });
  await eventually(async () => (await first.counters()).started === 1, "the call to start");
  await endProcess(first.child, "SIGKILL");
  await pause(200);
  await startToolsServer(t, { port: first.port });
  await assert.rejects(lost);
  assert.equal(await host.call("add", { a: 19, b: 23 }), "42");
  await host.left(4);
});

for (const flags of [[], ["--transport", "sse-only"]]) {
  bounded(`server-everything over HTTP+SSE ${flags.join(" ")}`.trim(), async (t) => {
    const server = await startEverything(t, "sse");
    const host = await open(t, server.url, flags);
    assert.ok((await host.client.listTools()).tools.length > 5);
    assert.equal(await host.call("echo", { message: "over sse" }), "Echo: over sse");
    assert.deepEqual(host.errors, []);
    await host.left();
  });
}

if (python) {
  bounded("the Python server over HTTP+SSE", async (t) => {
    const host = await open(t, (await startPythonServer(t, { sse: true })).url);
    assert.equal(await host.call("add", { a: 19, b: 23 }), "42");
    await host.left();
  });
}
