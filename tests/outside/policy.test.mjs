// Guard rails between official clients and the official reference server: a filter, pins, a limit and an audit together.

import assert from "node:assert/strict";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { before, test } from "node:test";

import { startEverything } from "./parties/everything.mjs";
import { python } from "./parties/python.mjs";
import { binary, connect, direct, Place, run } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { startParty } from "./support/process.mjs";

let everything;
before(async (t) => {
  everything = await startEverything(t);
});

const bounded = (name, body) => test(name, { timeout: 60_000, skip: direct && "there is no bridge" }, body);

const rails = (place) => [
  "--allow-tool", "get-*", "--allow-tool", "echo", "--deny-tool", "get-env",
  "--pin-tools", "--validate-arguments", "--sanitize",
  "--rate-limit", "echo=3/h", "--max-result", "4000",
  "--audit", place.file("audit.jsonl"),
];

const refused = (kind) => (error) => {
  assert.equal(error.data?.source, "mcpipe");
  assert.equal(error.data?.kind, kind, JSON.stringify(error));
  return true;
};

bounded("the TypeScript client lists and calls what the rules leave, and the audit says it all", async (t) => {
  const place = new Place(t);
  const { client, leave, stderr } = await connect(t, everything.url, { place, flags: rails(place) });
  const plain = await connect(t, everything.url);

  const all = (await plain.client.listTools()).tools;
  const { tools } = await client.listTools();
  const kept = all.filter(({ name }) => name !== "get-env" && (name === "echo" || name.startsWith("get-")));
  assert.ok(kept.length > 1 && kept.length < all.length - 1);
  assert.deepEqual(tools, kept, "what is left is as the server has it");

  assert.match(text(await client.callTool({ name: "get-sum", arguments: { a: 19, b: 23 } })), /42/);
  await assert.rejects(client.callTool({ name: "get-env", arguments: {} }), refused("refused_by_policy"));
  await assert.rejects(client.callTool({ name: "trigger-long-running-operation", arguments: {} }), refused("refused_by_policy"));
  await assert.rejects(client.callTool({ name: "get-sum", arguments: { a: "nineteen", b: 23 } }), (error) => {
    assert.match(error.message, /\/a\b/);
    return refused("refused_by_policy")(error);
  });
  for (const message of ["one", "two", "three"]) {
    assert.equal(text(await client.callTool({ name: "echo", arguments: { message } })), `Echo: ${message}`);
  }
  await assert.rejects(client.callTool({ name: "echo", arguments: { message: "four" } }), (error) => {
    assert.ok(error.data.retryable && error.data.retryAfterMs > 0 && error.data.retryAfterMs <= 3_600_000);
    return refused("rate_limited")(error);
  });

  // Another process of the same account shares the limit and the pins.
  const second = await connect(t, everything.url, { place, flags: rails(place) });
  await assert.rejects(second.client.callTool({ name: "echo", arguments: { message: "five" } }), refused("rate_limited"));
  await second.leave();
  await leave();

  const file = place.file("audit.jsonl");
  const lines = fs.readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const calls = lines.filter(({ method }) => method === "tools/call");
  assert.ok(calls.some(({ tool, event }) => tool === "get-env" && event === "refused"), JSON.stringify(calls, null, 1));
  assert.ok(!fs.readFileSync(file, "utf8").includes("three"), "arguments are not kept");
  const verified = await run(t, ["audit", "verify", file], { place });
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("get-env", "get-sum"));
  assert.equal((await run(t, ["audit", "verify", file], { place })).code, 1);

  const pins = await run(t, ["pins", everything.url], { place });
  assert.equal(pins.code, 0, pins.stderr);
  assert.match(pins.stdout, /get-sum|\d+ tools/);
  assert.match(stderr(), /pinned|pins/i);
});

bounded("a large result is kept whole, and the client reads the rest as a resource", async (t) => {
  const place = new Place(t);
  const { client } = await connect(t, everything.url, { place, flags: ["--max-result", "4096"] });
  const message = "x☃".repeat(2000);
  const result = await client.callTool({ name: "echo", arguments: { message } });
  assert.ok(JSON.stringify(result).length <= 4096 + 1024);
  let [whole, way] = result.content[0].text.split("\n[mcpipe: cut");
  let next = /mcpipe:\/\/results\/[^\s\]]+/.exec(way)[0];
  for (let page = 0; next; page += 1) {
    assert.ok(page < 20);
    const { contents } = await client.readResource({ uri: next });
    whole += contents[0].text;
    next = contents[1]?.uri;
  }
  assert.equal(whole, `Echo: ${message}`);
});

test("the Python client lists and calls what the rules leave", { timeout: 60_000, skip: (direct && "there is no bridge") || (!python && "no Python SDK") }, async (t) => {
  const place = new Place(t);
  const script = fileURLToPath(new URL("parties/python_client.py", import.meta.url));
  const party = await startParty(t, python, ["-B", script, "--", binary, ...rails(place), everything.url], {
    env: place.env(),
    ready: /^(\{.*\})$/m,
  });
  const seen = JSON.parse(party.ready[1]);
  assert.ok(seen.tools.includes("get-sum") && !seen.tools.includes("get-env"), JSON.stringify(seen));
  assert.match(seen.allowed, /42/);
  assert.equal(seen.denied.kind, "refused_by_policy");
  assert.equal(seen.invalid.kind, "refused_by_policy");
  assert.equal(seen.limited.kind, "rate_limited");
  assert.equal((await run(t, ["audit", "verify", place.file("audit.jsonl")], { place })).code, 0);
});
