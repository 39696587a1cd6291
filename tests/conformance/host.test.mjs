// The judge is judged: bridges with one fault each, and the complaint each of them has to earn.
// Run with `node --test tests/conformance`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Host } from "./host.mjs";

/** A bridge that does `body` with every line it reads; `say` writes a message, `put` anything. */
function bridge(body, era = "legacy") {
  const source = `
    const put = (text) => process.stdout.write(text + "\\n");
    const say = (message) => put(JSON.stringify({ jsonrpc: "2.0", ...message }));
    const lines = require("node:readline").createInterface({ input: process.stdin });
    lines.on("line", (line) => { const asked = JSON.parse(line); if (asked.id === undefined) return; ${body} });
  `;
  return new Host({ bin: process.execPath, args: ["-e", source], env: {}, era });
}

const HONEST = `say({ id: asked.id, result: {} });`;

async function complaints(host, method = "tools/list") {
  await host.request(method).catch(() => {});
  await host.close();
  return host.problems;
}

test("an honest bridge earns no complaint", async () => {
  assert.deepEqual(await complaints(bridge(HONEST)), []);
});

for (const [fault, body, complaint] of [
  ["a banner on stdout", `put("hello"); ${HONEST}`, /no JSON/],
  ["a batch", `put("[]"); ${HONEST}`, /no JSON-RPC/],
  ["another version of JSON-RPC", `put('{"id":1,"result":{}}'); ${HONEST}`, /no JSON-RPC/],
  ["an answer given twice", `${HONEST} ${HONEST}`, /answered twice/],
  ["an answer to nothing", `say({ id: 99, result: {} }); ${HONEST}`, /answer to nothing/],
  ["an id of another type", `say({ id: String(asked.id), result: {} }); ${HONEST}`, /answer to nothing/],
  ["both a result and an error", `say({ id: asked.id, result: {}, error: { code: 1, message: "x" } });`, /neither or both/],
  ["an error without words", `say({ id: asked.id, error: { code: -32603, message: "" } });`, /malformed error/],
  ["an end without an answer", `process.exit(0);`, /unanswered/],
  ["a bad end", `${HONEST} lines.on("close", () => process.exit(7));`, /status 7/],
  ["no end", `${HONEST} setInterval(() => {}, 1000);`, /still running/],
  ["a modern notice", `say({ method: "notifications/subscriptions/acknowledged", params: {} }); ${HONEST}`, /modern notification/],
]) {
  test(`${fault} is complained of`, async () => {
    const problems = await complaints(bridge(body));
    assert.equal(problems.filter((problem) => complaint.test(problem)).length, 1, problems.join("; "));
  });
}

for (const [status, problems] of [[3, 0], [0, 1]]) {
  test(`status ${status} after an error of the bridge's own earns ${problems} complaints`, async () => {
    const error = `{ code: -32603, message: "x", data: { source: "mcpipe", kind: "sign_in_needed" } }`;
    const body = `say({ id: asked.id, error: ${error} }); lines.on("close", () => process.exit(${status}));`;
    assert.equal((await complaints(bridge(body))).length, problems);
  });
}

test("a modern host complains of being sent a request", async () => {
  const problems = await complaints(bridge(`say({ id: "q", method: "ping" }); ${HONEST}`, "modern"));
  assert.match(problems.join(), /request \(ping\) was sent to a modern host/);
});

test("a translated result has to have the shape of the host's era", async () => {
  const legacy = bridge(`say({ id: asked.id, result: { resultType: "complete", ttlMs: 0 } });`);
  legacy.strict = true;
  assert.equal((await complaints(legacy)).length, 2);
  const modern = bridge(HONEST, "modern");
  modern.strict = true;
  assert.equal((await complaints(modern)).length, 2);
});

test("a modern host answers questions until the result is complete", async () => {
  const host = bridge(
    `const done = asked.params.requestState === "s" && asked.params.inputResponses.q.action === "accept";
     say({ id: asked.id, result: done ? { resultType: "complete" } : {
       resultType: "input_required", requestState: "s", inputRequests: { q: { method: "elicitation/create", params: {} } } } });`,
    "modern",
  );
  host.answer("elicitation/create", () => ({ action: "accept" }));
  assert.deepEqual(await complaints(host), []);
});
