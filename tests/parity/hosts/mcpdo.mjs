// The official command line `mcpdo` as a host: a connection that its daemon holds, and one command a step.
//
//   mcpdo.mjs --era legacy|modern --story FILE (--url URL | -- COMMAND [ARGUMENT …])

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const own = process.argv.slice(2);
const cut = own.indexOf("--");
const option = (name) => own[own.indexOf(name) + 1];
const steps = JSON.parse(readFileSync(option("--story"), "utf8"));
const program = join(import.meta.dirname, "../node_modules/@modelcontextprotocol/inspector/clients/mcpdo/build/mcp-bin.js");
// A socket's path is short, and the daemon is ours alone.
const place = mkdtempSync(join(tmpdir(), "mcpdo-"));
const env = { ...process.env, HOME: place, MCP_INSPECTOR_DAEMON_DIR: place, MCP_INSPECTOR_DAEMON_TOKEN: randomUUID() };
const COMMAND_MS = 20_000;

/** Runs one command and returns its JSON, or its complaint. */
function mcpdo(...args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, "--format", "json", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    const late = setTimeout(() => child.kill("SIGKILL"), COMMAND_MS);
    let out = "";
    let complaints = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (complaints += text));
    child.once("close", (code) => {
      clearTimeout(late);
      try {
        resolve({ code, said: JSON.parse(out) });
      } catch {
        resolve({ code, said: out.trim(), complaints: complaints.trim() });
      }
    });
  });
}

const WORDS = {
  "tools/call": ({ name, arguments: args }) => [name, ...Object.entries(args).map(([key, value]) => `${key}:=${JSON.stringify(value)}`)],
  "prompts/get": ({ name, arguments: args = {} }) => [name, ...Object.entries(args).flatMap(([key, value]) => ["--prompt-args", `${key}=${value}`])],
  "resources/read": ({ uri }) => [uri],
  "resources/directory/read": ({ uri }) => [uri],
  "skills/get": ({ uri }) => [uri],
};

const recorded = {};
const keep = (name, outcome) => (recorded[name] = { answers: [], heard: [], asked: [], questions: [], outcome });
try {
  const target = cut < 0 ? [option("--url")] : ["--", ...own.slice(cut + 1)];
  const opened = await mcpdo("--connection", "parity", "connect", "--era", option("--era"), ...target);
  if (opened.code !== 0) throw new Error(`connect ended with ${opened.code}: ${JSON.stringify(opened)}`);
  keep("connect", "connected");
  for (const { step, do: verb, method, params = {} } of steps) {
    const words = verb === "server" ? ["connections/show"] : [method, ...(WORDS[method]?.(params) ?? [])];
    const outcome = await mcpdo("--connection", "parity", ...words);
    // Also when it was connected, and to what.
    const { serverInfo, capabilities, instructions } = outcome.said;
    keep(step, verb === "server" ? { serverInfo, capabilities, instructions } : outcome);
  }
  keep("leave", (await mcpdo("disconnect", "parity")).code === 0 ? "left" : "stayed");
} catch (error) {
  recorded.failed = String(error?.stack ?? error);
}
await mcpdo("daemon", "stop");
rmSync(place, { recursive: true, force: true });
process.stdout.write(JSON.stringify(recorded), () => process.exit(0));
