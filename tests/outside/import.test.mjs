// `mcpipe import mcp-remote` on stores that the real mcp-remote wrote: it signs in with the scripted browser, mcpipe takes
// over, and from then on works without a browser.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

import { commandLines, leaks } from "./protected/leaks.mjs";
import { startProtected } from "./protected/server.mjs";
import { connect, Place, run } from "./support/host.mjs";
import { text } from "./support/messages.mjs";
import { eventually, freePort, pause } from "./support/process.mjs";

const bounded = (name, body) => test(name, { timeout: 120_000 }, body);
const script = fileURLToPath(new URL("protected/browser.mjs", import.meta.url));
const program = (name) => fileURLToPath(new URL(`node_modules/${name}/dist/proxy.js`, import.meta.url));
const remote = program("mcp-remote");

/// Everything mcp-remote may try for a browser, first in PATH and in BROWSER; the browser itself goes to loopback only.
function openers(place, delay) {
  const bin = place.folder(`bin-${fs.readdirSync(place.root).length}`);
  const log = path.join(bin, "log");
  for (const name of ["xdg-open", "gio", "x-www-browser", "sensible-browser", "opener"]) {
    const lines = ["#!/bin/sh", '[ "$1" = open ] && shift', `exec "${process.execPath}" "${script}" --log "${log}" --delay ${delay} "$1"`, ""];
    fs.writeFileSync(path.join(bin, name), lines.join("\n"), { mode: 0o755 });
  }
  return { PATH: `${bin}:${process.env.PATH}`, BROWSER: path.join(bin, "opener"), log };
}

/// Runs the real mcp-remote once as a host would, signs in, calls a tool, and leaves.
async function signInWithMcpRemote(t, place, url, { flags = [], env = {}, stay = false, version = remote, delay = 0 } = {}) {
  const { log, ...opener } = openers(place, delay);
  // Its own default port is in the range of ports that others are given at random.
  const port = String(await freePort());
  const stdio = new StdioClientTransport({
    command: process.execPath,
    args: [version, url, port, ...flags],
    env: { ...place.env(), ...opener, ...env },
    cwd: place.root,
    stderr: "pipe",
  });
  let said = "";
  stdio.stderr.on("data", (chunk) => (said += chunk));
  const client = new Client({ name: "outside-host", version: "1.0.0" });
  t.after(() => client.close());
  await client.connect(stdio, { timeout: 60_000 }).catch((error) => assert.fail(`mcp-remote: ${error.message}\n${said}\nbrowser: ${fs.existsSync(log) && fs.readFileSync(log, "utf8")}`));
  assert.equal(text(await client.callTool({ name: "add", arguments: { a: 19, b: 23 } })), "42");
  assert.match(fs.readFileSync(log, "utf8"), /"done"/, "mcp-remote opened no browser");
  if (!stay) await client.close();
  return { args: ["-y", "mcp-remote", url, port, ...flags], client };
}

/// What mcp-remote calls the files of a plain address.
const key = (url) => createHash("md5").update(url).digest("hex");

function stash(place, base = path.join(place.user, ".mcp-auth"), layout = "mcp-remote-v1") {
  const at = (name) => path.join(base, layout, name);
  return {
    files: () => fs.readdirSync(at("")).filter((name) => /_(tokens|client_info)\.json/.test(name)).sort(),
    read: (name) => JSON.parse(fs.readFileSync(at(name), "utf8")),
    path: at,
  };
}

/// Writes a client's configuration that starts mcp-remote so.
function configure(place, file, value) {
  const at = path.join(place.user, file);
  fs.mkdirSync(path.dirname(at), { recursive: true });
  fs.writeFileSync(at, typeof value === "string" ? value : JSON.stringify(value));
}

/// mcpipe works at `url`, and asks no user.
async function worksSilently(t, place, url, authority, flags = []) {
  const before = { ...authority.counters };
  const host = await connect(t, url, { place, flags });
  assert.equal(text(await host.client.callTool({ name: "add", arguments: { a: 19, b: 23 } })), "42", host.stderr());
  assert.equal((await host.leave()).code, 0, host.stderr());
  const { registrations, authorizations, codeExchanges } = authority.counters;
  assert.deepEqual(
    { registrations, authorizations, codeExchanges },
    { registrations: before.registrations, authorizations: before.authorizations, codeExchanges: before.codeExchanges },
  );
}

const imported = (url) => [`${key(url)}_client_info.json.imported`, `${key(url)}_tokens.json.imported`];

bounded("a live sign-in of mcp-remote goes on in mcpipe, found through a client's configuration", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
  const place = new Place(t);
  const { args } = await signInWithMcpRemote(t, place, url);
  configure(place, ".cursor/mcp.json", { mcpServers: { outside: { command: "npx", args } } });
  const files = stash(place).files();
  const tokens = stash(place).read(`${key(url)}_tokens.json`);
  const secrets = [tokens.access_token, tokens.refresh_token].map((value) => ({ kind: "token", value }));

  const dry = await run(t, ["import", "mcp-remote", "--dry-run"], { place });
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, /Cursor: outside/);
  assert.ok(dry.stdout.includes(url) && dry.stdout.includes(authority.issuer), dry.stdout);
  assert.deepEqual(stash(place).files(), files);
  assert.deepEqual(stash(place).read(`${key(url)}_tokens.json`), tokens);
  assert.deepEqual(fs.readdirSync(place.home), [], "a dry run wrote something");

  const done = await run(t, ["import", "mcp-remote"], { place });
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /signed in$/m);
  assert.deepEqual(stash(place).files(), imported(url));
  const said = [dry, done].map(({ stdout, stderr }) => ["output", Buffer.from(stdout + stderr)]);
  assert.deepEqual(leaks(secrets, said), []);

  await worksSilently(t, place, url, authority);
  assert.equal(authority.counters.refreshes, 0, "a token good for an hour was renewed");
  const again = await run(t, ["import", "mcp-remote"], { place });
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /taken over already/);
});

bounded("an access token that has ended is renewed with the client that mcp-remote registered", async (t) => {
  const { url, authority } = await startProtected(t, { accessTokenTtl: 2, tokenFormat: "opaque" });
  const place = new Place(t);
  await signInWithMcpRemote(t, place, url);
  await pause(2500);
  const done = await run(t, ["import", "mcp-remote", "--url", url], { place });
  assert.equal(done.code, 0, done.stdout + done.stderr);
  await worksSilently(t, place, url, authority);
  assert.ok(authority.counters.refreshes >= 1);
  assert.equal(authority.counters.reuses, 0, "a refresh token was spent twice");
  assert.equal(authority.counters.registrations, 1);

  const status = await run(t, ["status", "--json"], { place });
  const [entry] = JSON.parse(status.stdout).entries;
  const { client_id } = stash(place).read(`${key(url)}_client_info.json.imported`);
  assert.equal(entry.client_id, client_id);
});

bounded("--keep leaves the files", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
  const place = new Place(t);
  await signInWithMcpRemote(t, place, url);
  const files = stash(place).files();
  const done = await run(t, ["import", "mcp-remote", "--keep", "--url", url], { place });
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.deepEqual(stash(place).files(), files);
  await worksSilently(t, place, url, authority);
  assert.equal(authority.counters.refreshes, 0);
});

bounded("where only the client is left, the next sign-in is with it, at its redirect URI", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
  const place = new Place(t);
  await signInWithMcpRemote(t, place, url);
  fs.rmSync(stash(place).path(`${key(url)}_tokens.json`));
  const { redirect_uris } = stash(place).read(`${key(url)}_client_info.json`);
  const done = await run(t, ["import", "mcp-remote", "--url", url], { place });
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /only a client/);
  const { log, ...opener } = openers(place, 0);
  const login = await run(t, ["login", url], { place, env: opener });
  assert.equal(login.code, 0, login.stderr);
  assert.equal(authority.counters.registrations, 1, "there was a second registration");
  // The browser notes where it ended after login has ended.
  const landed = () => fs.readFileSync(log, "utf8").includes(`"done":"${redirect_uris[0]}"`);
  await eventually(landed, "the browser's landing at the registered redirect URI");
  await worksSilently(t, place, url, authority);
});

// The directory is named for the version as the program knew it, and 0.1.38 was mistaken about its own.
for (const [version, layout] of [["0.1.29", "0.1.29"], ["0.1.38", "0.1.37"], ["0.1.43", "0.1.43"]]) {
  bounded(`a store of mcp-remote ${version} says no issuer: it is proven by one renewal`, async (t) => {
    const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
    const place = new Place(t);
    // 0.1.29 shows the page before it listens, and asks for no scope unless it is told to.
    const flags = ["--static-oauth-client-metadata", JSON.stringify({ scope: "mcp:read" })];
    await signInWithMcpRemote(t, place, url, { version: program(`mcp-remote-${version}`), flags, delay: 2000 });
    const store = stash(place, undefined, `mcp-remote-${layout}`);
    assert.equal(store.read(`${key(url)}_tokens.json`).issuer, undefined);
    const done = await run(t, ["import", "mcp-remote", "--url", url], { place });
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /renewed once/);
    assert.deepEqual(store.files(), imported(url));
    assert.equal(authority.counters.refreshes, 1);
    await worksSilently(t, place, url, authority);
    assert.equal(authority.counters.refreshes, 1);
    assert.equal(authority.counters.reuses, 0);
  });
}

bounded("headers, resource and a directory of its own come from the configuration's entry", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
  const place = new Place(t);
  const base = place.folder("elsewhere");
  const flags = ["--header", "X-Team: ${TEAM}", "--resource", url];
  const env = { MCP_REMOTE_CONFIG_DIR: base, TEAM: "blue" };
  const { args } = await signInWithMcpRemote(t, place, url, { flags, env });
  const toml = `[mcp_servers.outside]\ncommand = "npx"\nargs = ${JSON.stringify(args)}\nenv = { MCP_REMOTE_CONFIG_DIR = ${JSON.stringify(base)}, TEAM = "blue" }\n`;
  configure(place, ".codex/config.toml", toml);
  const done = await run(t, ["import", "mcp-remote"], { place });
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /Codex: outside/);
  assert.ok(stash(place, base).files().every((name) => name.endsWith(".imported")));
  await worksSilently(t, place, url, authority, ["--resource", url]);
});

bounded("a renewal under way is waited for, and a running mcp-remote is told of", async (t) => {
  const { url, authority } = await startProtected(t, { tokenFormat: "opaque" });
  const place = new Place(t);
  await signInWithMcpRemote(t, place, url, { stay: true });
  // What a sibling does: it holds the lease, writes the new token, then lets go.
  const lease = stash(place).path(`${key(url)}_refresh_in_progress.json`);
  fs.writeFileSync(lease, JSON.stringify({ pid: process.pid, nonce: "n", at: Date.now() }));
  const importing = run(t, ["import", "mcp-remote", "--url", url], { place });
  await pause(1500);
  assert.deepEqual(stash(place).files(), [`${key(url)}_client_info.json`, `${key(url)}_tokens.json`], "it did not wait");
  const tokens = stash(place).read(`${key(url)}_tokens.json`);
  const client = stash(place).read(`${key(url)}_client_info.json`);
  const { token_endpoint } = await authority.description();
  const body = new URLSearchParams({ grant_type: "refresh_token", client_id: client.client_id, refresh_token: tokens.refresh_token, resource: url });
  const fresh = await (await fetch(token_endpoint, { method: "POST", body })).json();
  assert.ok(fresh.access_token, JSON.stringify(fresh));
  fs.writeFileSync(stash(place).path(`${key(url)}_tokens.json`), JSON.stringify({ ...tokens, ...fresh }));
  fs.rmSync(lease);
  const done = await importing;
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /mcp-remote is running for/);
  assert.ok(commandLines(process.pid).some(([, line]) => line.includes(remote)), "the party left before it was looked for");
  assert.ok(!fs.existsSync(lease), "our lease was left behind");
  await worksSilently(t, place, url, authority);
  assert.equal(authority.counters.reuses, 0);
});
