// The client under test, as the suite sees it: a host on stdio with the bridge in front of it.
//
//   driver.mjs --host-era legacy|modern URL
//
// The suite says which scenario it plays in MCP_CONFORMANCE_SCENARIO, at which wire in
// MCP_CONFORMANCE_PROTOCOL_VERSION, and what the user would know in MCP_CONFORMANCE_CONTEXT. MCPIPE_BIN is the bridge.
// Ends with 0 when the host has nothing to complain of, and writes its verdict to CONFORMANCE_VERDICT if that is set,
// because the suite forgives some scenarios' clients whatever they end with.

import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Host, MODERN } from "./host.mjs";
import { playFor } from "./plays.mjs";

const here = import.meta.dirname;
const url = process.argv.at(-1);
const era = process.argv[process.argv.indexOf("--host-era") + 1];
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? "";
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");
const wire = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? "";
const bin = process.env.MCPIPE_BIN ?? resolve(here, "../../target/debug/mcpipe");

const problems = await judge();
for (const problem of problems) process.stderr.write(`host: ${problem}\n`);
if (process.env.CONFORMANCE_VERDICT) writeFileSync(process.env.CONFORMANCE_VERDICT, JSON.stringify({ problems }));
process.exitCode = problems.length > 0 ? 1 : 0;

async function judge() {
  const acted = playFor(scenario);
  if (!acted) return [`no play for ${scenario}`];
  if (era !== "legacy" && era !== "modern") return ["--host-era is legacy or modern"];
  const home = mkdtempSync(join(tmpdir(), "mcpipe-conformance-"));
  if (process.env.CONFORMANCE_POLICY) copyFileSync(process.env.CONFORMANCE_POLICY, join(home, "mcpipe.toml"));
  // Nothing of the developer's own settings, keys or proxies.
  const env = {
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: home,
    MCPIPE_HOME: home,
    BROWSER: join(here, "browser.mjs"),
    RUST_BACKTRACE: "1",
    ...(acted.env?.(context) ?? {}),
  };
  const host = new Host({ bin, era, args: [...(acted.flags?.(context, home) ?? []), "--verbose", url], env });
  host.strict = (era === "modern") !== (wire >= MODERN);
  try {
    await acted.play(host, context, { login: () => login(env) });
  } catch (error) {
    host.complain(error.message);
  }
  await host.close();
  rmSync(home, { recursive: true, force: true });
  return host.problems;
}

/** What the user types when the host shows them an error that says so: `mcpipe login URL`. */
async function login(env) {
  const child = spawn(bin, ["login", url], { env, stdio: ["ignore", 2, 2] });
  const code = await new Promise((done) => child.on("error", done).on("close", done));
  if (code !== 0) throw new Error(`mcpipe login ended with ${code}`);
}
