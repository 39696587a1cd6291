// The MCP host of these tests: the official SDK client, with mcpipe as the stdio server it spawns.
//
// MCPIPE_BIN names the binary (default: target/debug/mcpipe of this tree). MCPIPE_OUTSIDE=direct connects the same
// client straight to the server instead: when a test fails both ways, it is the party and not the bridge.

import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { tap } from "./messages.mjs";
import { endProcess } from "./process.mjs";

const tree = fileURLToPath(new URL("../../../", import.meta.url));

export const direct = process.env.MCPIPE_OUTSIDE === "direct";
export const binary = path.resolve(process.env.MCPIPE_BIN ?? path.join(tree, "target/debug/mcpipe"));

if (!direct && !fs.existsSync(binary)) {
  throw new Error(`no mcpipe at ${binary}: build it (cargo build --bin mcpipe), or name it in MCPIPE_BIN`);
}

/// An empty place for one test: everything mcpipe may write goes under it, and nothing of the person's is seen.
export class Place {
  constructor(t) {
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), "mcpipe-outside-"));
    this.home = this.folder("home");
    this.user = this.folder("user");
    this.tmp = this.folder("tmp");
    t.after(() => fs.rmSync(this.root, { recursive: true, force: true }));
  }

  folder(name) {
    const folder = path.join(this.root, name);
    fs.mkdirSync(folder, { mode: 0o700 });
    return folder;
  }

  file(name) {
    return path.join(this.root, name);
  }

  /// The whole environment of a bridge in this place.
  env(more = {}) {
    const inUser = (name) => path.join(this.user, name);
    return {
      PATH: process.env.PATH,
      HOME: this.user,
      USER: "nobody",
      LOGNAME: "nobody",
      SHELL: "/bin/sh",
      TERM: "dumb",
      TMPDIR: this.tmp,
      XDG_CONFIG_HOME: inUser("config"),
      XDG_DATA_HOME: inUser("data"),
      XDG_STATE_HOME: inUser("state"),
      XDG_CACHE_HOME: inUser("cache"),
      MCPIPE_HOME: this.home,
      NO_COLOR: "1",
      // A test that does not expect a browser must not meet one.
      BROWSER: "false",
      ...more,
    };
  }
}

/// What the host can do: everything a server may ask of it.
const capabilities = { sampling: {}, elicitation: { form: {} }, roots: { listChanged: true } };

/// Connects an SDK client to `url`. `prepare(client)` may set request handlers before it connects.
/// The answer is a host: the client, every message received since, the notifications and errors seen by the client, what
/// the bridge said on stderr, and `leave`.
export async function connect(t, url, { place = new Place(t), flags = [], env = {}, prepare, transport, timeoutMs = 60_000 } = {}) {
  const client = new Client({ name: "outside-host", version: "1.0.0" }, { capabilities });
  const host = { client, place, errors: [], notifications: [], stderr: () => "", exit: undefined };
  client.onerror = (error) => host.errors.push(error);
  client.fallbackNotificationHandler = async (notification) => void host.notifications.push(notification);
  prepare?.(client);

  if (direct) {
    const straight = transport ?? new StreamableHTTPClientTransport(new URL(url));
    await client.connect(straight);
    host.received = tap(straight);
    host.leave = async () => {
      await straight.terminateSession?.();
      await client.close();
      return { code: 0, signal: null, ms: 0 };
    };
  } else {
    const stdio = new StdioClientTransport({
      command: binary,
      args: [...flags, url],
      env: place.env(env),
      cwd: place.root,
      stderr: "pipe",
    });
    let stderr = "";
    stdio.stderr.on("data", (chunk) => (stderr += chunk));
    host.stderr = () => stderr;
    try {
      await client.connect(stdio, { timeout: timeoutMs });
    } catch (error) {
      await client.close();
      throw new Error(`no connection through mcpipe: ${error.message}\nstderr:\n${stderr}`, { cause: error });
    }
    host.received = tap(stdio);
    // The transport keeps its child to itself; its exit status is part of what is tested.
    const child = stdio._process;
    host.pid = child.pid;
    host.exit = once(child, "exit");
    host.leave = async () => {
      const began = Date.now();
      await client.close();
      const [code, signal] = await host.exit;
      return { code, signal, ms: Date.now() - began };
    };
  }
  t.after(() => client.close());
  return host;
}

/// Runs mcpipe with `args` and `input` on stdin, as a shell would, and gives everything that came of it.
export async function run(t, args, { place = new Place(t), input = "", env = {}, timeoutMs = 60_000 } = {}) {
  const child = spawn(binary, args, { env: place.env(env), cwd: place.root, stdio: ["pipe", "pipe", "pipe"] });
  t.after(() => endProcess(child));
  const late = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code, signal] = await once(child, "close");
  clearTimeout(late);
  return { code, signal, stdout, stderr, lines: stdout.split("\n").filter(Boolean) };
}
