// Minutes of real silence, and lines that are cut, on standing requests through mcpipe. Too long for CI.
//
//   events-long.mjs [--minutes N] [--cuts N] [--quiet]
//
// A server on the TypeScript SDK 2 with events of SEP-3415 that says nothing at all, not even a comment, for so many
// minutes (7); then the line is cut so many times (4), with an event while there is none. Two hosts on the SDK 2 stand at
// it through a bridge and a proxy each: a modern and a legacy one. Every event has to be heard once and in order, under
// the id of the host's own request, and a change of the tools has to be heard after the silence and after the last cut.
// MCPIPE_BIN names the binary. The exit code is 1 where anything is missing, doubled or out of order.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

const { values: asked } = parseArgs({
  options: { minutes: { type: "string", default: "7" }, cuts: { type: "string", default: "4" }, quiet: { type: "boolean", default: false } },
});
const bin = resolve(process.env.MCPIPE_BIN ?? join(import.meta.dirname, "../../target/debug/mcpipe"));
if (!existsSync(bin)) {
  console.error(`no bridge at ${bin}; build it, or say where it is in MCPIPE_BIN`);
  process.exit(2);
}
const MODERN = "2026-07-28";
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
const EVENTS = "io.modelcontextprotocol/events";
const HOUR_MS = 3_600_000;
// How long the line is down, and how long an event may take after it is back.
const DOWN_MS = 1500;
const HEARD_MS = 60_000;
const any = z.looseObject({});
const began = performance.now();
const say = (text) => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${text}`);

// --- The server -----------------------------------------------------------------------------------------------------

const log = [];
const wakers = new Set();
const opened = [];
const emit = (what) => {
  log.push({ eventId: `evt_${log.length + 1}`, name: "memo.written", timestamp: new Date().toISOString(), data: { what } });
  for (const wake of wakers) wake();
};

const handler = createMcpHandler(
  () => {
    const server = new McpServer(
      { name: "long", version: "1.0.0" },
      { capabilities: { tools: { listChanged: true }, extensions: { [EVENTS]: {} } } },
    );
    server.registerTool("nothing", { description: "nothing", inputSchema: z.object({}) }, () => ({ content: [] }));
    server.server.setRequestHandler("events/stream", { params: any }, async (params, ctx) => {
      const _meta = { [SUBSCRIPTION]: ctx.mcpReq.id };
      let at = params.cursor == null ? log.length : Number(params.cursor.slice(1));
      opened.push({ cursor: params.cursor });
      const tell = (kind, more) => ctx.mcpReq.notify({ method: `notifications/events/${kind}`, params: { ...more, _meta } });
      await tell("active", { cursor: `c${at}`, truncated: false });
      while (!ctx.mcpReq.signal.aborted) {
        for (; at < log.length; at += 1) await tell("event", { ...log[at], cursor: `c${at + 1}` });
        await new Promise((done) => {
          wakers.add(done);
          ctx.mcpReq.signal.addEventListener("abort", done, { once: true });
        });
      }
      return { _meta };
    });
    return server;
  },
  { legacy: "reject", keepAliveMs: 0 },
);
const server = createServer({ requestTimeout: 0, keepAliveTimeout: HOUR_MS }, toNodeHandler(handler));
await new Promise((done) => server.listen(0, "127.0.0.1", done));

/** A line to the server that can be cut. */
async function line() {
  const sockets = new Set();
  let isDown = false;
  const proxy = net.createServer((near) => {
    if (isDown) return near.destroy();
    const far = net.connect(server.address().port, "127.0.0.1");
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on("error", () => {}).on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${proxy.address().port}/mcp`,
    down() {
      isDown = true;
      for (const socket of sockets) socket.destroy();
    },
    up: () => (isDown = false),
    close: () => proxy.close(),
  };
}

// --- A host ---------------------------------------------------------------------------------------------------------

async function host(era) {
  const place = mkdtempSync(join(tmpdir(), "mcpipe-long-"));
  const wire = await line();
  const transport = new StdioClientTransport({
    command: bin,
    args: ["--verbose", wire.url],
    env: { PATH: process.env.PATH, HOME: place, MCPIPE_HOME: place, NO_COLOR: "1" },
    stderr: asked.quiet ? "ignore" : "inherit",
  });
  const client = new Client(
    { name: `long-${era}`, version: "1.0.0" },
    { capabilities: { extensions: { [EVENTS]: {} } }, versionNegotiation: { mode: era === "modern" ? { pin: MODERN } : "legacy" } },
  );
  const heard = [];
  let changes = 0;
  let isOver = false;
  let streamId;
  const faults = [];
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    if (message.method === "events/stream") streamId = message.id;
    return send(message, options);
  };
  client.fallbackNotificationHandler = async () => {};
  client.setNotificationHandler("notifications/tools/list_changed", () => void (changes += 1));
  let listener;
  Object.defineProperty(transport, "onmessage", {
    get: () => listener,
    set(taken) {
      listener = taken && ((message, extra) => {
        if (message.method === "notifications/events/event") {
          heard.push(message.params.eventId);
          const id = message.params._meta?.[SUBSCRIPTION];
          if (id !== streamId) faults.push(`${message.params.eventId} names ${JSON.stringify(id)}, not ${JSON.stringify(streamId)}`);
        } else if (message.method?.startsWith("notifications/events/")) say(`${era}: ${message.method} ${JSON.stringify(message.params.cursor ?? null)}`);
        taken(message, extra);
      });
    },
  });
  await client.connect(transport);
  const listening = era === "modern" ? await client.listen({ toolsListChanged: true }) : undefined;
  listening?.closed.then((why) => say(`${era}: the subscription ended: ${why}`));
  const stop = new AbortController();
  const stream = client
    .request({ method: "events/stream", params: { name: "memo.written", arguments: {}, cursor: null } }, any, { signal: stop.signal, timeout: HOUR_MS })
    .then((answer) => JSON.stringify(answer), (error) => error.message)
    .then((why) => {
      isOver = true;
      if (!stop.signal.aborted) faults.push(`the stream ended: ${why}`);
    });
  return {
    era,
    wire,
    heard,
    faults,
    isOver: () => isOver,
    changes: () => changes,
    async leave() {
      stop.abort("stop");
      await stream;
      await client.close();
      wire.close();
      rmSync(place, { recursive: true, force: true });
    },
  };
}

const hosts = await Promise.all(["modern", "legacy"].map(host));
const faults = [];
/** Waits until every host has heard all that there is. */
async function allHeard(what) {
  const late = performance.now() + HEARD_MS;
  while (performance.now() < late && hosts.some(({ heard, isOver }) => heard.length < log.length && !isOver())) await sleep(50);
  for (const { era, heard } of hosts) say(`${era}: after ${what}: ${heard.length} of ${log.length} events`);
}
async function allChanged(what) {
  const before = hosts.map(({ changes }) => changes());
  handler.notify.toolsChanged();
  const late = performance.now() + HEARD_MS;
  while (performance.now() < late && hosts.some(({ changes }, at) => changes() === before[at])) await sleep(50);
  hosts.forEach(({ era, changes }, at) => changes() === before[at] && faults.push(`${era}: no change of the tools was heard after ${what}`));
}

await sleep(2000);
emit("before the silence");
await allHeard("the start");
say(`silence of ${asked.minutes} minutes`);
await sleep(Number(asked.minutes) * 60_000);
emit("after the silence");
await allHeard("the silence");
await allChanged("the silence");
for (let cut = 1; cut <= Number(asked.cuts); cut += 1) {
  for (const { wire } of hosts) wire.down();
  await sleep(DOWN_MS / 2);
  emit(`while cut ${cut}`);
  await sleep(DOWN_MS / 2);
  for (const { wire } of hosts) wire.up();
  await allHeard(`cut ${cut}`);
  emit(`after cut ${cut}`);
  await allHeard(`cut ${cut}, and one more`);
}
await allChanged("the last cut");
await sleep(1000);

const all = log.map(({ eventId }) => eventId);
for (const { era, heard, faults: own } of hosts) {
  faults.push(...own.map((one) => `${era}: ${one}`));
  if (JSON.stringify(heard) !== JSON.stringify(all)) faults.push(`${era}: heard ${heard.join(" ")} of ${all.join(" ")}`);
}
say(`streams opened with the cursors ${opened.map(({ cursor }) => cursor ?? "null").join(" ")}`);
await Promise.all(hosts.map(({ leave }) => leave()));
for (const fault of faults) console.log(`FAULT  ${fault}`);
say(faults.length > 0 ? `${faults.length} faults` : `${all.length} events, each heard once, by ${hosts.length} hosts`);
process.exit(faults.length > 0 ? 1 : 0);
