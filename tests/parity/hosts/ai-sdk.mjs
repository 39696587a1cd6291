// A host on Vercel's AI SDK, which speaks both eras and takes the newest that the other side has.
//
//   ai-sdk.mjs --story FILE (--url URL | -- COMMAND [ARGUMENT …])
//
// Its transports cannot be tapped: compared are what it returns and what it was asked.

import { readFileSync } from "node:fs";
import { createMCPClient, ElicitationRequestSchema } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport } from "@ai-sdk/mcp/mcp-stdio";

const STEP_MS = 20_000;
const own = process.argv.slice(2);
const cut = own.indexOf("--");
const option = (name) => own[own.indexOf(name) + 1];
const steps = JSON.parse(readFileSync(option("--story"), "utf8"));
const recorded = {};
let current;
let person = { action: "accept", content: { name: "Ada" } };
const begin = (name) => (current = recorded[name] = { answers: [], heard: [], asked: [], questions: [] });

const bounded = (work) =>
  Promise.race([work, new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing within ${STEP_MS} ms`)), STEP_MS).unref())]);
const failure = ({ code, message, data }) => ({ error: { ...(code !== undefined && { code }), message, ...(data !== undefined && { data }) } });

const CALLS = {
  "tools/list": (client, params) => client.listTools({ params }),
  "tools/call": (client, { name, arguments: args }) => client.callTool({ name, arguments: args }),
  "prompts/list": (client) => client.listPrompts(),
  "prompts/get": (client, { name, arguments: args }) => client.getPrompt({ name, arguments: args }),
  "resources/list": (client) => client.listResources(),
  "resources/templates/list": (client) => client.listResourceTemplates(),
  "resources/read": (client, { uri }) => client.readResource({ uri }),
  "events/list": (client) => client.experimental_events.list(),
};
const VERBS = {
  request: (client, { method, params }) => CALLS[method](client, params),
  server: ({ serverInfo, instructions, initializeResult: { capabilities } }) => ({ server: serverInfo, instructions, capabilities }),
};

try {
  begin("connect");
  const transport =
    cut < 0
      ? { type: "http", url: option("--url") }
      : new Experimental_StdioMCPTransport({ command: own[cut + 1], args: own.slice(cut + 2), env: { ...process.env }, stderr: "inherit" });
  const client = await bounded(createMCPClient({ transport, name: "parity-host", version: "2.0.0", capabilities: { elicitation: {} } }));
  client.onElicitationRequest(ElicitationRequestSchema, ({ params }) => {
    current.questions.push({ method: "elicitation/create", params });
    return person;
  });
  current.outcome = "connected";
  for (const step of steps) {
    const kept = begin(step.step);
    person = step.person ?? person;
    try {
      kept.outcome = (await bounded(VERBS[step.do](client, step))) ?? null;
    } catch (error) {
      kept.outcome = failure(error);
    }
  }
  begin("leave");
  await bounded(client.close());
  current.outcome = "left";
} catch (error) {
  recorded.failed = String(error?.stack ?? error);
}
process.stdout.write(JSON.stringify(recorded), () => process.exit(0));
