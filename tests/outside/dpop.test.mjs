// Sender-constrained tokens (RFC 9449) of oidc-provider, shown to a server that checks them with `jose`.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";

import { exportJWK, generateKeyPair, SignJWT } from "jose";

import { startConstrained } from "./protected/constrained.mjs";
import { filesUnder, leaks } from "./protected/leaks.mjs";
import { startProtected } from "./protected/server.mjs";
import { browserIn } from "./support/browsers.mjs";
import { connect, Place, run } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { pause } from "./support/process.mjs";

const bounded = (name, body) => test(name, { timeout: 120_000 }, body);

const sum = async ({ client }) => text(await client.callTool({ name: "add", arguments: { a: 19, b: 23 } }));
const secrets = (authority, kind) => authority.issued.filter((secret) => secret.kind === kind).map(({ value }) => value);
const unique = (values) => new Set(values).size;

async function entries(t, place) {
  const { code, stdout, stderr } = await run(t, ["status", "--json"], { place });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout).entries;
}

/// A thief with a key of their own, who can do all that the rightful owner can but one thing.
async function thief() {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = await exportJWK(publicKey);
  return (claims) =>
    new SignJWT({ jti: randomUUID(), ...claims })
      .setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk })
      .setIssuedAt()
      .sign(privateKey);
}

const posted = (url, headers) =>
  fetch(url, {
    method: "POST",
    headers: { accept: "application/json, text/event-stream", "content-type": "application/json", ...headers },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
  });

bounded("a bound sign-in works and is renewed, and what is stolen of it is refused", async (t) => {
  const { url, authority, judged, refused, nonce } = await startConstrained(t, { accessTokenTtl: 6, dpopNonces: true });
  const place = new Place(t);
  const browser = browserIn(place);
  const flags = ["--debug", "--record", place.file("recording.jsonl")];
  const host = await connect(t, url, { place, env: browser.env, flags });
  for (const end = Date.now() + 15_000; Date.now() < end && authority.counters.refreshes < 2; await pause(300)) {
    assert.equal(await sum(host), "42", host.stderr().slice(-3000));
  }
  assert.ok(authority.counters.refreshes >= 2, `${authority.counters.refreshes} renewals`);
  assert.equal(unique(judged.map(({ key }) => key)), 1, "one key for all tokens of a sign-in");
  assert.equal(unique(judged.map(({ proof }) => proof)), judged.length);
  // Only a nonce that had gone was ever a reason, and it was mended on the spot.
  assert.deepEqual([...new Set(refused.map(({ code }) => code))], ["use_dpop_nonce"], JSON.stringify(refused));
  assert.equal(browser.opened(), 1);
  const [entry] = await entries(t, place);
  assert.equal(entry.sender_constrained, true);

  // A thief has everything that ever went over a wire, and a key that is not the owner's.
  assert.equal(await sum(host), "42");
  const token = secrets(authority, "access token").at(-1);
  const ath = createHash("sha256").update(token).digest("base64url");
  const prove = await thief();
  const forged = await prove({ htm: "POST", htu: url, ath, nonce: nonce() });
  const overheard = judged.filter(({ method }) => method === "POST").at(-1).proof;
  for (const [what, headers] of Object.entries({
    "as a bearer token": { authorization: `Bearer ${token}` },
    "without a proof": { authorization: `DPoP ${token}` },
    "with a proof of another key": { authorization: `DPoP ${token}`, dpop: forged },
    "with a proof that was used": { authorization: `DPoP ${token}`, dpop: overheard },
  })) {
    const answer = await posted(url, headers);
    assert.equal(answer.status, 401, what);
  }
  assert.equal(await sum(host), "42", "the owner is none the worse for it");
  const { token_endpoint: at } = await authority.description();
  const refresh = async (claims) => {
    const answer = await fetch(at, {
      method: "POST",
      headers: { dpop: await prove({ htm: "POST", htu: at, ...claims }) },
      body: new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: secrets(authority, "refresh token").at(-1),
        client_id: entry.client_id,
      }),
    });
    return { nonce: answer.headers.get("dpop-nonce"), ...(await answer.json()) };
  };
  const first = await refresh({});
  assert.equal(first.error, "use_dpop_nonce", JSON.stringify(first));
  const second = await refresh({ nonce: first.nonce });
  assert.equal(second.error, "invalid_grant", JSON.stringify(second));

  assert.equal((await host.leave()).code, 0);
  const proofs = judged.slice(-5).map(({ proof }) => ({ kind: "proof", value: proof }));
  const written = [["stderr", Buffer.from(host.stderr())], ...filesUnder(place.root)];
  assert.deepEqual(leaks([...authority.issued, ...proofs], written), []);
  for (const [name, bytes] of written) assert.ok(!bytes.includes("PRIVATE KEY"), name);
});

bounded("the next start and a second bridge use the key of the first", async (t) => {
  const { url, authority, judged } = await startConstrained(t, { accessTokenTtl: 6 });
  const place = new Place(t);
  const login = await run(t, ["login", url, "--dpop", "require"], { place, env: browserIn(place).env });
  assert.equal(login.code, 0, login.stderr);
  const forbidden = browserIn(place, "--forbidden");
  const hosts = await Promise.all([1, 2].map(() => connect(t, url, { place, env: forbidden.env })));
  for (const end = Date.now() + 8_000; Date.now() < end; await pause(300)) {
    for (const host of hosts) assert.equal(await sum(host), "42", host.stderr());
  }
  for (const host of hosts) assert.equal((await host.leave()).code, 0);
  assert.equal(unique(judged.map(({ key }) => key)), 1);
  assert.deepEqual({ reuses: authority.counters.reuses, refusals: authority.counters.refusals }, { reuses: 0, refusals: 0 });
  assert.equal(forbidden.opened(), 0);
});

bounded("a server that takes bearer tokens only gets one, although the authority would bind it", async (t) => {
  const { url, authority } = await startProtected(t);
  assert.ok((await authority.description()).dpop_signing_alg_values_supported.includes("ES256"));
  const place = new Place(t);
  const host = await connect(t, url, { place, env: browserIn(place).env });
  assert.equal(await sum(host), "42", host.stderr());
  const [entry] = await entries(t, place);
  assert.equal(entry.sender_constrained, false);
  assert.equal((await host.leave()).code, 0);
});
