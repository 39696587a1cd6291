// The official Python SDK's server. MCPIPE_OUTSIDE_PYTHON names a Python that has parties/requirements.txt installed
// (.ci/run makes one, outside the tree).

import { fileURLToPath } from "node:url";

import { startParty } from "../support/process.mjs";

export const python = process.env.MCPIPE_OUTSIDE_PYTHON;

const script = fileURLToPath(new URL("python_server.py", import.meta.url));

export async function startPythonServer(t, { sse = false, json = false } = {}) {
  const flags = [...(sse ? ["--sse"] : []), ...(json ? ["--json"] : [])];
  // -B: no compiled file beside the script, in a tree that must stay clean.
  const party = await startParty(t, python, ["-B", script, ...flags], { ready: /running on http:\/\/127\.0\.0\.1:(\d+)/ });
  return { ...party, url: `http://127.0.0.1:${party.ready[1]}${sse ? "/sse" : "/mcp"}` };
}
