// The protected server and what belongs to it, without mcpipe: the official SDK client signs in with its own code.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";

import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { visit } from "./protected/browser.mjs";
import { leaks } from "./protected/leaks.mjs";
import { startProtected } from "./protected/server.mjs";
import { pause } from "./support/process.mjs";

const bounded = (name, body) => test(name, { timeout: 60_000 }, body);

/// The SDK's own OAuth, with everything in memory and `visit` as the browser.
async function sdkSignIn(t) {
  const callback = http.createServer((_, res) => res.end("<p>done</p>")).listen(0, "127.0.0.1");
  await once(callback, "listening");
  t.after(() => callback.close());
  const redirectUrl = `http://127.0.0.1:${callback.address().port}/callback`;
  const kept = {};
  return {
    kept,
    redirectUrl,
    clientMetadata: {
      client_name: "straight",
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
    },
    clientInformation: () => kept.client,
    saveClientInformation: (client) => void (kept.client = client),
    tokens: () => kept.tokens,
    saveTokens: (tokens) => void (kept.tokens = tokens),
    codeVerifier: () => kept.verifier,
    saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
    redirectToAuthorization: async (url) => void (kept.landed = await visit(url)),
  };
}

async function signIn(t, url) {
  const authProvider = await sdkSignIn(t);
  const open = () => new StreamableHTTPClientTransport(new URL(url), { authProvider });
  const connect = async () => {
    const client = new Client({ name: "straight", version: "1.0.0" });
    t.after(() => client.close());
    const transport = open();
    await client.connect(transport);
    return client;
  };
  await assert.rejects(connect(), UnauthorizedError);
  const landed = authProvider.kept.landed;
  assert.match(landed.text, /done/, `the browser ended at ${landed.url}: ${landed.text}`);
  assert.ok(landed.url.searchParams.get("iss"), "an answer without iss (RFC 9207)");
  const second = open();
  await second.finishAuth(landed.url.searchParams.get("code"));
  return { client: await connect(), kept: authProvider.kept, code: landed.url.searchParams.get("code") };
}

const call = async (client, name, args) => (await client.callTool({ name, arguments: args })).content[0].text;

for (const options of [
  { tokenFormat: "jwt", metadata: "openid" },
  { tokenFormat: "opaque", metadata: "oauth" },
  { tokenFormat: "opaque", metadata: "both" },
]) {
  bounded(`the official client signs in and calls ${JSON.stringify(options)}`, async (t) => {
    const { url, authority, counters } = await startProtected(t, options);
    const bare = await fetch(url, { method: "POST", body: "{}" });
    assert.equal(bare.status, 401);
    assert.match(bare.headers.get("www-authenticate"), /^Bearer .*resource_metadata="http:\/\/127\.0\.0\.1:\d+\/\.well-known\/oauth-protected-resource\/mcp"/);

    const { client, kept } = await signIn(t, url);
    assert.equal(await call(client, "add", { a: 19, b: 23 }), "42");
    assert.deepEqual(counters.tokens, new Set([kept.tokens.access_token]));
    assert.equal(kept.tokens.access_token.split(".").length === 3, options.tokenFormat === "jwt");
    const { registrations, authorizations, codeExchanges, refreshes } = authority.counters;
    assert.deepEqual({ registrations, authorizations, codeExchanges, refreshes }, { registrations: 1, authorizations: 1, codeExchanges: 1, refreshes: 0 });
    for (const kind of ["access token", "refresh token", "authorization code", "code verifier"]) {
      assert.ok(authority.issued.some((secret) => secret.kind === kind), `${kind} is not on record`);
    }
  });
}

bounded("a short token dies, is renewed once a life, and a used refresh token takes the grant with it", async (t) => {
  const { url, authority } = await startProtected(t, { accessTokenTtl: 1 });
  const { client, kept } = await signIn(t, url);
  const first = kept.tokens;
  await pause(2100);
  assert.equal(await call(client, "add", { a: 19, b: 23 }), "42");
  assert.equal(authority.counters.refreshes, 1);
  assert.notEqual(kept.tokens.refresh_token, first.refresh_token);

  const { token_endpoint } = await authority.description();
  const refresh = (refresh_token) =>
    fetch(token_endpoint, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", client_id: kept.client.client_id, refresh_token }),
    });
  assert.equal((await refresh(first.refresh_token)).status, 400);
  assert.equal(authority.counters.reuses, 1);
  assert.equal((await refresh(kept.tokens.refresh_token)).status, 400, "the grant survived the reuse");
});

bounded("a token for another resource, a request without PKCE and an unknown resource are refused", async (t) => {
  const { url, authority } = await startProtected(t);
  const other = await startProtected(t);
  const { kept } = await signIn(t, url);
  const elsewhere = await fetch(other.url, { method: "POST", body: "{}", headers: { authorization: `Bearer ${kept.tokens.access_token}` } });
  assert.equal(elsewhere.status, 401);

  const { authorization_endpoint } = await authority.description();
  const refused = async (more) => {
    const query = { client_id: kept.client.client_id, response_type: "code", redirect_uri: kept.client.redirect_uris[0], scope: "mcp:read", state: "s", ...more };
    return (await visit(`${authorization_endpoint}?${new URLSearchParams(query)}`)).url.searchParams.get("error");
  };
  assert.equal(await refused({ resource: url }), "invalid_request");
  assert.equal(await refused({ resource: "https://elsewhere.example/mcp", code_challenge: "x".repeat(43), code_challenge_method: "S256" }), "invalid_target");
});

bounded("a call that wants more than was granted is refused with the scopes it wants", async (t) => {
  const { url } = await startProtected(t);
  const { kept } = await signIn(t, url);
  const answer = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${kept.tokens.access_token}`, "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "count", arguments: { key: "k" } } }),
  });
  assert.equal(answer.status, 403);
  assert.match(answer.headers.get("www-authenticate"), /error="insufficient_scope".*scope="mcp:read mcp:write"/);
});

bounded("a device is signed in by the browser, and its tokens can be revoked", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
  const { device_authorization_endpoint, token_endpoint, registration_endpoint, revocation_endpoint } = await authority.description();
  const post = async (to, fields) => {
    const json = !(fields instanceof URLSearchParams);
    const answer = await fetch(to, {
      method: "POST",
      body: json ? JSON.stringify(fields) : fields,
      headers: json ? { "content-type": "application/json" } : {},
    });
    const text = await answer.text();
    return { status: answer.status, ...(text && JSON.parse(text)) };
  };
  const { client_id } = await post(registration_endpoint, {
    client_name: "device",
    redirect_uris: [],
    response_types: [],
    grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    token_endpoint_auth_method: "none",
    application_type: "native",
  });
  const device = await post(device_authorization_endpoint, new URLSearchParams({ client_id, scope: "mcp:read", resource: url }));
  const ask = () =>
    post(token_endpoint, new URLSearchParams({ client_id, grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: device.device_code, resource: url }));
  assert.equal((await ask()).error, "authorization_pending");
  const landed = await visit(device.verification_uri_complete);
  assert.match(landed.text, /Success/i, landed.text);
  const tokens = await ask();
  assert.ok(tokens.access_token && tokens.refresh_token, JSON.stringify(tokens));

  const status = async () => (await fetch(url, { method: "POST", body: "{}", headers: { authorization: `Bearer ${tokens.access_token}` } })).status;
  assert.notEqual(await status(), 401);
  assert.equal((await post(revocation_endpoint, new URLSearchParams({ client_id, token: tokens.access_token }))).status, 200);
  assert.equal(await status(), 401);
  assert.equal(authority.counters.revocations, 1);
});

test("the search for leaks finds a secret however it is written, and nothing where there is none", () => {
  const value = randomBytes(32).toString("base64url");
  const secret = [{ kind: "access token", value }];
  const part = value.slice(3, 40);
  const written = {
    plain: `before ${value} after`,
    "a part": `before ${part} after`,
    base64: Buffer.from(`{"access_token":"${value}"}`).toString("base64"),
    "base64 moved by one": Buffer.from(`x{"access_token":"${value}"}`).toString("base64"),
    "base64 moved by two": Buffer.from(`xx{"access_token":"${value}"}`).toString("base64"),
    base64url: Buffer.from(`?>?>${value}?>`).toString("base64url"),
    hex: Buffer.from(part).toString("hex"),
    HEX: Buffer.from(value).toString("hex").toUpperCase(),
    percent: [...Buffer.from(value)].map((byte) => `%${byte.toString(16)}`).join(""),
    escaped: [...Buffer.from(value)].map((byte) => `\\u00${byte.toString(16)}`).join(""),
    "a debug print of bytes": JSON.stringify([...Buffer.from(value)]).replaceAll(",", ", "),
    "two bytes a character": Buffer.from(value, "utf16le").toString("latin1"),
  };
  for (const [name, text] of Object.entries(written)) {
    assert.equal(leaks(secret, [[name, Buffer.from(text, "latin1")]]).length, 1, name);
  }
  const innocent = randomBytes(100_000);
  assert.deepEqual(leaks(secret, [["random", innocent], ["its base64", Buffer.from(innocent.toString("base64"))]]), []);
});
