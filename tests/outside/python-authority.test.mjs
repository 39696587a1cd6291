// mcpipe before the authorization server of the official Python SDK (mcp.server.auth): sign-in, renewal, the silent second
// start and the sign-out, over Streamable HTTP and over HTTP+SSE, with every way in which it takes a client's secret.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { python } from "./parties/python.mjs";
import { browserIn } from "./support/browsers.mjs";
import { connect, Place, run } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { eventually, pause, startParty } from "./support/process.mjs";

const skip = python ? false : "MCPIPE_OUTSIDE_PYTHON names no Python with the SDK";
const bounded = (name, body) => test(name, { timeout: 120_000, skip }, body);

const script = fileURLToPath(new URL("parties/python_authority.py", import.meta.url));

async function start(t, flags) {
  const party = await startParty(t, python, ["-B", script, ...flags], { ready: /running on (http:\S+)/ });
  const url = party.ready[1];
  return { url, counters: async () => (await fetch(new URL("/counters", url))).json() };
}

const sum = async ({ client }) => text(await client.callTool({ name: "add", arguments: { a: 19, b: 23 } }));

for (const [transport, flags, methods] of [
  ["Streamable HTTP", [], [undefined, "client_secret_post", "none"]],
  ["HTTP+SSE", ["--sse"], [undefined]],
]) {
  for (const method of methods) {
    const named = method ?? "the method that mcpipe chooses";
    bounded(`the Python SDK's authorization server is signed in to with ${named}, over ${transport}`, async (t) => {
      const server = await start(t, [...flags, "--lifetime", "2"]);
      const place = new Place(t);
      const wish = method ? ["--static-oauth-client-metadata", JSON.stringify({ token_endpoint_auth_method: method })] : [];

      const browser = browserIn(place);
      const first = await connect(t, server.url, { place, flags: wish, env: browser.env });
      assert.equal(await sum(first), "42", first.stderr());
      assert.equal(browser.opened(), 1, JSON.stringify(browser.entries()));
      await pause(2500);
      assert.equal(await sum(first), "42", first.stderr());
      assert.equal((await first.leave()).code, 0, first.stderr());

      const forbidden = browserIn(place, "--forbidden");
      const second = await connect(t, server.url, { place, flags: wish, env: forbidden.env });
      assert.equal(await sum(second), "42", second.stderr());
      assert.equal((await second.leave()).code, 0, second.stderr());
      assert.equal(forbidden.opened(), 0);

      const { registered, codes, refreshes } = await server.counters();
      assert.deepEqual({ registered, codes }, { registered: [method ?? "client_secret_basic"], codes: 1 });
      assert.ok(refreshes >= 1, "the token was never renewed");

      const logout = await run(t, ["logout", server.url], { place });
      assert.equal(logout.code, 0, logout.stderr);
      await eventually(async () => (await server.counters()).revocations > 0, "a revocation");
    });
  }
}
