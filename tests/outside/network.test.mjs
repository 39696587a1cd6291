// mcpipe behind what stands between it and a server: nginx that ends TLS, compresses and redirects; tinyproxy and a SOCKS
// proxy. Debian's packages; what is not installed is left out.

import assert from "node:assert/strict";
import { test } from "node:test";

import { certificateFor, microsocks, nginx, otherName, startMicrosocks, startNginx, startTinyproxy, tinyproxy } from "./parties/middle.mjs";
import { startToolsServer } from "./parties/tools-server.mjs";
import { Place, connect, direct, run } from "./support/host.mjs";
import { progressBeforeAnswer, text } from "./support/messages.mjs";
import { freePort } from "./support/process.mjs";

const name = await otherName();

const bounded = (what, needs, body) => {
  const missing = Object.entries(needs).find(([, is]) => !is)?.[0];
  test(what, { timeout: 60_000, skip: direct ? "about the bridge" : missing && `no ${missing} here` }, body);
};

const INITIALIZE = JSON.stringify({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "host", version: "1" } },
});

/// Everything there and back, events included.
async function carries(t, place, url, { flags = [], env = {} } = {}) {
  const host = await connect(t, url, { place, env, flags: ["--protocol", "legacy", ...flags] });
  const call = async (name, args, options) => text(await host.client.callTool({ name, arguments: args }, undefined, options));
  assert.equal(await call("add", { a: 19, b: 23 }), "42");
  assert.equal(await call("report", { steps: 5, ms: 200 }, { onprogress: () => {} }), "reported 5");
  assert.deepEqual(progressBeforeAnswer(host.received), [1, 2, 3, 4, 5].map((step) => [step, 5]));
  assert.equal((await call("big", { bytes: 1_000_000 })).length, 1_000_000);
  assert.deepEqual(host.errors, []);
  assert.equal((await host.leave()).code, 0, host.stderr());
  return host;
}

/// What the first request is answered with where nothing works.
async function refused(t, place, url, env, flags = []) {
  const left = await run(t, ["--protocol", "legacy", ...flags, url], { place, env, input: `${INITIALIZE}\n` });
  const { error } = JSON.parse(left.lines[0]);
  assert.ok(!`${left.stdout}${left.stderr}`.includes("s3cret"), left.stdout);
  return error;
}

/// Two servers in one nginx: the inner one compresses, the outer one ends TLS and asks the inner one to compress,
/// whatever the client asked for.
async function compressing(t, place, server, certificate, host) {
  const [outer, inner] = [await freePort(), await freePort()];
  const front = await startNginx(
    t,
    place,
    `server {
      listen 127.0.0.1:${outer} ssl; server_name ${host};
      ssl_certificate ${certificate.chain}; ssl_certificate_key ${certificate.key};
      location / { proxy_pass http://127.0.0.1:${inner}; proxy_set_header Accept-Encoding gzip; }
    }
    server {
      listen 127.0.0.1:${inner};
      gzip on; gzip_proxied any; gzip_min_length 1; gzip_http_version 1.0; gzip_types application/json text/event-stream;
      location / { proxy_pass ${new URL(server.url).origin}; }
    }`,
  );
  return { ...front, url: `https://${host}:${outer}/mcp` };
}

for (const flags of [["--json"], []]) {
  bounded(`nginx that ends TLS and compresses ${flags[0] ? "JSON" : "streams"} all the same is read`, { nginx }, async (t) => {
    const place = new Place(t);
    const certificate = certificateFor("localhost", place);
    const server = await startToolsServer(t, { flags });
    const front = await compressing(t, place, server, certificate, "localhost");
    if (flags[0]) {
      const host = await connect(t, front.url, { place, flags: ["--protocol", "legacy", "--ca", certificate.ca] });
      assert.equal(text(await host.client.callTool({ name: "big", arguments: { bytes: 1_000_000 } })).length, 1_000_000);
      assert.equal((await host.leave()).code, 0, host.stderr());
    } else {
      await carries(t, place, front.url, { flags: ["--ca", certificate.ca] });
    }
    const compressed = front.lines().filter((line) => line.endsWith("POST /mcp gzip"));
    assert.ok(compressed.length >= 2, front.lines().join("\n"));
  });
}

bounded("nginx that redirects http to https, and a path to another, is followed; one that leads away is named", { nginx }, async (t) => {
  const place = new Place(t);
  const certificate = certificateFor("localhost", place);
  const server = await startToolsServer(t);
  const [open, secure] = [await freePort(), await freePort()];
  const front = await startNginx(
    t,
    place,
    `server {
      listen 127.0.0.1:${secure} ssl; ssl_certificate ${certificate.chain}; ssl_certificate_key ${certificate.key};
      location = /mcp { proxy_pass ${server.url}; }
      location = /moved { return 308 /mcp; }
      location = /slash { return 301 /mcp; }
      location = /away { return 302 https://login.example/start?state=s3cret; }
    }
    server { listen 127.0.0.1:${open}; return 301 https://localhost:${secure}$request_uri; }`,
  );
  const flags = ["--ca", certificate.ca];
  const host = await carries(t, place, `http://localhost:${open}/mcp`, { flags });
  assert.match(host.stderr(), /configure that address/);
  assert.equal(front.lines().filter((line) => line.startsWith("301 ")).length, 1, front.lines().join("\n"));
  await carries(t, place, `https://localhost:${secure}/moved`, { flags });
  for (const [path, target] of [["slash", `https://localhost:${secure}/mcp`], ["away", "https://login.example/start"]]) {
    const error = await refused(t, place, `https://localhost:${secure}/${path}`, {}, [...flags, "--transport", "http-only"]);
    assert.ok(error.message.includes(target), error.message);
  }
});

/// A server behind TLS under a name that proxies are used for.
async function elsewhere(t, place) {
  const certificate = certificateFor(name, place);
  const server = await startToolsServer(t);
  const front = await compressing(t, place, server, certificate, name);
  const plain = new URL(server.url);
  plain.hostname = name;
  return { secure: front.url, plain: String(plain), local: server.url, flags: ["--allow-http", "--ca", certificate.ca] };
}

bounded("tinyproxy carries http and https, and is named where it does not", { nginx, tinyproxy, "other name of this machine": name }, async (t) => {
  const place = new Place(t);
  const { secure, plain, local, flags } = await elsewhere(t, place);
  const proxy = await startTinyproxy(t, place);
  await carries(t, place, plain, { flags, env: { HTTP_PROXY: `http://${proxy.address}` } });
  await carries(t, place, secure, { flags, env: { https_proxy: proxy.address } });
  const connections = () => proxy.said().split("\n").filter((line) => /Request \(file descriptor/.test(line)).length;
  assert.ok(connections() >= 2, proxy.said());
  const before = connections();
  await carries(t, place, local, { env: { HTTP_PROXY: `http://${proxy.address}`, ALL_PROXY: `http://${proxy.address}` } });
  await carries(t, place, secure, { flags, env: { ALL_PROXY: `http://${proxy.address}`, NO_PROXY: "*" } });
  assert.equal(connections(), before, "this machine, and what NO_PROXY names, is reached without it");

  const strict = await startTinyproxy(t, place, { user: "me", password: "right" });
  await carries(t, place, secure, { flags, env: { HTTPS_PROXY: `http://me:right@${strict.address}` } });
  for (const [url, variable] of [[secure, "HTTPS_PROXY"], [plain, "HTTP_PROXY"]]) {
    const error = await refused(t, place, url, { [variable]: `http://me:s3cret@${strict.address}` }, flags);
    // It says 401 to a wrong password, as to a request without one it says 407.
    assert.ok(error.message.includes(`${strict.address} (${variable})`) || url === plain, error.message);
  }
  await strict.stop();
  const error = await refused(t, place, secure, { HTTPS_PROXY: `http://${strict.address}` }, flags);
  assert.ok(error.message.includes(`the proxy ${strict.address} (HTTPS_PROXY)`), error.message);
});

bounded("microsocks carries http and https, with names resolved on either side, and is named where it does not", { nginx, microsocks, "other name of this machine": name }, async (t) => {
  const place = new Place(t);
  const { secure, plain, flags } = await elsewhere(t, place);
  const proxy = await startMicrosocks(t);
  for (const scheme of ["socks5h", "socks5"]) {
    const env = { ALL_PROXY: `${scheme}://${proxy.address}` };
    await carries(t, place, plain, { flags, env });
    await carries(t, place, secure, { flags, env });
  }
  assert.match(proxy.said(), new RegExp(`connected to ${name}`));
  const strict = await startMicrosocks(t, { user: "me", password: "right" });
  await carries(t, place, secure, { flags, env: { ALL_PROXY: `socks5h://me:right@${strict.address}` } });
  const error = await refused(t, place, secure, { ALL_PROXY: `socks5h://me:s3cret@${strict.address}` }, flags);
  assert.ok(error.message.includes(`the proxy ${strict.address} (ALL_PROXY)`), error.message);
});
