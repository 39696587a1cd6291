// What stands between mcpipe and a server: nginx, tinyproxy, microsocks, as Debian packages them. Each is one process in
// the foreground on a loopback port, with all its files in the test's place.

import { execFileSync } from "node:child_process";
import dns from "node:dns/promises";
import fs from "node:fs";
import os from "node:os";

import { freePort, startParty } from "../support/process.mjs";

const found = (...paths) => paths.find((path) => fs.existsSync(path));

export const nginx = found("/usr/sbin/nginx");
export const tinyproxy = found("/usr/bin/tinyproxy");
export const microsocks = found("/usr/bin/microsocks");

/// A name of this machine that is none of `localhost`: what a proxy is asked for. A name without a loopback address is of
/// no use, because nothing here leaves the machine.
export async function otherName() {
  const lines = fs.readFileSync("/etc/hosts", "utf8").split("\n").map((line) => line.replace(/#.*/, "").trim().split(/\s+/));
  const names = [...lines.flatMap(([, ...names]) => names), os.hostname()];
  for (const name of names) {
    if (/^(.*\.)?localhost\.?$/i.test(name)) continue;
    const addresses = await dns.lookup(name, { all: true }).catch(() => []);
    if (addresses.length > 0 && addresses.every(({ address }) => address === "127.0.0.1")) return name;
  }
  return undefined;
}

/// A certificate for `name`, and the authority it is from.
export function certificateFor(name, place) {
  const folder = place.folder("certificate");
  const openssl = (...args) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=outside");
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", `/CN=${name}`);
  fs.writeFileSync(`${folder}/names`, `subjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth\n`);
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2"];
  openssl("x509", "-req", "-in", "server.csr", ...signed, "-out", "server.pem");
  return { ca: `${folder}/ca.pem`, key: `${folder}/server.key`, chain: `${folder}/server.pem` };
}

/// nginx with these server blocks. `lines()` are those of its log: status, method, path, content coding.
export async function startNginx(t, place, servers) {
  const folder = place.folder("nginx");
  const configuration = `
daemon off; master_process off; pid ${folder}/pid; error_log stderr notice;
events {}
http {
  log_format told '$status $request_method $uri $sent_http_content_encoding';
  access_log ${folder}/log told;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ")}
  proxy_http_version 1.1; proxy_buffering off; proxy_set_header Connection "";
  ${servers}
}`;
  fs.writeFileSync(`${folder}/conf`, configuration);
  const party = await startParty(t, nginx, ["-p", folder, "-c", `${folder}/conf`], { ready: /start worker|using the "epoll"|OS: / });
  const lines = () => fs.readFileSync(`${folder}/log`, "utf8").trim().split("\n");
  return { ...party, lines };
}

/// tinyproxy, asking for `user` and `password` if they are given.
export async function startTinyproxy(t, place, { user, password } = {}) {
  const port = await freePort();
  const folder = place.folder(`tinyproxy-${port}`);
  const auth = user ? `BasicAuth ${user} ${password}` : "";
  const lines = [`Port ${port}`, "Listen 127.0.0.1", "Timeout 60", "MaxClients 50", "LogLevel Info", auth];
  fs.writeFileSync(`${folder}/conf`, `${lines.join("\n")}\n`);
  const party = await startParty(t, tinyproxy, ["-d", "-c", `${folder}/conf`], { ready: /main loop/i });
  return { ...party, address: `127.0.0.1:${port}` };
}

/// microsocks, asking for `user` and `password` if they are given. It says nothing until it is used.
export async function startMicrosocks(t, { user, password } = {}) {
  const port = await freePort();
  const auth = user ? ["-u", user, "-P", password] : [];
  const shell = `"$@" & child=$!; trap 'kill $child' TERM; sleep 0.3; echo ready; wait $child`;
  const args = ["-c", shell, "sh", microsocks, "-i", "127.0.0.1", "-p", String(port), ...auth];
  const party = await startParty(t, "/bin/sh", args, { ready: /ready/ });
  return { ...party, address: `127.0.0.1:${port}` };
}
