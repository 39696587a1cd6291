// Plays one story with official SDKs at both ends of the bridge, in all four pairs of eras, and prints a table.
//
//   run.mjs [--direct] [--policy] [--host PART] [--server PART] [--jobs N] [--verbose]
//
// The story is story.json: tools, prompts, resources, elicitation, sampling, roots, progress, log, subscribe, cancel.
// A cell passes when every step's outcome is the one written there, whichever the parties are, and the bridge left by
// itself. `--direct` leaves the bridge out, which only works where host and server are of one era: that is how we know
// that the parties are right. `--policy` gives the bridge one that refuses nothing, which must change nothing. MCPIPE_MATRIX_PYTHON is a Python with requirements.txt installed; without it one is made
// below MCPIPE_MATRIX_CACHE.

import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { isDeepStrictEqual, parseArgs } from "node:util";

const here = import.meta.dirname;
const STORY = join(here, "story.json");
const POLICY = join(here, "../../fixtures/policy/allows-everything.toml");
const START_MS = 30_000;
const CELL_MS = 90_000;

const { values: asked } = parseArgs({
  options: {
    direct: { type: "boolean", default: false },
    policy: { type: "boolean", default: false },
    host: { type: "string", default: "" },
    server: { type: "string", default: "" },
    jobs: { type: "string", default: "4" },
    verbose: { type: "boolean", default: false },
  },
});

const bin = resolve(process.env.MCPIPE_BIN ?? join(here, "../../target/debug/mcpipe"));
if (!asked.direct && !existsSync(bin)) {
  console.error(`no bridge at ${bin}; build it, or say where it is in MCPIPE_BIN`);
  process.exit(2);
}

const python = pythonWithSdk();
const ts = (file) => [process.execPath, join(here, file)];
const py = (file) => [python, join(here, file)];
const HOSTS = ["legacy", "modern"].flatMap((era) => [
  { name: `TypeScript 2 ${era}`, era, command: ts("hosts/ts.mjs") },
  { name: `Python 2 ${era}`, era, command: py("hosts/python.py") },
]);
const SERVERS = [
  { name: "TypeScript 1 legacy", eras: ["legacy"], command: ts("servers/ts-legacy.mjs") },
  // HTTP+SSE: the bridge has to find that out, the hosts' own clients are not asked to.
  { name: "TypeScript 1 SSE", eras: [], command: [...ts("servers/ts-legacy.mjs"), "--transport", "sse"] },
  { name: "Python 2 legacy", eras: ["legacy"], command: [...py("servers/python.py"), "--era", "legacy"] },
  { name: "TypeScript 2 modern", eras: ["modern"], command: ts("servers/ts-modern.mjs") },
  { name: "Python 2 modern", eras: ["modern"], command: [...py("servers/python.py"), "--era", "modern"] },
  // What a legacy host gets from the first of these on its own is less than the story.
  { name: "TypeScript 2 both", eras: ["modern"], command: [...ts("servers/ts-modern.mjs"), "--era", "both"] },
  { name: "Python 2 both", eras: ["legacy", "modern"], command: [...py("servers/python.py"), "--era", "both"] },
];

const expected = Object.fromEntries(JSON.parse(readFileSync(STORY, "utf8")).map(({ step, expect }) => [step, expect]));
const hosts = HOSTS.filter(({ name }) => name.includes(asked.host));
const servers = SERVERS.filter(({ name }) => name.includes(asked.server));
const cells = hosts.flatMap((host) =>
  servers.filter(({ eras }) => !asked.direct || eras.includes(host.era)).map((server) => ({ host, server })),
);

const queue = [...cells];
await Promise.all(
  Array.from({ length: Number(asked.jobs) }, async () => {
    for (let cell = queue.shift(); cell; cell = queue.shift()) await play(cell);
  }),
);
report();

/** The Python that has the SDK, made when it is not there or not as the requirements say. */
function pythonWithSdk() {
  if (process.env.MCPIPE_MATRIX_PYTHON) return process.env.MCPIPE_MATRIX_PYTHON;
  const cache = process.env.MCPIPE_MATRIX_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "mcpipe-matrix");
  const found = join(cache, "venv/bin/python");
  const must = (command, args) => {
    const { status, error } = spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
    if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${error?.message ?? status}`);
  };
  if (!existsSync(found)) must("python3", ["-m", "venv", join(cache, "venv")]);
  must(found, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", join(here, "requirements.txt")]);
  return found;
}

/** Starts a server and waits for its address. */
async function serve({ command }) {
  const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (complaints += text));
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no address within ${START_MS} ms`)), START_MS);
    createInterface({ input: child.stdout }).once("line", (line) => {
      clearTimeout(late);
      resolve(line);
    });
    child.once("close", (code) => {
      clearTimeout(late);
      reject(new Error(`the server ended with ${code}: ${complaints}`));
    });
  });
  return { url, stop: () => child.kill("SIGKILL"), complaints: () => complaints };
}

/** Plays the story in one cell, with a server and a bridge of its own, and fills in `problems`. */
async function play(cell) {
  const { host, server } = cell;
  cell.problems = [];
  const home = mkdtempSync(join(tmpdir(), "mcpipe-matrix-"));
  if (asked.policy) copyFileSync(POLICY, join(home, "mcpipe.toml"));
  let remote;
  let said = "";
  try {
    remote = await serve(server);
    const target = asked.direct ? ["--url", remote.url] : ["--", bin, "--verbose", remote.url];
    const child = spawn(host.command[0], [...host.command.slice(1), "--era", host.era, "--story", STORY, ...target], {
      // Nothing of the developer's own settings, keys or proxies.
      env: { PATH: process.env.PATH, HOME: home, MCPIPE_HOME: home, RUST_BACKTRACE: "1" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    // The host and its bridge are one process group of ours.
    const late = setTimeout(() => process.kill(-child.pid, "SIGKILL"), CELL_MS);
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
    await new Promise((done) => child.once("close", done));
    clearTimeout(late);
    judge(cell, JSON.parse(out || '{"error":"the host said nothing"}'));
  } catch (error) {
    cell.problems.push(error.message);
  }
  remote?.stop();
  rmSync(home, { recursive: true, force: true });
  if (cell.problems.length > 0) cell.said = `${said}${remote?.complaints() ?? ""}`;
  process.stdout.write(cell.problems.length > 0 ? "F" : ".");
}

function judge(cell, outcome) {
  if (outcome.error) cell.problems.push(outcome.error);
  for (const [step, expect] of Object.entries(expected)) {
    if (isDeepStrictEqual(outcome[step], expect)) continue;
    if (outcome.error && !(step in outcome)) continue;
    cell.problems.push(`${step}: expected ${JSON.stringify(expect)}, got ${JSON.stringify(outcome[step])}`);
  }
  if (!outcome.error && outcome["left by itself"] !== true) cell.problems.push("the bridge had to be killed");
}

function report() {
  const width = 20;
  const steps = Object.keys(expected).length + 1;
  console.log("\n");
  console.log(`${"host \\ server".padEnd(width)} ${servers.map(({ name }) => name.padEnd(width)).join(" ")}`);
  for (const host of hosts) {
    const row = servers.map((server) => {
      const cell = cells.find((one) => one.host === host && one.server === server);
      if (!cell) return "-".padEnd(width);
      return (cell.problems.length > 0 ? `${cell.problems.length} of ${steps} FAILED` : `all ${steps} ok`).padEnd(width);
    });
    console.log(`${host.name.padEnd(width)} ${row.join(" ")}`);
  }
  for (const { host, server, problems, said } of cells.filter(({ problems }) => problems.length > 0)) {
    console.log(`\n${host.name} host, ${server.name} server:`);
    for (const problem of problems) console.log(`  ${problem}`);
    if (asked.verbose) console.log(said.replaceAll(/^/gm, "    "));
  }
  const failed = cells.filter(({ problems }) => problems.length > 0).length;
  console.log(`\n${cells.length - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || cells.length === 0 ? 1 : 0;
}
