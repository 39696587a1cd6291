// The pages of a sign-in in a real browser, each in light, in dark and on a phone. `fixtures/pages` holds them as mcpipe
// serves them (`the_pages_are_those_of_the_fixtures`), with their headers. Pictures are left in $MCPIPE_ARTEFACTS/pages.

import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const executable = process.env.MCPIPE_CHROMIUM ?? "/usr/bin/chromium";
const folder = fileURLToPath(new URL("../../fixtures/pages", import.meta.url));
const cache = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache");
const artefacts = path.join(process.env.MCPIPE_ARTEFACTS ?? path.join(cache, "mcpipe-ci/artefacts"), "pages");
const names = fs.readdirSync(folder).filter((file) => file.endsWith(".html"));
const views = {
  light: { colorScheme: "light", viewport: { width: 900, height: 700 } },
  dark: { colorScheme: "dark", viewport: { width: 900, height: 700 } },
  phone: { colorScheme: "light", viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

/// Serves the pages with the headers that mcpipe sends, and notes what is asked for.
async function server(t) {
  const lines = fs.readFileSync(path.join(folder, "headers.txt"), "utf8").trim().split("\n");
  const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s, 2)));
  const asked = [];
  const listener = http.createServer((request, response) => {
    const name = request.url.slice(1);
    if (name !== "favicon.ico") asked.push(name);
    const isPage = names.includes(name);
    response.writeHead(isPage ? 200 : 404, headers).end(isPage ? fs.readFileSync(path.join(folder, name)) : "");
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  t.after(() => listener.close());
  return { origin: `http://127.0.0.1:${listener.address().port}`, asked };
}

/// Measures a page, in the page: text that is too faint or too wide, and what a screen reader is told.
function measure() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parse(color).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (parse(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.body.querySelectorAll("*")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()),
  );
  const sign = document.querySelector(".sign");
  const style = (selector, name) => getComputedStyle(sign.querySelector(selector))[name];
  return {
    faint: texts
      .map((element) => ({ text: element.textContent.trim(), is: contrast(getComputedStyle(element).color, ground(element)) }))
      .filter(({ is }) => is < 4.5),
    sign: contrast(style("circle", "fill"), style("path", "stroke")),
    wide: texts
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5 || element.scrollWidth > element.clientWidth + 1)
      .filter((element) => getComputedStyle(element).display !== "inline")
      .map((element) => element.textContent),
    overflow: document.documentElement.scrollWidth - innerWidth,
    lang: document.documentElement.lang,
    title: document.title,
    headings: [...document.querySelectorAll("h1")].map((element) => element.textContent),
    hidden: [...document.querySelectorAll("svg")].every((element) => element.getAttribute("aria-hidden") === "true"),
    main: document.querySelectorAll("main").length,
    active: document.querySelectorAll("a, img, script, link, form, iframe, object").length,
    font: getComputedStyle(document.body).fontSize,
  };
}

const options = { timeout: 180_000, skip: !fs.existsSync(executable) && `no Chromium at ${executable}: apt-get install chromium` };

test("each page of a sign-in is whole, readable and alone, in light, in dark and on a phone", options, async (t) => {
  const { origin, asked } = await server(t);
  fs.rmSync(artefacts, { recursive: true, force: true });
  fs.mkdirSync(artefacts, { recursive: true });
  const browser = await chromium.launch({
    executablePath: executable,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
  });
  t.after(() => browser.close());
  for (const [view, settings] of Object.entries(views)) {
    const context = await browser.newContext(settings);
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => {
      if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico")) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    const shots = [];
    for (const name of names) {
      const about = `${name}, ${view}`;
      await page.goto(`${origin}/${name}`);
      const found = await page.evaluate(measure);
      assert.deepEqual(found.faint, [], about);
      assert.ok(found.sign >= 3, `${about}: the sign has a contrast of ${found.sign}`);
      assert.deepEqual(found.wide, [], about);
      assert.ok(found.overflow <= 0, `${about}: ${found.overflow} pixels too wide`);
      assert.equal(found.lang, "en", about);
      assert.deepEqual(found.headings.map((heading) => `${heading} · mcpipe`), [found.title], about);
      assert.ok(found.hidden && found.main === 1 && found.active === 0, about);
      assert.notEqual(found.font, "16px", `${about}: the style counts`);
      const file = path.join(artefacts, `${name.replace(".html", "")}-${view}.png`);
      shots.push(await page.screenshot({ path: file, fullPage: true }));
    }
    assert.deepEqual(complaints, [], view);
    await context.close();
    await overview(browser, view, shots);
  }
  assert.deepEqual([...new Set(asked)].sort(), [...names].sort(), "nothing but the pages is asked for");
  t.diagnostic(`pictures: ${artefacts}`);
});

/// One picture of all, for a person to look at.
async function overview(browser, view, shots) {
  const page = await browser.newPage({ viewport: { width: 1500, height: 900 } });
  const images = shots.map((shot) => `<img src="data:image/png;base64,${shot.toString("base64")}">`);
  const style = "body{margin:8px;columns:4;column-gap:8px;background:#888}img{width:100%;margin-bottom:8px;break-inside:avoid}";
  await page.setContent(`<style>${style}</style>${images.join("")}`);
  await page.screenshot({ path: path.join(artefacts, `all-${view}.png`), fullPage: true });
  await page.close();
}
