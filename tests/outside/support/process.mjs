// Child processes of a test: started with exactly the environment given, watched, and ended with the test.

import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";

/// A loopback port that was free a moment ago, for parties that cannot bind port 0 and say which they got.
export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/// Starts a party and waits for the line on stdout or stderr that says it is listening.
/// Returns the child, what it has said so far, and the match of `ready`.
export async function startParty(t, command, args, { env = {}, ready, timeoutMs = 30_000 } = {}) {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const party = { child, said: () => said, stop: () => endProcess(child) };
  t.after(party.stop);
  party.ready = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${command} ${args.join(" ")} is not ready:\n${said}`)), timeoutMs);
    const look = (chunk) => {
      said += chunk;
      const match = ready.exec(said);
      if (match) {
        clearTimeout(late);
        resolve(match);
      }
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      clearTimeout(late);
      reject(new Error(`${command} ${args.join(" ")} ended early (${code ?? signal}):\n${said}`));
    });
  });
  return party;
}

/// Ends one process that this test started; a second later without mercy.
export async function endProcess(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), 1000);
  await gone;
  clearTimeout(late);
}

/// Waits until `look` returns something true, and returns that. Fails with `what` after `timeoutMs`.
export async function eventually(look, what, timeoutMs = 10_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
