// mcpipe before a protected server made of official parts: sign-in, the silent second start, renewal, and no secret in
// anything it writes.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { test } from "node:test";

import { commandLines, filesUnder, leaks } from "./protected/leaks.mjs";
import { startProtected } from "./protected/server.mjs";
import { browserIn } from "./support/browsers.mjs";
import { connect, Place, run } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { eventually, pause } from "./support/process.mjs";

const bounded = (name, body) => test(name, { timeout: 120_000 }, body);

const sum = async ({ client }) => text(await client.callTool({ name: "add", arguments: { a: 19, b: 23 } }));

const signIns = ({ registrations, authorizations, codeExchanges }) => ({ registrations, authorizations, codeExchanges });
const one = { registrations: 1, authorizations: 1, codeExchanges: 1 };

for (const options of [
  { tokenFormat: "jwt", metadata: "openid" },
  { tokenFormat: "opaque", metadata: "oauth" },
]) {
  bounded(`the first start signs in, the second opens no browser ${JSON.stringify(options)}`, async (t) => {
    const { url, authority, counters } = await startProtected(t, options);
    const place = new Place(t);

    const browser = browserIn(place);
    const first = await connect(t, url, { place, env: browser.env });
    assert.equal(await sum(first), "42", first.stderr());
    assert.deepEqual(signIns(authority.counters), one);
    assert.equal(browser.opened(), 1, JSON.stringify(browser.entries()));
    await eventually(() => browser.landed().length > 0, "the browser's note of where it ended");
    const [landed] = browser.landed();
    assert.equal(landed?.status, 200, JSON.stringify(browser.entries()));
    assert.ok(landed.text.trim().length > 0, "the browser ended on an empty page");
    assert.equal((await first.leave()).code, 0, first.stderr());

    const forbidden = browserIn(place, "--forbidden");
    const second = await connect(t, url, { place, env: forbidden.env });
    assert.equal(await sum(second), "42", second.stderr());
    assert.equal((await second.leave()).code, 0, second.stderr());
    assert.equal(forbidden.opened(), 0);
    assert.deepEqual(signIns(authority.counters), one);
    assert.equal(authority.counters.refreshes, 0, "a token good for an hour was renewed");
    assert.equal(counters.deletes, 2, "a session was left behind");
  });
}

bounded("a five-second token is renewed without a failed call, and no secret is found in anything written", async (t) => {
  const { url, authority, counters } = await startProtected(t, { accessTokenTtl: 5, tokenFormat: "opaque" });
  const place = new Place(t);
  const browser = browserIn(place);
  const passphrase = randomBytes(24).toString("base64url");
  const watched = { MCPIPE_LOG: "trace", MCPIPE_PASSPHRASE: passphrase };
  const lines = [];
  const written = [];

  // Three starts over one vault; the second lives through six tokens, the third begins with a dead one.
  for (const [start, seconds] of [["first", 1], ["second", 30], ["third", 1]]) {
    const env = { ...watched, ...(start === "first" ? browser : browserIn(place, "--forbidden")).env };
    const looking = setInterval(() => lines.push(...commandLines(process.pid)), 200);
    const host = await connect(t, url, { place, env, flags: ["--record", place.file(`${start}.jsonl`)] });
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await pause(250)) {
      assert.equal(await sum(host), "42", host.stderr().slice(-5000));
    }
    lines.push(...commandLines(host.pid));
    clearInterval(looking);
    assert.equal((await host.leave()).code, 0);
    written.push([`stderr of the ${start} start`, Buffer.from(host.stderr())]);
    await pause(start === "second" ? 5500 : 0);
  }
  for (const args of [["status"], ["status", "--json"]]) {
    const { code, stdout, stderr } = await run(t, args, { place, env: watched });
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes(url), `mcpipe ${args.join(" ")} does not name ${url}: ${stdout}`);
    written.push([`mcpipe ${args.join(" ")}`, Buffer.from(stdout + stderr)]);
  }

  assert.deepEqual(signIns(authority.counters), one);
  assert.equal(browser.opened(), 1);
  const { refreshes, reuses, refusals } = authority.counters;
  assert.deepEqual({ reuses, refusals }, { reuses: 0, refusals: 0 });
  assert.ok(refreshes >= 6 && refreshes <= 14, `${refreshes} renewals of a five-second token in about 35 seconds`);
  assert.ok(counters.tokens.size >= 6, `${counters.tokens.size} tokens seen by the server`);

  // There must be something to search, or the search says nothing.
  const files = filesUnder(place.root);
  const sizes = Object.fromEntries([...written, ...files].map(([name, bytes]) => [name, bytes.length]));
  assert.ok(Object.keys(sizes).some((name) => name.startsWith("home/")), `nothing is kept: ${JSON.stringify(sizes)}`);
  assert.match(fs.readFileSync(place.file("second.jsonl"), "utf8"), /"tools\/call"/);
  assert.ok(sizes["stderr of the second start"] > 1000, `no trace: ${JSON.stringify(sizes)}`);
  assert.ok(lines.some(([, line]) => line.includes("--record")), "the bridge's command line was not seen");
  for (const kind of ["access token", "refresh token", "authorization code", "code verifier"]) {
    assert.ok(authority.issued.some((secret) => secret.kind === kind), `no ${kind} is known`);
  }

  const secrets = [...authority.issued, { kind: "passphrase", value: passphrase }];
  const places = [...written, ...files, ...lines];
  const bytes = places.reduce((sum, [, { length }]) => sum + length, 0);
  t.diagnostic(`${refreshes} renewals, ${counters.challenged} challenges; ${secrets.length} secrets looked for in ${places.length} places, ${bytes} bytes`);
  assert.deepEqual(leaks(secrets, places), []);
});

bounded("login signs in, status says so, logout forgets", async (t) => {
  const { url, authority } = await startProtected(t);
  const place = new Place(t);
  const browser = browserIn(place);
  const login = await run(t, ["login", url], { place, env: browser.env });
  assert.equal(login.code, 0, login.stderr);
  assert.deepEqual(signIns(authority.counters), one);

  const forbidden = browserIn(place, "--forbidden");
  const host = await connect(t, url, { place, env: forbidden.env });
  assert.equal(await sum(host), "42", host.stderr());
  assert.equal((await host.leave()).code, 0);
  assert.equal(forbidden.opened(), 0);

  const status = async () => (await run(t, ["status"], { place })).stdout;
  assert.ok((await status()).includes(url));
  const logout = await run(t, ["logout", url], { place });
  assert.equal(logout.code, 0, logout.stderr);
  assert.ok(!(await status()).includes(url), "logout left something behind");
});
