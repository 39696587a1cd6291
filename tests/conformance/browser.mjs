#!/usr/bin/env node
// The person at the browser: visits the address, says yes to everything, keeps cookies, and follows every redirect.
// Stands in for BROWSER, so it prints nothing and ends with status 0 once the last page has come.
const MAX_REDIRECTS = 10;
const jars = new Map();
let address = process.argv.at(-1);
for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
  // Ports do not count (RFC 6265 section 8.5).
  const { hostname } = new URL(address);
  const jar = jars.get(hostname) ?? jars.set(hostname, new Map()).get(hostname);
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  const page = await fetch(address, { redirect: "manual", headers: { cookie }, signal: AbortSignal.timeout(15_000) });
  for (const line of page.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    jar.set(name, value);
  }
  await page.text();
  const next = page.headers.get("location");
  if (page.status < 300 || page.status > 399 || !next) break;
  address = new URL(next, address).href;
}
