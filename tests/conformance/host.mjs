// An MCP host on stdio: spawns the bridge, speaks either era, and notes whatever a host could complain about.
//
// Knows JSON-RPC, the handshake of the legacy era, the per-request metadata and the multi round-trip requests of the
// modern one. Refuses to know scenarios. Judges nothing about HTTP: the other side of the bridge does that.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** The revision a modern host speaks. */
export const MODERN = "2026-07-28";
/** The newest revision a legacy host speaks. */
export const LEGACY = "2025-11-25";

const META = "io.modelcontextprotocol/";
// What a request may be answered with, at most: a bridge that is silent for longer has lost something.
const PATIENCE_MS = 20_000;
// A host that has closed stdin and owes nothing waits about this long before it begins to kill.
const LEAVING_MS = 5_000;
const MAX_ROUNDS = 8;

/** An error answer. */
export class Refused extends Error {
  constructor(method, { code, message, data }) {
    super(`${method}: ${code} ${message}`);
    this.name = "Refused";
    this.code = code;
    this.data = data;
    this.said = message;
  }
}

export class Host {
  /** Complaints, in the order they arose. A good bridge leaves this empty. */
  problems = [];
  /** Every notification that came in. */
  notifications = [];
  /** What the bridge said on stderr. */
  stderr = "";
  #next = 0;
  #waiting = new Map();
  #done = new Set();
  #handlers = new Map();
  #isAnsweredByBridge = false;
  #watchers = new Set();

  /**
   * @param {{bin: string, args: string[], env: Record<string, string>, era: "legacy" | "modern",
   *          capabilities?: object, version?: string}} options
   */
  constructor({ bin, args, env, era, capabilities = { elicitation: {}, sampling: {}, roots: {} }, version }) {
    this.era = era;
    this.capabilities = capabilities;
    this.version = version ?? (era === "modern" ? MODERN : LEGACY);
    this.info = { name: "conformance-host", version: "1.0.0" };
    this.child = spawn(bin, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stderr.setEncoding("utf8").on("data", (text) => {
      this.stderr += text;
      process.stderr.write(text);
    });
    this.child.stdin.on("error", (error) => this.complain(`writing to the bridge failed: ${error.message}`));
    this.exited = new Promise((resolve) => {
      this.child.on("error", (error) => resolve({ error }));
      this.child.on("close", (code, signal) => resolve({ code, signal }));
    });
    this.exited.then((end) => this.#abandon(end));
    createInterface({ input: this.child.stdout, crlfDelay: Infinity }).on("line", (line) => this.#read(line));
  }

  complain(problem) {
    this.problems.push(problem);
  }

  /** Answers what the server asks through the bridge: `elicitation/create`, `sampling/createMessage`, `roots/list`. */
  answer(method, handler) {
    this.#handlers.set(method, handler);
  }

  /** Begins: the handshake, or `server/discover`. Returns what the server says of itself. */
  async connect() {
    if (this.era === "modern") {
      const discovered = await this.request("server/discover");
      if (!Array.isArray(discovered.supportedVersions) || !discovered.supportedVersions.includes(MODERN)) {
        this.complain(`server/discover does not offer ${MODERN}: ${JSON.stringify(discovered)}`);
      }
      if (typeof discovered.capabilities !== "object") this.complain("server/discover names no capabilities");
      return discovered;
    }
    const initialized = await this.request("initialize", {
      protocolVersion: this.version,
      capabilities: this.capabilities,
      clientInfo: this.info,
    });
    if (typeof initialized.protocolVersion !== "string" || initialized.protocolVersion >= MODERN) {
      this.complain(`initialize was answered with protocolVersion ${JSON.stringify(initialized.protocolVersion)}`);
    }
    if (typeof initialized.serverInfo?.name !== "string") this.complain("initialize was answered without serverInfo");
    if (typeof initialized.capabilities !== "object") this.complain("initialize was answered without capabilities");
    this.notify("notifications/initialized");
    return initialized;
  }

  /**
   * Asks, and plays every round of a modern `input_required` with the same handlers that answer a legacy server.
   * `between` runs while the first question is open.
   */
  async request(method, params, { between } = {}) {
    if (this.era === "legacy") {
      return this.#judged(method, await this.#ask(method, params));
    }
    let sent = params;
    let retriedVersion = false;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      let result;
      try {
        result = await this.#ask(method, this.#withMeta(sent));
      } catch (error) {
        // SEP-2575: the first choice was refused, and what is supported was named.
        if (retriedVersion || error.code !== -32022 || !error.data?.supported?.includes(MODERN)) throw error;
        retriedVersion = true;
        continue;
      }
      if (result.resultType !== "input_required") return this.#judged(method, result);
      if (between) {
        await between();
        between = undefined;
      }
      const inputResponses = {};
      for (const [key, asked] of Object.entries(result.inputRequests ?? {})) {
        inputResponses[key] = await this.#decide(asked.method, asked.params);
      }
      sent = { ...params, inputResponses };
      if (result.requestState !== undefined) sent.requestState = result.requestState;
    }
    throw new Error(`${method}: more than ${MAX_ROUNDS} rounds of questions`);
  }

  notify(method, params) {
    const meta = this.era === "modern" ? this.#withMeta(params) : params;
    this.#write({ jsonrpc: "2.0", method, ...(meta && { params: meta }) });
  }

  /** Waits until a notification satisfies `test`, also one that came before. */
  notified(test, what, patience = PATIENCE_MS) {
    return new Promise((resolve, reject) => {
      const found = this.notifications.find(test);
      if (found) return resolve(found);
      const timer = setTimeout(() => {
        this.#watchers.delete(watch);
        reject(new Error(`never notified of ${what}`));
      }, patience);
      const watch = (message) => {
        if (!test(message)) return;
        clearTimeout(timer);
        this.#watchers.delete(watch);
        resolve(message);
      };
      this.#watchers.add(watch);
    });
  }

  /**
   * Closes stdin and waits: the bridge has to leave by itself, with status 0 if the server has answered everything, and
   * with 1, 3, 4 or 5 if the bridge had to answer something itself.
   */
  async close() {
    this.child.stdin.end();
    const late = setTimeout(() => {
      this.complain(`still running ${LEAVING_MS} ms after stdin was closed`);
      this.child.kill("SIGKILL");
    }, LEAVING_MS);
    const { code, signal, error } = await this.exited;
    clearTimeout(late);
    if (error) this.complain(`could not be started: ${error.message}`);
    else if (this.#isAnsweredByBridge ? ![1, 3, 4, 5].includes(code) : code !== 0) {
      this.complain(`ended with ${signal ?? `status ${code}`}`);
    }
    if (this.#waiting.size > 0) this.complain(`left ${this.#waiting.size} requests unanswered`);
  }

  #withMeta(params = {}) {
    return {
      ...params,
      _meta: {
        ...params._meta,
        [`${META}protocolVersion`]: this.version,
        [`${META}clientInfo`]: this.info,
        [`${META}clientCapabilities`]: this.capabilities,
      },
    };
  }

  #write(message) {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  #ask(method, params) {
    // Ids of both kinds: a bridge has to give back the kind it got.
    this.#next += 1;
    const id = this.#next % 2 ? this.#next : `h-${this.#next}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        this.complain(`${method} was not answered within ${PATIENCE_MS} ms`);
        reject(new Error(`${method} was not answered`));
      }, PATIENCE_MS);
      this.#waiting.set(id, { method, resolve, reject, timer });
      this.#write({ jsonrpc: "2.0", id, method, ...(params && { params }) });
    });
  }

  #abandon({ code, signal, error }) {
    for (const { method, reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Error(`${method}: the bridge ended (${error?.message ?? signal ?? code}) without an answer`));
    }
  }

  async #decide(method, params) {
    const handler = this.#handlers.get(method);
    if (!handler) {
      this.complain(`was asked ${method}, which nobody here answers`);
      throw new Refused(method, { code: -32601, message: "not here" });
    }
    return handler(params);
  }

  #read(line) {
    if (line === "") return;
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      this.complain(`stdout carried something that is no JSON: ${line.slice(0, 200)}`);
      return;
    }
    if (Array.isArray(message) || typeof message !== "object" || message === null || message.jsonrpc !== "2.0") {
      this.complain(`stdout carried something that is no JSON-RPC message: ${line.slice(0, 200)}`);
      return;
    }
    if (message.method !== undefined && message.id !== undefined) this.#asked(message);
    else if (message.method !== undefined) this.#noted(message);
    else this.#answered(message);
  }

  async #asked({ id, method, params }) {
    if (this.era === "modern") this.complain(`a request (${method}) was sent to a modern host`);
    try {
      const result = method === "ping" ? {} : await this.#decide(method, params);
      this.#write({ jsonrpc: "2.0", id, result });
    } catch (error) {
      this.#write({ jsonrpc: "2.0", id, error: { code: error.code ?? -32603, message: String(error.message) } });
    }
  }

  #noted(message) {
    const { method, params } = message;
    if (this.era === "legacy" && (method === "notifications/subscriptions/acknowledged" || params?._meta?.[`${META}subscriptionId`] !== undefined)) {
      this.complain(`a modern notification reached a legacy host: ${method}`);
    }
    this.notifications.push(message);
    for (const watch of [...this.#watchers]) watch(message);
  }

  #answered({ id, result, error }) {
    const asked = this.#waiting.get(id);
    if (!asked) {
      this.complain(this.#done.has(id) ? `request ${JSON.stringify(id)} was answered twice` : `an answer to nothing: ${JSON.stringify(id)}`);
      return;
    }
    this.#waiting.delete(id);
    this.#done.add(id);
    clearTimeout(asked.timer);
    if ((result === undefined) === (error === undefined)) this.complain(`${asked.method} was answered with neither or both of result and error`);
    if (error === undefined) return asked.resolve(result);
    this.#isAnsweredByBridge ||= error.data?.source === "mcpipe";
    if (!Number.isInteger(error.code) || typeof error.message !== "string" || error.message === "") {
      this.complain(`${asked.method} was answered with a malformed error: ${JSON.stringify(error)}`);
    }
    asked.reject(new Refused(asked.method, error));
  }

  /** What must and must not be on a result in this era. */
  #judged(method, result) {
    if (this.era === "modern") {
      if (this.strict && result.resultType !== "complete") this.complain(`${method}: resultType is ${JSON.stringify(result.resultType)}`);
      if (this.strict && CACHEABLE.has(method) && (typeof result.ttlMs !== "number" || typeof result.cacheScope !== "string")) {
        this.complain(`${method}: no cache hints`);
      }
    } else if (this.strict) {
      for (const key of ["resultType", "ttlMs", "cacheScope"]) {
        if (key in result) this.complain(`${method}: ${key} reached a legacy host`);
      }
    }
    return result;
  }

  /** Set when the bridge translates, and so owes the shape of this host's era. */
  strict = false;
}

const CACHEABLE = new Set(["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"]);
