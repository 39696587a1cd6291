// The hosts and servers that are compared, and what each can play of a story: its features, and what some steps need
// beyond them. A step is played where the host can and the server has it; `steps`, `methods` and `servers` are fewer than
// a host could do, because there is no way to ask it for more, or no time.

import { join } from "node:path";

const here = import.meta.dirname;
const python = process.env.MCPIPE_PARITY_PYTHON ?? "python3";
const ts = (file, ...more) => [process.execPath, join(here, file), ...more];
const py = (file, ...more) => [python, join(here, file), ...more];

const BASE = ["capabilities", "tools", "prompts", "completion", "resources", "pagination", "progress", "cancellation", "elicitation"];
const REST = ["sampling", "roots", "logging", "subscriptions", "vendor", "events"];
const MORE = ["visit", "news", "webhooks", "flurry", "tea time", "kinds", "skills", "skills reader", "directory", "apps", "tasks", "task calls"];
const LEGACY = ["odd question", "notify", "tasks legacy"];
const MODERN = ["riddle", "tasks ask"];

const FAST = ["capabilities", "tools", "prompts", "resources", "progress", "skills", "apps"];

const host = (name, party, era, command, can, more = {}) => ({ name, party, twin: party, era, story: "story.json", command, can, ...more });

export const HOSTS = [
  host("TypeScript 2 modern", "ts2", "modern", ts("hosts/ts.mjs", "--sdk", "2", "--era", "modern"), [...BASE, ...REST, ...MORE, ...MODERN, "deaf"]),
  host("TypeScript 2 legacy", "ts2", "legacy", ts("hosts/ts.mjs", "--sdk", "2", "--era", "legacy"), [...BASE, ...REST, ...MORE, ...LEGACY]),
  host("TypeScript 1", "ts1", "legacy", ts("hosts/ts.mjs", "--sdk", "1", "--era", "legacy"), [
    ...[...BASE, ...REST, ...MORE, ...LEGACY].filter((one) => !["skills reader", "tasks"].includes(one)),
    "tasks sdk",
  ], { twin: "ts2", servers: ["TypeScript 2 modern", "TypeScript 1 legacy", "Python 2 legacy"] }),
  ...["modern", "legacy"].flatMap((era) => [
    host(`Python 2 ${era}`, "python", era, py("hosts/python.py", "--party", "mcp", "--era", era), [...BASE, ...REST, "skills", "directory", "apps", ...(era === "modern" ? [] : LEGACY)], {
      servers: ["TypeScript 2 modern", "TypeScript 1 legacy", "Python 2 modern", "Python 2 legacy"],
    }),
    host(`FastMCP ${era}`, "fastmcp", era, py("hosts/python.py", "--party", "fastmcp", "--era", era), [...FAST, "fastmcp reader"], {
      servers: [`TypeScript ${era === "modern" ? "1 legacy" : "2 modern"}`, "FastMCP modern", "FastMCP legacy"],
    }),
  ]),
  // It speaks both eras: its direct play on a server of either is its own.
  host("AI SDK", "ai-sdk", "modern", ts("hosts/ai-sdk.mjs"), ["capabilities", "tools", "prompts", "resources", "elicitation", "events", "apps"], {
    isDual: true,
    methods: ["tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/read", "events/list"],
    servers: ["TypeScript 2 modern", "TypeScript 1 legacy", "FastMCP legacy"],
  }),
  // A process for each command: few of them.
  ...["modern", "legacy"].map((era) =>
    host(`mcpdo ${era}`, "mcpdo", era, ts("hosts/mcpdo.mjs", "--era", era), ["capabilities", "tools", "prompts", "resources", "skills", "directory", "apps"], {
      steps: ["who the server is", "list tools", "list skills", "a folder"],
      servers: ["TypeScript 2 modern", "TypeScript 1 legacy"],
    }),
  ),
];

export const SERVERS = [
  { name: "TypeScript 2 modern", eras: ["modern"], command: ts("servers/ts-modern.mjs"), has: [...BASE, ...REST, ...MORE, "fastmcp reader", ...MODERN] },
  { name: "TypeScript 1 legacy", eras: ["legacy"], command: ts("servers/ts-legacy.mjs"), has: [...BASE, ...REST, ...MORE, "fastmcp reader", ...LEGACY, "tasks sdk"] },
  {
    name: "TypeScript 2 modern, deaf",
    eras: ["modern"],
    command: ts("servers/ts-modern.mjs", "--refuses-to-listen"),
    has: ["capabilities", "tools", "prompts", "resources", "progress", "deaf"],
    hosts: ["TypeScript 2 modern", "TypeScript 2 legacy"],
  },
  ...["modern", "legacy"].flatMap((era) => [
    { name: `Python 2 ${era}`, eras: [era], command: py("servers/python.py", "--era", era), has: [...BASE, ...REST] },
    {
      name: `FastMCP ${era}`,
      eras: [era],
      command: py("servers/fastmcp_server.py", "--era", era),
      has: [...FAST, "cancellation", "events", "skills reader", "fastmcp reader"],
    },
  ]),
];
