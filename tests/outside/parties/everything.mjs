// The reference server of the protocol's makers, @modelcontextprotocol/server-everything, as its own process.

import { fileURLToPath } from "node:url";

import { freePort, startParty } from "../support/process.mjs";

const entry = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-everything/dist/index.js"));

/// Starts it in `mode` (streamableHttp or sse). It cannot tell a port it chose itself, so it is given a free one,
/// and another if a program took that in between.
export async function startEverything(t, mode = "streamableHttp") {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      const party = await startParty(t, process.execPath, [entry, mode], {
        env: { PORT: String(port) },
        ready: /(listening|running) on port \d+/,
      });
      return { ...party, url: `http://127.0.0.1:${port}/${mode === "sse" ? "sse" : "mcp"}` };
    } catch (error) {
      if (attempt === 3 || !/in use|EADDRINUSE/.test(error.message)) throw error;
    }
  }
}
