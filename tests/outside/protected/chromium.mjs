// A real browser, as the BROWSER of a bridge: Debian's Chromium without a screen. It signs in as a person would (or
// declines), takes a picture of the page it ends on, and goes nowhere but this machine.
//
//   node chromium.mjs --log FILE --profile DIR --picture FILE [--decline] [--user NAME] URL
//
// Appends one line of JSON to FILE: which pages it met, the last one's text and title, what it asked of the network, and what it complained of.

import fs from "node:fs";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

const { values, positionals } = parseArgs({
  options: {
    log: { type: "string" },
    profile: { type: "string" },
    picture: { type: "string" },
    executable: { type: "string", default: "/usr/bin/chromium" },
    decline: { type: "boolean" },
    user: { type: "string", default: "ada" },
  },
  allowPositionals: true,
});

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Whatever it would look up, it finds nothing.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

const entry = { asked: [], complaints: [], met: [] };
/// Our own page, at the end.
const back = /^http:\/\/(127\.0\.0\.1|localhost):\d+\/cb\//;
const context = await chromium.launchPersistentContext(values.profile, {
  executablePath: values.executable,
  headless: true,
  args: quiet,
  viewport: { width: 900, height: 600 },
});
try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(20_000);
  // The provider's own pages want a font from far away; what counts is what ours asks for.
  await context.route((url) => !["127.0.0.1", "localhost"].includes(url.hostname), (route) => route.abort());
  const isOurs = (url) => new URL(url).pathname.startsWith("/cb/");
  page.on("request", (request) => {
    if (!request.isNavigationRequest() && isOurs(request.frame().url())) entry.asked.push(request.url());
  });
  page.on("console", (message) => {
    const about = message.location().url;
    if (message.type() === "error" && isOurs(page.url()) && !about.endsWith("/favicon.ico")) entry.complaints.push(message.text());
  });
  page.on("pageerror", (error) => entry.complaints.push(error.message));
  await page.goto(positionals[0]);
  if (values.decline) {
    await page.getByRole("link", { name: /abort|cancel/i }).click();
  } else {
    // Whatever is met on the way: a choice of accounts, the sign-in, consent.
    while (!back.test(page.url())) {
      const choice = page.locator("button[name=account]");
      const login = page.locator("input[name=login]");
      entry.met.push((await choice.count()) > 0 ? "choice" : (await login.count()) > 0 ? "login" : "consent");
      const address = page.url();
      if (entry.met.at(-1) === "choice") {
        await choice.filter({ hasText: values.user }).click();
      } else {
        if (entry.met.at(-1) === "login") {
          await login.fill(values.user);
          await page.locator("input[name=password]").fill("open sesame");
        }
        await page.locator("button[type=submit]").click();
      }
      await page.waitForURL((url) => url.href !== address);
    }
  }
  await page.waitForURL(back);
  await page.waitForLoadState();
  await page.screenshot({ path: values.picture });
  Object.assign(entry, {
    text: await page.locator("body").innerText(),
    title: await page.title(),
    links: await page.locator("a, img, script, link, form").count(),
  });
} catch (error) {
  entry.failed = error.message;
  process.exitCode = 1;
} finally {
  await context.close();
  fs.appendFileSync(values.log, `${JSON.stringify(entry)}\n`);
}
