#!/usr/bin/env node
// The person at the browser: visits the address, says yes to everything, and follows every redirect.
// Stands in for BROWSER, so it prints nothing and ends with status 0 once the last page has come.
const MAX_REDIRECTS = 10;
let address = process.argv.at(-1);
for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
  const page = await fetch(address, { redirect: "manual", signal: AbortSignal.timeout(15_000) });
  await page.text();
  const next = page.headers.get("location");
  if (page.status < 300 || page.status > 399 || !next) break;
  address = new URL(next, address).href;
}
