// The scripted browser of a place, as the BROWSER that mcpipe is told to use, and what it has seen.

import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../protected/browser.mjs", import.meta.url));

export function browserIn(place, ...flags) {
  const log = place.file(`browser-${randomBytes(4).toString("hex")}.log`);
  const entries = () =>
    fs.existsSync(log) ? fs.readFileSync(log, "utf8").trim().split("\n").map((line) => JSON.parse(line)) : [];
  return {
    env: { BROWSER: [process.execPath, script, "--log", log, ...flags].join(" ") },
    opened: () => entries().filter((entry) => "opened" in entry).length,
    landed: () => entries().filter((entry) => "done" in entry),
    entries,
  };
}
