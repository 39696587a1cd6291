// Plays official hosts against official servers, each pair direct and through mcpipe, and compares what each side got.
//
//   run.mjs [--host PART] [--server PART] [--feature PART] [--jobs N] [--faults FILE] [--verbose]
//
// A cell is one host on one server. Where both are of one era, the same host program is played twice: over the SDK's own
// HTTP client, and over its stdio client with mcpipe behind it. Where they are not, "direct" is the same SDK's host of
// the server's own era, and compared is what both eras know. Every result, error, notification and question has to be
// deeply equal, apart from what allowed.json allows, each with a reason. `--faults` writes every other difference with
// both sides' JSON.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { common, differences, withoutChance } from "./compare.mjs";
import { HOSTS, SERVERS } from "./parties.mjs";

const here = import.meta.dirname;
const START_MS = 30_000;
const PLAY_MS = 90_000;

const { values: asked } = parseArgs({
  options: {
    host: { type: "string", default: "" },
    server: { type: "string", default: "" },
    feature: { type: "string", default: "" },
    jobs: { type: "string", default: "4" },
    faults: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});

const bin = resolve(process.env.MCPIPE_BIN ?? join(here, "../../target/debug/mcpipe"));
if (!existsSync(bin)) {
  console.error(`no bridge at ${bin}; build it, or say where it is in MCPIPE_BIN`);
  process.exit(2);
}

const rules = JSON.parse(readFileSync(join(here, "allowed.json"), "utf8")).map((rule) => ({
  ...rule,
  used: 0,
  step: new RegExp(rule.step ?? ""),
  path: new RegExp(rule.path),
}));
const cells = HOSTS.filter(({ name }) => name.includes(asked.host)).flatMap((host) =>
  SERVERS.filter(({ name }) => name.includes(asked.server))
    .filter((server) => meet(host, server))
    .map((server) => ({ host, server, isOneEra: server.eras.includes(host.era) })),
);
const features = [];
for (const { host } of cells) for (const { feature } of storyOf(host)) if (!features.includes(feature)) features.push(feature);
features.push("the server's side", "leaving");

// What runs is ended with us, however we are: a process each for servers, a group for a host and its bridge.
const running = new Set();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
process.once("exit", () => {
  for (const end of running) end();
});

// At most so many plays at once, whichever cell they belong to.
let free = Math.max(1, Number(asked.jobs));
const waiting = [];
const directs = new Map();
await Promise.all(cells.map(judge));
report();

function storyOf(host) {
  return JSON.parse(readFileSync(join(here, host.story), "utf8")).filter(({ feature }) => feature.includes(asked.feature));
}

function meet(host, server) {
  return (host.servers?.includes(server.name) ?? true) && (server.hosts?.includes(host.name) ?? true);
}

/** The steps that both can play. */
function stepsOf(host, server) {
  const both = (one) => one === undefined || (host.can.includes(one) && server.has.includes(one));
  const isIn = (list, one) => one === undefined || (list?.includes(one) ?? true);
  const pair = pairOf(host, server);
  return storyOf(host).filter(
    ({ feature, step, method, needs, pairs }) =>
      both(feature) && both(needs) && isIn(host.steps, step) && isIn(host.methods, method) && isIn(pairs, pair),
  );
}

/** Host era and server era; a server of both eras is asked in the host's. */
function pairOf(host, server) {
  return `${host.era}-${server.eras.includes(host.era) ? host.era : server.eras[0]}`;
}

async function place(work) {
  if (free === 0) await new Promise((resolve) => waiting.push(resolve));
  else free -= 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }
}

/** Starts a server and waits for its address. */
async function serve({ command }) {
  const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PYTHONWARNINGS: "ignore" } });
  const stop = () => {
    running.delete(stop);
    child.kill("SIGKILL");
  };
  running.add(stop);
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (complaints += text));
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no address within ${START_MS} ms: ${complaints}`)), START_MS);
    createInterface({ input: child.stdout }).once("line", (line) => {
      clearTimeout(late);
      resolve(line);
    });
    child.once("close", (code) => {
      clearTimeout(late);
      reject(new Error(`the server ended with ${code}: ${complaints}`));
    });
  });
  return { url, stop, complaints: () => complaints };
}

/** Plays a host's story on a server of its own, and returns the recording. */
async function play(host, server, isBridged) {
  const home = mkdtempSync(join(tmpdir(), "mcpipe-parity-"));
  let remote;
  let said = "";
  try {
    remote = await serve(server);
    const story = join(home, "story.json");
    const steps = stepsOf(host, server);
    writeFileSync(story, JSON.stringify(steps));
    const target = isBridged ? ["--", bin, "--verbose", remote.url] : ["--url", remote.url];
    const child = spawn(host.command[0], [...host.command.slice(1), "--story", story, ...target], {
      // Nothing of the developer's own settings, keys or proxies.
      env: { PATH: process.env.PATH, HOME: home, MCPIPE_HOME: home, RUST_BACKTRACE: "1", NO_COLOR: "1", PYTHONWARNINGS: "ignore" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    // The host and its bridge are one process group of ours.
    const end = () => {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // All of them have left.
      }
    };
    running.add(end);
    const late = setTimeout(end, PLAY_MS);
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
    await new Promise((done) => child.once("close", done));
    clearTimeout(late);
    running.delete(end);
    const recording = out ? JSON.parse(out) : { failed: "the host said nothing" };
    const seen = await fetch(remote.url.replace(/mcp$/, "seen")).then((response) => response.json()).catch(() => undefined);
    return { steps, recording, seen, said: `${said}${remote.complaints()}` };
  } catch (error) {
    return { steps: [], recording: { failed: error.message }, said: `${said}${remote?.complaints() ?? ""}` };
  } finally {
    remote?.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

function direct(host, server) {
  const key = `${host.name} on ${server.name}`;
  if (!directs.has(key)) directs.set(key, place(() => play(host, server, false)));
  return directs.get(key);
}

/** Fills in a cell's marks, by feature, and its differences. */
async function judge(cell) {
  const { host, server, isOneEra } = cell;
  const twin = isOneEra || host.isDual ? host : HOSTS.find(({ party, era }) => party === host.twin && server.eras.includes(era));
  const [straight, bridged] = await Promise.all([direct(twin, server), place(() => play(host, server, true))]);
  Object.assign(cell, { marks: {}, faults: [], said: bridged.said });
  for (const [name, { recording, seen }] of Object.entries({ direct: straight, bridged })) {
    const reason = recording.failed ?? (recording.leave && seen ? undefined : "not played to its end");
    if (reason) cell.faults.push({ feature: "connect", step: "connect", path: name, reason });
  }
  const both = (step) => [straight, bridged].map(({ recording }) => side(recording[step.step], step, isOneEra));
  const compared = bridged.steps.filter(({ step, expect }) => expect || straight.steps.some((one) => one.step === step));
  for (const step of [{ feature: "capabilities", step: "connect" }, ...compared]) {
    if (!step.feature.includes(asked.feature)) continue;
    const [left, right] = both(step);
    // What is right is written down where the server's own era has no like of it.
    if (step.expect) mark(cell, step.feature, step.step, { outcome: step.expect, heard: step.hear ?? {} }, right && { outcome: right.outcome, heard: heardOf(right, step.hear) });
    else mark(cell, step.feature, step.step, left, right);
  }
  if (!asked.feature && straight.seen && bridged.seen) {
    mark(cell, "capabilities", "what the server knew of the host", hostOf(straight.seen), hostOf(bridged.seen));
    if (isOneEra) markSeen(cell, seenBy(straight.seen, host.era), seenBy(bridged.seen, host.era));
  }
  mark(cell, "leaving", "leave", straight.recording.leave?.outcome, bridged.recording.leave?.outcome);
  process.stdout.write(cell.faults.length > 0 ? "F" : ".");
}

/** A step's recording as it is compared. */
function side(recorded, step, isOneEra) {
  if (!recorded) return undefined;
  const said = withoutChance(recorded, step);
  return isOneEra ? said : common(said);
}

/** Compares two sides of a step, and notes what came of it in the cell. */
function mark(cell, feature, step, left, right) {
  // Two that say nothing are not two that agree.
  const found = left === undefined || right === undefined ? [{ path: "(not played)", left, right }] : differences(left, right, cell);
  cell.marks[feature] ??= "equal";
  for (const one of found) {
    const rule = rules.find((rule) => applies(rule, cell, step, one));
    if (rule) {
      rule.used += 1;
      if (cell.marks[feature] === "equal") cell.marks[feature] = "allowed";
    } else {
      cell.marks[feature] = "DIFFERENT";
      cell.faults.push({ feature, step, ...one });
    }
  }
}

/** Compares what two servers saw, in whichever order. */
function markSeen(cell, left, right) {
  const feature = "the server's side";
  const without = (list, others) => list.filter((one) => !others.includes(one)).map((one) => JSON.parse(one));
  const named = (one) => ({ [one.method ?? "(an answer)"]: one });
  cell.marks[feature] ??= "equal";
  for (const one of without(left, right)) mark(cell, feature, "what the server saw", named(one), {});
  for (const one of without(right, left)) mark(cell, feature, "what the server saw", {}, named(one));
}

/** What a server knew of its host when that asked it something. */
function hostOf(seen) {
  const { params } = seen.find(({ message }) => message.method === "initialize")?.message ?? {};
  const meta = seen.findLast(({ message }) => /^tools\/call$|\/list$/.test(message.method))?.message.params?._meta ?? {};
  return {
    capabilities: meta["io.modelcontextprotocol/clientCapabilities"] ?? params?.capabilities,
    host: meta["io.modelcontextprotocol/clientInfo"] ?? params?.clientInfo,
  };
}

/** How many of each wanted method were heard; more than wanted is as good. */
function heardOf({ heard }, wanted = {}) {
  const count = (method) => heard.filter((one) => one.method === method).length;
  return Object.fromEntries(Object.entries(wanted).map(([method, number]) => [method, Math.min(number, count(method))]));
}

/**
 * What came to the server, each message once: how often a task is looked at depends on the clock, and whether at all
 * where it goes on by itself. Leaving a response is the cancellation in the modern era, and nothing in the legacy one.
 */
function seenBy(seen, era) {
  const told = seen.map(({ message: { id, jsonrpc, ...rest }, ended, about }) => ({
    ...rest,
    ...(about && { about }),
    ...(era === "modern" && ended === "left" && { ended }),
  }));
  const lasting = told.filter(({ method }) => era === "modern" || method !== "tasks/get");
  return [...new Set(withoutChance(lasting).map((one) => JSON.stringify(ordered(one))))];
}

function ordered(one) {
  if (Array.isArray(one)) return one.map(ordered);
  if (one === null || typeof one !== "object") return one;
  return Object.fromEntries(Object.keys(one).sort().map((key) => [key, ordered(one[key])]));
}

function applies(rule, { host, server }, step, { path, left, right }) {
  if (rule.pairs && !rule.pairs.includes(pairOf(host, server))) return false;
  if (rule.host && !host.name.includes(rule.host)) return false;
  if (rule.server && !server.name.includes(rule.server)) return false;
  if (!rule.step.test(step) || !rule.path.test(path)) return false;
  if ("direct" in rule && JSON.stringify(left) !== JSON.stringify(rule.direct)) return false;
  if ("bridged" in rule && JSON.stringify(right) !== JSON.stringify(rule.bridged)) return false;
  if (rule.value && !new RegExp(rule.value).test(JSON.stringify(left ?? right))) return false;
  if (rule.only === "direct" && right !== undefined) return false;
  if (rule.only === "bridged" && left !== undefined) return false;
  return true;
}

function report() {
  const width = Math.max(...cells.map(({ host, server }) => host.name.length + server.name.length + 4));
  console.log(`\n\n${"host → server".padEnd(width)} ${features.map((one) => one.slice(0, 9).padEnd(9)).join(" ")}`);
  for (const { host, server, marks } of cells) {
    console.log(`${`${host.name} → ${server.name}`.padEnd(width)} ${features.map((one) => (marks[one] ?? "-").padEnd(9)).join(" ")}`);
  }
  const faults = [];
  for (const cell of cells) for (const fault of cell.faults) faults.push({ cell: `${cell.host.name} → ${cell.server.name}`, ...fault });
  for (const { cell, feature, step, path, left, right, reason } of asked.verbose ? faults : faults.slice(0, 60)) {
    const short = (value) => (value === undefined ? "(nothing)" : JSON.stringify(value)).slice(0, 300);
    console.log(`\n${cell}: ${feature}: ${step}: ${path}${reason ? `: ${reason}` : `\n  direct   ${short(left)}\n  bridged  ${short(right)}`}`);
  }
  if (!asked.verbose && faults.length > 60) console.log(`\n… and ${faults.length - 60} more`);
  if (asked.verbose) for (const { host, server, said } of cells.filter(({ faults }) => faults.length > 0)) console.log(`\n${host.name} → ${server.name} said:\n${said.replaceAll(/^/gm, "    ")}`);
  const whole = cells.length === HOSTS.flatMap((host) => SERVERS.filter((server) => meet(host, server))).length && !asked.feature;
  // What is optional depends on the clock.
  const unused = whole ? rules.filter(({ used, isOptional }) => used === 0 && !isOptional) : [];
  for (const { reason, path } of unused) console.log(`\nallowed.json: a rule that nothing needed: ${path} (${reason})`);
  const used = rules.filter(({ used }) => used > 0);
  if (used.length > 0) console.log("\nallowed:");
  for (const { reason, used: times } of used) console.log(`  ${String(times).padStart(4)} × ${reason}`);
  if (asked.faults) writeFileSync(asked.faults, JSON.stringify(faults, null, 1));
  const count = (mark) => cells.reduce((sum, { marks }) => sum + Object.values(marks).filter((one) => one === mark).length, 0);
  console.log(`\n${count("equal")} equal, ${count("allowed")} equal but for what is allowed, ${count("DIFFERENT")} DIFFERENT (${faults.length} differences)`);
  process.exitCode = faults.length > 0 || unused.length > 0 || cells.length === 0 ? 1 : 0;
}
