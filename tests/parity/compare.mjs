// Two recordings side by side: what is left to chance is written alike, and every difference has a path.

const TIMES = new Set(["createdAt", "lastUpdatedAt"]);

/** `value` with random names numbered in the order they come, and times and ports left out. */
export function withoutChance(value, { fold = false, sorted = false } = {}) {
  const names = new Map();
  const name = (found) => {
    if (!names.has(found)) names.set(found, `<random ${names.size + 1}>`);
    return names.get(found);
  };
  const walk = (one, key) => {
    if (typeof one === "string") {
      if (TIMES.has(key)) return "<time>";
      if (one.startsWith("sha256:")) return one;
      // The Python SDK seals it anew each time.
      if (key === "requestState" && one.startsWith("v1.")) return "<sealed>";
      if (key === "taskId" && /^[0-9a-f]{16,}$/.test(one)) return "<task>";
      return one
        .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{16,}\b/g, name)
        .replaceAll(/(127\.0\.0\.1|localhost):\d+/g, "$1:<port>");
    }
    if (key === "progressToken" && typeof one === "number") return "<token>";
    if (key === "requestId" && typeof one === "number") return "<id>";
    if (Array.isArray(one)) return one.map((each) => walk(each));
    if (one !== null && typeof one === "object") return Object.fromEntries(Object.entries(one).map(([each, inner]) => [each, walk(inner, each)]));
    return one;
  };
  const whole = walk(value);
  if (whole === null || typeof whole !== "object") return whole;
  for (const list of ["answers", "heard", "asked", "questions"]) {
    if (!Array.isArray(whole[list])) continue;
    // Looks at a task depend on the clock, the first and the last answer do not.
    if (fold) whole[list] = whole[list].filter(({ to, method }) => to !== "tasks/get" && method !== "notifications/tasks/status");
    if (sorted) whole[list] = whole[list].map((one) => JSON.stringify(one)).sort().map((one) => JSON.parse(one));
  }
  return whole;
}

/** What both eras know of a step: not how often was asked, nor in which message the server's question came. */
export function common(step) {
  if (step === null || typeof step !== "object") return step;
  const { heard = [], questions } = step;
  // The SDK 1 puts the code before the message.
  const outcome = step.outcome?.error ? { error: { ...step.outcome.error, message: step.outcome.error.message?.replace(/^(MCP error -?\d+: )+/, "") } } : step.outcome;
  const known = heard.filter(({ method }) => method !== "notifications/subscriptions/acknowledged");
  return { outcome, heard: known, questions };
}

/** Every place where `left` and `right` are not deeply equal. Across eras, `_meta` and `params` that are not there are empty ones. */
export function differences(left, right, { isOneEra, path = "" }) {
  if (left === right) return [];
  const isList = Array.isArray(left) && Array.isArray(right);
  const isObject = !Array.isArray(left) && !Array.isArray(right) && [left, right].every((one) => one !== null && typeof one === "object");
  if (!isList && !isObject) return [{ path: path || "(whole)", left, right }];
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return keys.flatMap((key) => {
    const under = isList ? `${path}[${key}]` : `${path}${path && "."}${key}`;
    const isEnvelope = !isOneEra && (key === "_meta" || key === "params");
    const at = (side) => (Object.hasOwn(side, key) || !isEnvelope ? side[key] : {});
    if (!Object.hasOwn(left, key) && !isEnvelope) return [{ path: under, left: undefined, right: right[key] }];
    if (!Object.hasOwn(right, key) && !isEnvelope) return [{ path: under, left: left[key], right: undefined }];
    return differences(at(left), at(right), { isOneEra, path: under });
  });
}
