// Machines against oidc-provider: client credentials by secret and by key. It verifies the assertions itself, with its own
// library, and takes each of them once.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import fs from "node:fs";
import { test } from "node:test";

import { startConstrained } from "./protected/constrained.mjs";
import { leaks } from "./protected/leaks.mjs";
import { startProtected } from "./protected/server.mjs";
import { connect, Place, run } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { pause } from "./support/process.mjs";

const bounded = (name, body) => test(name, { timeout: 120_000 }, body);
const sum = async ({ client }) => text(await client.callTool({ name: "add", arguments: { a: 19, b: 23 } }));
const robot = (more) => ({
  client_id: "robot",
  grant_types: ["client_credentials"],
  response_types: [],
  redirect_uris: [],
  scope: "mcp:read mcp:write",
  ...more,
});

const KINDS = {
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

/// A robot with a key: what the authority knows of it, the key's file, and what of it is secret.
function keyed(place, alg, form) {
  const { publicKey, privateKey } = KINDS[alg]();
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  const jwk = privateKey.export({ format: "jwk" });
  const file = place.file(`${alg}.${form}`);
  fs.writeFileSync(file, form === "jwk" ? JSON.stringify(jwk) : pem, { mode: 0o600 });
  return {
    client: robot({
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: alg,
      jwks: { keys: [{ ...publicKey.export({ format: "jwk" }), alg, use: "sig" }] },
    }),
    flags: ["--client-credentials", "--client-id", "robot", "--client-key", file],
    secrets: [{ kind: "private key", value: jwk.d }],
  };
}

for (const [alg, form, more] of [
  ["ES256", "pem", []],
  ["ES256", "jwk", []],
  ["RS256", "pem", []],
  ["RS256", "jwk", ["--client-alg", "RS256"]],
  ["PS256", "pem", ["--client-alg", "PS256"]],
  ["EdDSA", "pem", []],
  ["EdDSA", "jwk", []],
]) {
  bounded(`a key for ${alg}, as ${form}, is all that is needed`, async (t) => {
    const place = new Place(t);
    const { client, flags, secrets } = keyed(place, alg, form);
    const { url, authority } = await startProtected(t, { clients: [client] });
    const recording = place.file("recording");
    const host = await connect(t, url, { place, flags: [...flags, ...more, "--debug", "--record", recording] });
    assert.equal(await sum(host), "42", host.stderr());
    const { code } = await host.leave();
    assert.equal(code, 0, host.stderr());

    const { clientCredentials, registrations, authorizations, refusals } = authority.counters;
    assert.deepEqual({ clientCredentials, registrations, authorizations, refusals }, {
      clientCredentials: 1, registrations: 0, authorizations: 0, refusals: 0,
    });
    const written = new Map([["stderr", Buffer.from(host.stderr())], ["the recording", fs.readFileSync(recording)]]);
    for (const name of fs.readdirSync(place.home)) {
      const file = `${place.home}/${name}`;
      if (fs.statSync(file).isFile()) written.set(name, fs.readFileSync(file));
    }
    assert.ok(authority.issued.some(({ kind }) => kind === "client assertion"));
    assert.deepEqual(leaks([...secrets, ...authority.issued], written), []);
  });
}

for (const method of ["client_secret_basic", "client_secret_post"]) {
  bounded(`a secret is shown by ${method}`, async (t) => {
    const place = new Place(t);
    const secret = `${randomBytes(24).toString("base64")} &=:%`;
    const { url, authority } = await startProtected(t, {
      clients: [robot({ client_secret: secret, token_endpoint_auth_method: method })],
    });
    const flags = ["--client-credentials", "--client-id", "robot", "--client-secret-env", "ROBOT_SECRET"];
    const host = await connect(t, url, { place, flags, env: { ROBOT_SECRET: secret } });
    assert.equal(await sum(host), "42", host.stderr());
    assert.equal((await host.leave()).code, 0, host.stderr());
    assert.equal(authority.counters.clientCredentials, 1);
  });
}

bounded("three bridges with one vault live on five-second tokens and no refresh token", async (t) => {
  const place = new Place(t);
  const { client, flags } = keyed(place, "ES256", "pem");
  const { url, authority } = await startProtected(t, { clients: [client], accessTokenTtl: 5, tokenFormat: "opaque" });
  const hosts = await Promise.all([1, 2, 3].map(() => connect(t, url, { place, flags })));
  let calls = 0;
  for (const end = Date.now() + 12_000; Date.now() < end; await pause(200)) {
    const sums = await Promise.all(hosts.map(sum));
    assert.deepEqual(sums, ["42", "42", "42"], hosts.map((host) => host.stderr()).join("\n"));
    calls += sums.length;
  }
  for (const host of hosts) assert.equal((await host.leave()).code, 0, host.stderr());
  const { clientCredentials, refusals, authorizations } = authority.counters;
  t.diagnostic(`${calls} calls, ${clientCredentials} tokens for three bridges`);
  assert.deepEqual({ refusals, authorizations }, { refusals: 0, authorizations: 0 });
  assert.ok(clientCredentials >= 3 && clientCredentials <= 8, `${clientCredentials} tokens`);
});

bounded("a tool that wants more scope gets a token with more, once", async (t) => {
  const place = new Place(t);
  const { client, flags } = keyed(place, "ES256", "pem");
  const { url, authority } = await startProtected(t, { clients: [client] });
  const host = await connect(t, url, { place, flags });
  assert.equal(await sum(host), "42", host.stderr());
  for (let time = 0; time < 2; time += 1) {
    const result = await host.client.callTool({ name: "count", arguments: { key: "step-up" } });
    assert.ok(!result.isError, `${JSON.stringify(result)}\n${host.stderr()}`);
  }
  assert.equal(authority.counters.clientCredentials, 2);
  assert.equal((await host.leave()).code, 0);
});

bounded("a key the authority does not know gets nothing, and the error says which flag", async (t) => {
  const place = new Place(t);
  const { client } = keyed(place, "ES256", "pem");
  const other = new Place(t);
  const { flags } = keyed(other, "ES256", "pem");
  const { url, authority } = await startProtected(t, { clients: [client] });
  const { code, stderr } = await run(t, ["login", url, ...flags], { place });
  assert.equal(code, 3, stderr);
  assert.match(stderr, /invalid_client/);
  assert.match(stderr, /--client-key/);
  assert.equal(authority.counters.refusals, 1);
  assert.equal(authority.counters.authorizations, 0);
});

bounded("logging out revokes the token, proved by the key", async (t) => {
  const place = new Place(t);
  const { client, flags } = keyed(place, "EdDSA", "pem");
  const { url, authority } = await startProtected(t, { clients: [client], tokenFormat: "opaque" });
  const login = await run(t, ["login", url, ...flags], { place });
  assert.equal(login.code, 0, login.stderr);
  assert.match(login.stdout, /client credentials/);
  const key = flags.slice(flags.indexOf("--client-key"));
  const logout = await run(t, ["logout", url, ...key], { place });
  assert.equal(logout.code, 0, logout.stderr);
  assert.match(logout.stdout, /access token revoked/);
  assert.equal(authority.counters.revocations, 1);
});

// oidc-provider takes each assertion once, and wants a nonce in the proof: the second try needs another of both.
bounded("a machine's tokens are bound to a key, and renewed", async (t) => {
  const place = new Place(t);
  const { client, flags } = keyed(place, "ES256", "pem");
  const { url, authority, judged } = await startConstrained(t, { clients: [client], accessTokenTtl: 5, dpopNonces: true });
  const host = await connect(t, url, { place, flags: [...flags, "--dpop", "require"] });
  for (const end = Date.now() + 8_000; Date.now() < end; await pause(300)) assert.equal(await sum(host), "42", host.stderr());
  assert.equal((await host.leave()).code, 0, host.stderr());
  assert.ok(authority.counters.clientCredentials >= 2, `${authority.counters.clientCredentials} tokens`);
  assert.equal(new Set(judged.map(({ key }) => key)).size, 1);
  assert.equal(authority.counters.authorizations, 0);
});
