// mcpipe before servers of the official SDKs, which count what reaches them: the TypeScript one answering with streams,
// with streams that cannot be resumed, and with JSON, and the Python one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { python, startPythonServer } from "./parties/python.mjs";
import { startToolsServer } from "./parties/tools-server.mjs";
import { connect } from "./support/host.mjs";
import { progressBeforeAnswer, text } from "./support/messages.mjs";
import { eventually } from "./support/process.mjs";

const bounded = (name, body) => test(name, { timeout: 60_000 }, body);

/// A host that answers every question with the question.
async function open(t, url) {
  const host = await connect(t, url, {
    // The Python SDK's server speaks both eras, and its tool asks its question in the legacy way only. Which era is spoken
    // is the matrix's business.
    flags: ["--protocol", "legacy"],
    prepare: (client) =>
      client.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({ action: "accept", content: { answer: params.message } })),
  });
  host.call = async (name, args, options) => text(await host.client.callTool({ name, arguments: args }, undefined, options));
  return host;
}

const left = async (host) => assert.equal((await host.leave()).code, 0, host.stderr());

/// What holds before every server that streams its answers.
async function carriesEverything(t, url) {
  const host = await open(t, url);
  assert.equal(await host.call("add", { a: 19, b: 23 }), "42");
  assert.equal(await host.call("report", { steps: 5 }, { onprogress: () => {} }), "reported 5");
  assert.deepEqual(progressBeforeAnswer(host.received), [1, 2, 3, 4, 5].map((step) => [step, 5]));
  assert.equal(await host.call("ask", { question: "why?" }), "accept: why?");
  assert.deepEqual(host.errors, []);
  await left(host);
}

bounded("the TypeScript server's streams carry everything, and the session is ended", async (t) => {
  const server = await startToolsServer(t);
  await carriesEverything(t, server.url);
  const { sessions, deletes, lost } = await server.counters();
  assert.deepEqual({ sessions, deletes, lost }, { sessions: 1, deletes: 1, lost: 0 });
});

bounded("streams without event ids carry everything too", async (t) => {
  await carriesEverything(t, (await startToolsServer(t, { flags: ["--no-events"] })).url);
});

bounded("answers in JSON arrive, large ones whole", async (t) => {
  const server = await startToolsServer(t, { flags: ["--json"] });
  const host = await open(t, server.url);
  assert.equal(await host.call("add", { a: 19, b: 23 }), "42");
  assert.equal((await host.call("big", { bytes: 5_000_000 })).length, 5_000_000);
  await left(host);
});

if (python) {
  bounded("the Python server's streams carry everything", async (t) => {
    await carriesEverything(t, (await startPythonServer(t)).url);
  });

  bounded("the Python server's answers in JSON arrive", async (t) => {
    const host = await open(t, (await startPythonServer(t, { json: true })).url);
    assert.equal(await host.call("add", { a: 19, b: 23 }), "42");
    await left(host);
  });
}

bounded("a cancellation reaches the server", async (t) => {
  const server = await startToolsServer(t);
  const host = await open(t, server.url);
  const cancel = new AbortController();
  const slow = host.call("wait", { ms: 20_000 }, { signal: cancel.signal });
  await eventually(async () => (await server.counters()).started === 1, "the call to start");
  cancel.abort("enough");
  await assert.rejects(slow, /enough/);
  await eventually(async () => (await server.counters()).cancelled === 1, "the cancellation to arrive");
  assert.equal(await host.call("add", { a: 1, b: 1 }), "2");
  assert.deepEqual(host.errors, []);
});

bounded("a question and a quick call are not held up by slow calls", async (t) => {
  const host = await open(t, (await startToolsServer(t)).url);
  let slow = 0;
  const waiting = Array.from({ length: 20 }, () => host.call("wait", { ms: 3000 }).then(() => (slow += 1)));
  assert.equal(await host.call("ask", { question: "now?" }), "accept: now?");
  assert.equal(await host.call("add", { a: 1, b: 2 }), "3");
  assert.equal(slow, 0, "they came after the slow ones");
  await Promise.all(waiting);
});

bounded("two hundred calls are under way at once, and each is answered once", async (t) => {
  const server = await startToolsServer(t);
  const host = await open(t, server.url);
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => host.call("wait", { ms: 1500, key: `k${n}` })));
  assert.deepEqual(answers, Array.from({ length: 200 }, (_, n) => `waited 1500 k${n}`));
  assert.deepEqual(host.errors, []);
  const { mostWaiting, started } = await server.counters();
  t.diagnostic(`${mostWaiting} at once`);
  assert.equal(started, 200);
  // All of them, on a machine that can start them within the time one takes.
  assert.ok(mostWaiting >= 100, `only ${mostWaiting} at once`);
});
