// Two identities at one authorization server, in one profile of Debian's Chromium: a browser that is signed in brings the
// same person each time, unless the authorization server is told to ask.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { startProtected } from "./protected/server.mjs";
import { Place, run } from "./support/host.mjs";

const executable = process.env.MCPIPE_CHROMIUM ?? "/usr/bin/chromium";
const script = fileURLToPath(new URL("protected/chromium.mjs", import.meta.url));
const options = { timeout: 180_000, skip: !fs.existsSync(executable) && `no Chromium at ${executable}: apt-get install chromium` };

/// Signs `account` in with the one browser of this place, whose person is `user`; what it met and what was said.
async function signIn(t, place, url, user, ...flags) {
  const [log, profile] = [place.file(`chromium-${user}-${flags.join("")}.log`.replaceAll(" ", "")), place.file("chromium")];
  const words = ["--executable", executable, "--log", log, "--profile", profile, "--picture", place.file("picture.png"), "--user", user];
  const env = { BROWSER: [process.execPath, script, ...words].join(" ") };
  const login = await run(t, ["login", url, "--scope", "openid mcp:read", ...flags], { place, env, timeoutMs: 90_000 });
  assert.equal(login.code, 0, login.stderr);
  for (let tries = 0; ; tries += 1) {
    if (fs.existsSync(log) && fs.readFileSync(log, "utf8").endsWith("\n")) break;
    assert.ok(tries < 300, "the browser does not end");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { met, failed } = JSON.parse(fs.readFileSync(log, "utf8").trim());
  assert.equal(failed, undefined);
  return { met, said: login.stderr };
}

for (const [way, authority, page] of [
  ["a server that lets people choose", { accounts: ["ada", "grace"] }, "choice"],
  ["a server that refuses select_account and takes login", {}, "login"],
]) {
  test(`two people in one browser: ${way}`, options, async (t) => {
    const { url } = await startProtected(t, authority);
    const place = new Place(t);

    const first = await signIn(t, place, url, "ada");
    assert.equal(first.met[0], page);
    assert.match(first.said, new RegExp(`Signed in to ${url} as ada\\.`));

    // Not asked to choose, the browser brings the same person, and that is said.
    const same = await signIn(t, place, url, "grace", "--account", "third", "--select-account=never");
    assert.ok(!same.met.includes("login") && !same.met.includes("choice"), `${same.met}`);
    assert.match(same.said, /as ada \(account third\)/);
    assert.match(same.said, /Note: account third is the same person as account default\./);

    const second = await signIn(t, place, url, "grace", "--account", "work");
    assert.ok(second.met.includes(page), `${second.met}`);
    assert.match(second.said, new RegExp(`Signed in to ${url} as grace \\(account work\\)\\.`));
    assert.doesNotMatch(second.said, /Note/);

    const status = await run(t, ["status", url, "--json"], { place });
    const people = JSON.parse(status.stdout).entries.map(({ account, person, same_person_as }) => [account, person.subject, same_person_as]);
    assert.deepEqual(people, [["default", "ada", ["third"]], ["third", "ada", ["default"]], ["work", "grace", []]]);
  });
}
