// What a host receives, step by step, in words that do not depend on the numbers of one run.
//
// A recorder sits at the SDK's transport, direct or bridged, and keeps every message as it came: `answers` to the host's
// requests in the order of sending, `heard` notifications, `asked` requests of the server. An id or a progress token of
// the host is written as the request it belongs to, so that a message that names another's shows.

const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

export class Recorder {
  constructor() {
    this.steps = {};
    this.sent = new Map();
    this.tokens = new Map();
    this.waiting = new Set();
    this.raw = new Map();
    this.begin("connect");
  }

  begin(name) {
    this.step = { answers: [], heard: [], asked: [], questions: [] };
    this.steps[name] = this.step;
    return this.step;
  }

  /** Puts the recorder at `transport`, before the SDK's client takes it. */
  tap(transport) {
    const recorder = this;
    const send = transport.send.bind(transport);
    transport.send = (message, options) => {
      for (const one of [message].flat()) recorder.goes(one);
      return send(message, options);
    };
    let listener;
    Object.defineProperty(transport, "onmessage", {
      configurable: true,
      get: () => listener,
      set(taken) {
        listener = taken && ((message, extra) => recorder.comes(message) || taken(message, extra));
      },
    });
    return transport;
  }

  goes(message) {
    if (!("id" in message && "method" in message)) return;
    const { method, params } = message;
    const place = { to: method };
    const label = `${method} ${this.step.answers.filter(({ to }) => to === method).length + 1}`;
    this.step.answers.push(place);
    this.sent.set(JSON.stringify(message.id), { place, label });
    const token = params?._meta?.progressToken;
    if (token !== undefined) this.tokens.set(JSON.stringify(token), label);
  }

  /** Returns true for an answer that the SDK is not to see. */
  comes(message) {
    const { id, method } = message;
    let kept = false;
    if (method !== undefined && id !== undefined) this.step.asked.push({ method, params: this.worded(message.params) });
    else if (method !== undefined) this.step.heard.push({ method, ...("params" in message && { params: this.worded(message.params) }) });
    else {
      const place = this.sent.get(JSON.stringify(id))?.place;
      const said = "error" in message ? { error: message.error } : { result: this.worded(message.result) };
      if (!place) this.step.heard.push({ answerToNothing: said });
      else if ("result" in place || "error" in place) this.step.heard.push({ secondAnswer: place.to, ...said });
      else Object.assign(place, said);
      const waiter = this.raw.get(JSON.stringify(id));
      if (waiter) {
        waiter(message);
        kept = true;
      }
    }
    for (const wake of [...this.waiting]) wake();
    return kept;
  }

  /** `value` with the host's ids and tokens written as requests. */
  worded(value, key = "") {
    if (Array.isArray(value)) return value.map((one) => this.worded(one));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.worded(one, name)]));
    }
    if (key === SUBSCRIPTION || key === "requestId") return `<id of ${this.sent.get(JSON.stringify(value))?.label ?? `nothing: ${value}`}>`;
    if (key === "progressToken") return `<token of ${this.tokens.get(JSON.stringify(value)) ?? `nothing: ${value}`}>`;
    return value;
  }

  /** Waits until this step has heard so many of each method, or the time is up, which shows in the recording. */
  async hear(wanted = {}, ms = 5000) {
    const step = this.step;
    const count = (method) => step.heard.filter((one) => one.method === method).length;
    const done = () => Object.entries(wanted).every(([method, number]) => count(method) >= number);
    await new Promise((resolve) => {
      const late = setTimeout(finish, ms);
      const wake = () => done() && finish();
      const { waiting } = this;
      function finish() {
        clearTimeout(late);
        waiting.delete(wake);
        resolve();
      }
      waiting.add(wake);
      wake();
    });
  }

  /** Sends a request of the host's own making and returns its whole answer, which the SDK does not see. */
  dispatch(transport, message, options) {
    return new Promise((resolve, reject) => {
      this.raw.set(JSON.stringify(message.id), resolve);
      transport.send(message, options).catch(reject);
    });
  }
}
