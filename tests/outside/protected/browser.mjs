// A browser without a screen: follows redirects with a cookie jar, fills in and posts the forms it meets, and stops at
// the first page without one. Loopback only.
//
//   node browser.mjs [--log FILE] [--forbidden] [--delay MS] URL
//
// Appends a line of JSON to FILE when it is opened and one when it is done; neither holds an address's query.
// With --forbidden it does nothing but say that it was opened.

import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const unescaped = (html) =>
  html.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name) => ({ amp: "&", lt: "<", gt: ">", quot: '"' })[name] ?? "'");

const attribute = (tag, name) => {
  const found = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, "i").exec(tag);
  return found && unescaped(found[1] ?? found[2] ?? found[3]);
};

/// The first form of a page as what a person who agrees would send, or nothing.
export function filledForm(html, base) {
  const form = /<form\b[^>]*>([\s\S]*?)<\/form>/i.exec(html);
  if (!form) return undefined;
  const open = form[0].slice(0, form[0].indexOf(">") + 1);
  const id = attribute(open, "id");
  const fields = new URLSearchParams();
  for (const [tag] of form[1].matchAll(/<input\b[^>]*>/gi)) {
    const name = attribute(tag, "name");
    const type = attribute(tag, "type") ?? "text";
    if (!name) continue;
    fields.set(name, attribute(tag, "value") ?? (type === "password" ? "open sesame" : "ada"));
  }
  // A button outside the form may belong to it, and what it says is sent too.
  for (const [tag] of html.matchAll(/<button\b[^>]*>/gi)) {
    const name = attribute(tag, "name");
    if (name && attribute(tag, "form") === id && !/abort|no/i.test(name)) fields.set(name, attribute(tag, "value") ?? "");
  }
  return { action: new URL(attribute(open, "action") ?? "", base), fields };
}

/// Goes to `start` and on from there. Returns the address and text of the last page and how many pages were seen.
export async function visit(start) {
  const jars = new Map();
  let request = { url: new URL(start) };
  for (let pages = 1; pages <= 30; pages += 1) {
    const { url, body } = request;
    if (!["127.0.0.1", "localhost", "[::1]"].includes(url.hostname)) throw new Error(`not going to ${url.origin}`);
    const jar = jars.get(url.host) ?? jars.set(url.host, new Map()).get(url.host);
    const response = await fetch(url, {
      method: body ? "POST" : "GET",
      body,
      redirect: "manual",
      headers: {
        accept: "text/html",
        "user-agent": "Mozilla/5.0 (outside)",
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; "),
      },
      signal: AbortSignal.timeout(20_000),
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      if (value === "" || /expires=Thu, 01 Jan 1970/i.test(set)) jar.delete(name);
      else jar.set(name, value);
    }
    const text = await response.text();
    const onward = response.status >= 300 && response.status < 400 && response.headers.get("location");
    const form = !onward && response.ok && filledForm(text, url);
    if (onward) request = { url: new URL(onward, url) };
    else if (form) request = { url: form.action, body: form.fields };
    else return { url, status: response.status, text, pages };
  }
  throw new Error("thirty pages and no end");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    options: { log: { type: "string" }, forbidden: { type: "boolean" }, delay: { type: "string" } },
    allowPositionals: true,
  });
  const log = (entry) => values.log && fs.appendFileSync(values.log, `${JSON.stringify(entry)}\n`);
  const [start] = positionals;
  log({ opened: start && new URL(start).origin + new URL(start).pathname });
  if (values.forbidden) process.exit(1);
  if (values.delay) await new Promise((resolve) => setTimeout(resolve, Number(values.delay)));
  try {
    const { url, status, text, pages } = await visit(start);
    log({ done: url.origin + url.pathname, status, pages, text: text.slice(0, 20_000) });
  } catch (error) {
    log({ failed: `${error.message} ${error.cause ?? ""}` });
    process.exitCode = 1;
  }
}
