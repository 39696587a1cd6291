// What both TypeScript servers offer, as plain data: the same in either era, so that recordings can be compared.

import { createHash } from "node:crypto";

export const INFO = {
  name: "parity",
  version: "1.0.0",
  title: "Parity ✓",
  description: "A server for comparing",
  websiteUrl: "https://example.com/parity",
  icons: [{ src: "https://example.com/icon.png", mimeType: "image/png", sizes: ["48x48"] }],
};
export const INSTRUCTIONS = "Ask politely.\n\u2028 Grüße 世界";
export const EVENTS = "io.modelcontextprotocol/events";
export const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

/** Capabilities, with an extension of a vendor and a member that no revision knows. */
export const capabilities = (more = {}) => ({
  tools: { listChanged: true, "com.example/search": true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
  experimental: { "com.example/lab": { level: 3 } },
  extensions: { [EVENTS]: { listChanged: true }, "com.example/vendor": { version: 7, list: [1, null, 1.5e300] }, ...more.extensions },
  events: { delivery: ["push"] },
  "com.example/vendor": { anything: { goes: true } },
  ...more.capabilities,
});

export const text = (said) => ({ content: [{ type: "text", text: said }] });

/** A tool's result with a block of each kind, and members that no revision knows. */
export const MIXED = {
  content: [
    { type: "text", text: "one", annotations: { audience: ["user"], priority: 0.5 }, "com.example/colour": "red" },
    { type: "image", mimeType: "image/png", data: "AAECA/8=" },
    { type: "audio", mimeType: "audio/wav", data: "UklGRg==" },
    { type: "resource_link", uri: "memo://one", name: "one", title: "One" },
    { type: "resource", resource: { uri: "memo://two", mimeType: "text/plain", text: "two", _meta: { "com.example/page": 2 } } },
  ],
  _meta: { "com.example/trace": "abc", number: 12345678901234567890 },
  "com.example/extra": [null, { deep: true }],
};

export const EVENT_TYPES = [
  {
    name: "memo.written",
    description: "A memo was written",
    delivery: ["poll", "push", "webhook"],
    inputSchema: { type: "object", properties: { by: { type: "string" } } },
    payloadSchema: { type: "object", properties: { n: { type: "integer" } } },
    _meta: { "com.example/rank": 1 },
  },
  { name: "memo.lost", description: "A memo was lost", delivery: ["push"], inputSchema: { type: "object" }, payloadSchema: { type: "object" } },
];

export const event = (n) => ({
  eventId: `evt_${n}`,
  name: "memo.written",
  timestamp: "2026-02-19T15:30:00Z",
  data: { n, big: 9007199254740993, nested: { list: [1, "zwei", null] } },
});

/** The notifications of one `events/stream`, in order; `script` chooses. */
export function* eventScript(params, subscriptionId) {
  const _meta = { [SUBSCRIPTION]: subscriptionId };
  const said = (kind, more) => ({ method: `notifications/events/${kind}`, params: { ...more, _meta } });
  yield said("active", { cursor: params.cursor ?? "c0", truncated: params.cursor === "old" });
  if (params.name === "memo.lost") {
    yield said("error", { error: { code: -32603, message: "UpstreamError", data: { reason: "503" } } });
    yield said("terminated", { error: { code: -32013, message: "NotFound", data: { kind: "event" } }, cursor: null });
    return;
  }
  yield said("event", { ...event(1), cursor: "c1" });
  yield said("heartbeat", { cursor: "c2" });
  yield said("event", { ...event(2), cursor: null, "com.example/extra": true });
}

export const refuse = (ErrorClass, code, message, data) => Object.assign(new ErrorClass(code, message, data), { code, data });

const SKILL = "---\nname: brewing\ndescription: How tea is brewed\n---\n\n# Brewing\n\nSee references/HEAT.md.\n";
/** Files of two skills, by path. */
export const SKILL_FILES = {
  "brewing/SKILL.md": SKILL,
  "brewing/references/HEAT.md": "# Heat\n\n80 °C for green tea\n",
  // What relays have broken: a name that an URI encodes, a mark of byte order, line ends, and what is no line end in JSON.
  "brewing/references/TEA TIME.md": "\ufeffHalf past four\r\n\r\nor\u2028later\r\n",
  "brewing/assets/leaf.bin": new Uint8Array([0, 1, 2, 3, 255, 254]),
  "pouring/SKILL.md": "---\nname: pouring\ndescription: How tea is poured\n---\n\nSlowly.\n",
};

/** The URI of a skill's file, and the path again. */
export const skillUri = (path) => `skill://${path.split("/").map(encodeURIComponent).join("/")}`;
export const skillPath = (uri) => uri.slice("skill://".length).split("/").map(decodeURIComponent).join("/");

export const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Ten pages of one, by `cursor`. */
export function page(items, member, cursor, size = 1) {
  const from = cursor === undefined ? 0 : Number(/^page (\d+)$/.exec(cursor)?.[1] ?? Number.NaN);
  if (Number.isNaN(from)) return undefined;
  const until = from + size;
  return { [member]: items.slice(from, until), ...(until < items.length && { nextCursor: `page ${until}` }), "com.example/total": items.length };
}

export const TEMPLATES = ["item", "page", "leaf"].map((name, rank) => ({
  name,
  uriTemplate: `memo://${name}/{n}`,
  title: `${name} №`,
  mimeType: "text/plain",
  annotations: { priority: rank / 2 },
  _meta: { "com.example/rank": rank },
}));
