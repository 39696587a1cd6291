// The life of a sign-in against oidc-provider: rotation with reuse detection, stepping up, revocation, and a family that
// is revoked under a running bridge.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startProtected } from "./protected/server.mjs";
import { browserIn } from "./support/browsers.mjs";
import { connect, Place, run } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { eventually, pause } from "./support/process.mjs";

const bounded = (name, body) => test(name, { timeout: 120_000 }, body);

const sum = async ({ client }) => text(await client.callTool({ name: "add", arguments: { a: 19, b: 23 } }));
const secrets = (authority, kind) => authority.issued.filter((secret) => secret.kind === kind).map(({ value }) => value);

/// What the authority says to a refresh token, asked as any client might that has it.
async function refreshed(authority, clientId, token) {
  const { token_endpoint } = await authority.description();
  const response = await fetch(token_endpoint, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: token, client_id: clientId }),
  });
  return { status: response.status, ...(await response.json()) };
}

/// What the protected server says to a token.
async function shown(url, token) {
  const body = { jsonrpc: "2.0", id: 1, method: "ping" };
  const response = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  return response.status;
}

async function entries(t, place) {
  const { code, stdout, stderr } = await run(t, ["status", "--json"], { place });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout).entries;
}

bounded("three bridges with one vault live through thirty seconds of five-second tokens", async (t) => {
  const { url, authority } = await startProtected(t, { accessTokenTtl: 5, tokenFormat: "opaque" });
  const place = new Place(t);
  const browser = browserIn(place);
  const first = await connect(t, url, { place, env: browser.env });
  assert.equal(await sum(first), "42", first.stderr());
  const forbidden = browserIn(place, "--forbidden");
  const others = await Promise.all([1, 2].map(() => connect(t, url, { place, env: forbidden.env })));
  const hosts = [first, ...others];

  let calls = 0;
  for (const end = Date.now() + 30_000; Date.now() < end; await pause(200)) {
    const sums = await Promise.all(hosts.map(sum));
    assert.deepEqual(sums, ["42", "42", "42"], hosts.map((host) => host.stderr()).join("\n"));
    calls += sums.length;
  }
  for (const host of hosts) assert.equal((await host.leave()).code, 0, host.stderr());

  const { refreshes, reuses, refusals } = authority.counters;
  t.diagnostic(`${calls} calls, ${refreshes} renewals by three bridges`);
  assert.deepEqual({ reuses, refusals }, { reuses: 0, refusals: 0 });
  assert.ok(refreshes >= 5 && refreshes <= 16, `${refreshes} renewals`);
  assert.equal(browser.opened() + forbidden.opened(), 1);
});

bounded("a family that is revoked under a running bridge costs one sign-in and no call", async (t) => {
  const { url, authority } = await startProtected(t, { accessTokenTtl: 5, tokenFormat: "opaque" });
  const place = new Place(t);
  const browser = browserIn(place);
  const host = await connect(t, url, { place, env: browser.env });
  assert.equal(await sum(host), "42", host.stderr());
  for (const end = Date.now() + 20_000; authority.counters.refreshes < 1; await pause(200)) {
    assert.ok(Date.now() < end, "never renewed");
    assert.equal(await sum(host), "42", host.stderr());
  }

  // A thief spends the first refresh token, which was spent already: everybody of that family is out.
  const [{ client_id: clientId }] = await entries(t, place);
  const [spent] = secrets(authority, "refresh token");
  const answer = await refreshed(authority, clientId, spent);
  assert.equal(answer.error, "invalid_grant", JSON.stringify(answer));
  assert.equal(authority.counters.reuses, 1);

  for (const end = Date.now() + 12_000; Date.now() < end; await pause(250)) {
    assert.equal(await sum(host), "42", host.stderr());
  }
  assert.equal(browser.opened(), 2, JSON.stringify(browser.entries()));
  assert.equal(authority.counters.registrations, 1, "the registration is as good as before");
  assert.equal(authority.counters.reuses, 1, "the bridge spent a dead token again");
  assert.equal((await host.leave()).code, 0);
});

bounded("a tool that wants more scope gets a sign-in for all there was and that, once", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "jwt" });
  const place = new Place(t);
  const browser = browserIn(place);
  const host = await connect(t, url, { place, env: browser.env });
  assert.equal(await sum(host), "42", host.stderr());
  const [before] = await entries(t, place);
  assert.ok(!before.scope_granted.split(" ").includes("mcp:write"), before.scope_granted);

  const count = () => host.client.callTool({ name: "count", arguments: { key: "step-up" } });
  for (let time = 0; time < 2; time += 1) {
    const result = await count();
    assert.ok(!result.isError, `${JSON.stringify(result)}\n${host.stderr()}`);
  }
  assert.equal(authority.counters.authorizations, 2);
  assert.equal(authority.counters.registrations, 1);
  assert.equal(browser.opened(), 2);
  const [after] = await entries(t, place);
  const granted = after.scope_granted.split(" ");
  for (const scope of [...before.scope_granted.split(" "), "mcp:write"]) assert.ok(granted.includes(scope), after.scope_granted);
  assert.equal(await sum(host), "42");
  assert.equal((await host.leave()).code, 0);
});

bounded("logout is seen at the authority, and neither token is good for anything after it", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
  const place = new Place(t);
  const login = await run(t, ["login", url], { place, env: browserIn(place).env });
  assert.equal(login.code, 0, login.stderr);
  const [access] = secrets(authority, "access token");
  const [refresh] = secrets(authority, "refresh token");
  const [{ client_id: clientId }] = await entries(t, place);
  assert.equal(await shown(url, access), 400, "past the door, where a session is missed");

  const logout = await run(t, ["logout", url], { place });
  assert.equal(logout.code, 0, logout.stderr);
  assert.match(logout.stdout, /refresh token revoked, access token revoked/);
  assert.equal(authority.counters.revocations, 2);
  assert.equal(await shown(url, access), 401);
  assert.equal((await refreshed(authority, clientId, refresh)).error, "invalid_grant");
  assert.deepEqual(await entries(t, place), []);
});

bounded("logout --all forgets what its servers say nothing to any more", async (t) => {
  const place = new Place(t);
  const one = await startProtected(t);
  const two = await startProtected(t);
  for (const { url } of [one, two]) {
    for (const account of ["default", "work"]) {
      const { code, stderr } = await run(t, ["login", url, "--account", account], { place, env: browserIn(place).env });
      assert.equal(code, 0, stderr);
    }
  }
  assert.equal((await entries(t, place)).length, 4);
  two.authority.close();

  const { code, stdout, stderr } = await run(t, ["logout", "--all"], { place });
  assert.equal(code, 0, stderr);
  // The access tokens are JWTs, which this authority does not revoke (RFC 7009 section 2.2.1).
  assert.equal(one.authority.counters.revocations, 2, stdout);
  assert.match(stdout, /\(work\): forgotten; .*refresh token revoked, access token stays good until it ends/);
  assert.match(stdout, /could not be revoked/);
  assert.equal(stdout.match(/forgotten/g)?.length, 4, stdout);
  assert.deepEqual(await entries(t, place), []);
});

bounded("a running bridge whose sign-in is logged out asks again when it is used again", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
  const place = new Place(t);
  const browser = browserIn(place);
  const host = await connect(t, url, { place, env: browser.env });
  assert.equal(await sum(host), "42", host.stderr());
  const { code, stderr } = await run(t, ["logout", url], { place });
  assert.equal(code, 0, stderr);
  assert.equal(await sum(host), "42", host.stderr());
  assert.equal(browser.opened(), 2, JSON.stringify(browser.entries()));
  assert.equal(authority.counters.authorizations, 2);
  await eventually(() => browser.landed().length === 2, "both sign-ins end on a page");
  assert.equal((await host.leave()).code, 0);
});
