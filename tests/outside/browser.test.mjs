// The sign-in in a real browser: Debian's Chromium without a screen drives oidc-provider's pages and ends on ours.
// Pictures of both our pages are left in $MCPIPE_ARTEFACTS (else under the cache directory), for a person to look at.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { startProtected } from "./protected/server.mjs";
import { Place, run } from "./support/host.mjs";

const executable = process.env.MCPIPE_CHROMIUM ?? "/usr/bin/chromium";
const script = fileURLToPath(new URL("protected/chromium.mjs", import.meta.url));
const cache = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache");
const artefacts = process.env.MCPIPE_ARTEFACTS ?? path.join(cache, "mcpipe-ci/artefacts");

/// A place's Chromium as BROWSER, with a profile of its own.
function chromiumIn(place, picture, ...flags) {
  fs.mkdirSync(artefacts, { recursive: true });
  const log = place.file("chromium.log");
  const file = path.join(artefacts, picture);
  fs.rmSync(file, { force: true });
  const words = ["--executable", executable, "--log", log, "--profile", place.folder("chromium"), "--picture", file];
  return {
    env: { BROWSER: [process.execPath, script, ...words, ...flags].join(" ") },
    entry: () => JSON.parse(fs.readFileSync(log, "utf8").trim()),
    picture: file,
  };
}

/// That the page is our own, plain, self-contained, and was shown without a complaint.
function isOurs(entry, picture) {
  assert.equal(entry.failed, undefined, JSON.stringify(entry));
  assert.equal(entry.links, 0, "it has nothing to follow or to fetch");
  assert.deepEqual(entry.complaints, []);
  assert.deepEqual(entry.asked.filter((url) => !url.endsWith("/favicon.ico")), []);
  assert.equal(fs.readFileSync(picture).subarray(1, 4).toString(), "PNG");
}

const options = { timeout: 120_000, skip: !fs.existsSync(executable) && `no Chromium at ${executable}: apt-get install chromium` };

test("a person signs in with a real browser and is told that the window can be closed", options, async (t) => {
  const { url, authority } = await startProtected(t);
  const place = new Place(t);
  const chromium = chromiumIn(place, "signed-in.png");
  const login = await run(t, ["login", url], { place, env: chromium.env, timeoutMs: 90_000 });
  assert.equal(login.code, 0, login.stderr);
  assert.equal(authority.counters.codeExchanges, 1);
  const entry = await ended(chromium);
  isOurs(entry, chromium.picture);
  assert.match(entry.text, /signed in/i);
  assert.match(entry.text, /close this window/i);
  t.diagnostic(`picture: ${chromium.picture}`);
});

test("a person who declines in a real browser reads that it did not work", options, async (t) => {
  const { url, authority } = await startProtected(t);
  const place = new Place(t);
  const chromium = chromiumIn(place, "declined.png", "--decline");
  const login = await run(t, ["login", url], { place, env: chromium.env, timeoutMs: 90_000 });
  assert.equal(login.code, 3, login.stderr);
  assert.match(login.stderr, /access_denied/);
  assert.equal(authority.counters.codeExchanges, 0);
  const entry = await ended(chromium);
  isOurs(entry, chromium.picture);
  assert.match(entry.text, /did not work/i);
  t.diagnostic(`picture: ${chromium.picture}`);
});

/// The browser is done a moment after the sign-in.
async function ended(chromium) {
  for (let tries = 0; ; tries += 1) {
    try {
      return chromium.entry();
    } catch (error) {
      if (tries > 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
