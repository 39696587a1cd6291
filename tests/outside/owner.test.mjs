// A sign-in belongs to the browser that began it, in Debian's Chromium: the cookie of the start page comes back with the
// answer, also where the authorization server makes the browser POST it from another site; and an answer that another
// browser brings does not count.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { chromium } from "playwright-core";

import { startCrossPosting } from "./protected/crosspost.mjs";
import { Place, run } from "./support/host.mjs";

const executable = process.env.MCPIPE_CHROMIUM ?? "/usr/bin/chromium";
const options = { timeout: 120_000, skip: !fs.existsSync(executable) && `no Chromium at ${executable}: apt-get install chromium` };
const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/// A page of a new browser.
async function fresh(t) {
  const browser = await chromium.launch({ executablePath: executable, headless: true, args: quiet });
  t.after(() => browser.close());
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  return page;
}

/// A BROWSER that only notes where it was sent; `address` waits for it.
function noting(place) {
  const [script, log] = [place.file("noting"), place.file("noted")];
  fs.writeFileSync(script, `#!/bin/sh\nprintf '%s\\n' "$1" >> '${log}'\n`, { mode: 0o700 });
  const address = async () => {
    for (let tries = 0; tries < 300; tries += 1) {
      if (fs.existsSync(log) && fs.readFileSync(log, "utf8").endsWith("\n")) return fs.readFileSync(log, "utf8").trim();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("no browser was started");
  };
  return { env: { BROWSER: script }, address };
}

for (const way of ["form", "307"]) {
  test(`an answer that is posted from another site counts for the browser that began (${way})`, options, async (t) => {
    const { url, spent } = await startCrossPosting(t, way);
    const place = new Place(t);
    const { env, address } = noting(place);
    const login = run(t, ["login", url], { place, env, timeoutMs: 90_000 });
    const person = await fresh(t);
    const start = await address();
    assert.match(start, /^http:\/\/127\.0\.0\.1:\d+\/\S+\/start$/);
    await person.goto(start);
    const posts = [];
    person.on("request", async (request) => {
      if (request.method() !== "POST" || !request.url().startsWith("http://127.0.0.1:")) return;
      posts.push((await request.allHeaders()).cookie);
    });
    await person.getByRole("button", { name: "Allow" }).click();
    await person.getByText("You are signed in").waitFor();
    const { code, stderr } = await login;
    assert.equal(code, 0, stderr);
    assert.equal(spent.length, 1);
    assert.deepEqual(posts, [undefined], "the POST itself brings no cookie");
    assert.match(stderr, /Opening your browser\. If nothing opens: http/);
  });
}

test("a browser with the authorization request alone signs nobody in, and a second one at the start page ends it", options, async (t) => {
  const { url, spent, asked } = await startCrossPosting(t, "307");
  const place = new Place(t);
  const { env, address } = noting(place);
  const login = run(t, ["login", url], { place, env, timeoutMs: 90_000 });
  const [person, thief] = [await fresh(t), await fresh(t)];
  const start = await address();
  await person.goto(start);
  assert.equal(asked.length, 1);

  await thief.goto(asked[0]);
  await thief.getByRole("button", { name: "Allow" }).click();
  await thief.getByText("This browser did not begin the sign-in").waitFor();
  // The person may load the page again, or open it in another tab.
  await person.reload();
  const tab = await person.context().newPage();
  await tab.goto(start);
  await tab.getByRole("button", { name: "Allow" }).waitFor();

  await thief.goto(start);
  await thief.getByText("opened this sign-in first").waitFor();
  const { code, stderr } = await login;
  assert.equal(code, 3, stderr);
  assert.match(stderr, /opened by another browser or program first/);
  assert.match(stderr, /mcpipe login http/);
  assert.doesNotMatch(stderr, /WARN|authorize\?/);
  assert.equal(spent.length, 0);
});
