// The page of reports in browsers: its numbers, an analyst's walk, without scripts, with hostile texts, to pages of other sites.

import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { browsers as installed, launchChromium, launchFirefox } from "./driver/browsers.mjs";
import { startWithoutStore } from "./footfall.mjs";
import { checkCards, checkHeadline, checkReport } from "./page/numbers.mjs";
import { HOSTILE, SITE, axe, has, serveElsewhere, startReports, textOf, until } from "./page/reports.mjs";
import { KEYS, walkByKeyboard, walkByMouse } from "./page/walk.mjs";

const browsers = installed.filter(({ name }) => name !== "WebKitGTK");
const PERIOD = "from=28d";
/** The views of an operator, and what they are called in failures. */
const VIEWS = ["/", `/sites/${SITE}`, `/sites/${SITE}/reports/pages`, `/sites/${SITE}/diagnostics`, `/sites/${SITE}/realtime`, `/sites/${SITE}/share`, "/sign-in", "/nowhere"];

let reports, shared;
before(async () => {
  reports = await startReports();
  shared = new URL(await reports.share("add", "--site", SITE, "--name", "tests", "--expires", "1d")).pathname;
  await until(async () => (await fetch(reports.origin + shared)).status === 200, "the link is known");
});
after(() => reports?.close());

const withLanguage = (path, lang) => `${path}${path.includes("?") ? "&" : "?"}lang=${lang}`;

/** The tables of a document as text, without a script of the page. */
const tables = (html) => [...html.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell]) => cell.replace(/<[^>]*>/g, "").trim());

test("the script and the stylesheet are small", async () => {
  const dist = new URL("../../script/dist/", import.meta.url);
  const [script, style] = await Promise.all(["page.js.gz", "page.css.gz"].map(async (name) => (await stat(new URL(name, dist))).size));
  assert.ok(script <= 15_000, `the script has ${script} bytes in gzip`);
  assert.ok(style <= 15_000, `the stylesheet has ${style} bytes in gzip`);
});

test("no page has an inline script, style or handler", async () => {
  for (const path of [...VIEWS, shared, `${shared}sites/${SITE}/reports/pages`]) {
    const answer = await fetch(reports.origin + path, { headers: { accept: "text/html" } });
    const html = await answer.text();
    assert.ok(answer.status < 500, `${path}: ${answer.status}`);
    assert.match(answer.headers.get("content-security-policy"), /default-src 'none';.*frame-ancestors 'none'/, path);
    assert.doesNotMatch(html, /<style|\sstyle=|<script(?![^>]*\ssrc=)|<[^>"]*\son\w+=|javascript:/i, path);
  }
});

for (const { name, launch } of browsers)
  describe(`in ${name}`, () => {
    let driver;
    before(async () => (driver = await launch()));
    after(() => driver?.close());

    test("every number of a site is the one that the command prints", async () => {
      await driver.open(`${reports.origin}/sites/${SITE}?lang=en&${PERIOD}`);
      await checkHeadline(driver, reports, ["--from", "28d"]);
      await checkCards(driver, reports, ["--from", "28d"]);
      let compared = 0;
      for (const report of await reports.catalogue()) compared += await checkReport(driver, reports, report, PERIOD);
      assert.ok(compared > 500, `${compared} numbers were compared`);
    });

    test("an analyst walks by mouse", () => walkByMouse(driver, reports.origin, `mouse-${name}`));

    test("an analyst walks by keyboard alone", () => walkByKeyboard(driver, reports.origin, `keys-${name}`));

    test("keys beside the letters work on a Russian keyboard", async () => {
      const press = (key, code) => driver.run((key, code) => void document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true })), key, code);
      const day = async () => Date.parse(new URL(await driver.url()).searchParams.get("from")) / 86_400_000;
      await driver.open(`${reports.origin}/sites/${SITE}?from=yesterday&lang=ru`);
      await press("х", "BracketLeft");
      await until(async () => Number.isInteger(await day()), "the day before");
      const before = await day();
      await press("ъ", "BracketRight");
      await until(async () => (await day()) === before + 1, "the day after");
      await driver.open(`${reports.origin}/sites/${SITE}/reports/timeseries?from=7d&by=hour&lang=ru`);
      await press("ю", "Period");
      await until(async () => (await driver.url()).includes("page=2"), "the second page");
      await press("б", "Comma");
      await until(async () => !(await driver.url()).includes("page="), "the first page is back");
    });

    test("back and bookmarks work", async () => {
      const site = `${reports.origin}/sites/${SITE}?lang=en`;
      await driver.open(site);
      await driver.click('.periods a[href*="from=7d"]');
      await until(async () => (await driver.url()).includes("from=7d"), "seven days are shown");
      const shown = await textOf(driver, "[data-figure=views]");
      const bookmark = await driver.url();
      await driver.back();
      await until(async () => (await driver.url()) === site, "the address is back");
      await until(async () => (await textOf(driver, "[data-figure=views]")) !== shown, "the figures are back");
      await driver.open(bookmark);
      assert.equal(await textOf(driver, "[data-figure=views]"), shown);
    });

    test("scripts in stored texts and in addresses do not run", async () => {
      const text = encodeURIComponent(HOSTILE);
      const catalogue = await reports.catalogue();
      const paths = [
        `/sites/${SITE}?from=today`,
        `/sites/${SITE}?filter=path%3D${text}`,
        `/sites/${SITE}/reports/pages?search=${text}`,
        `/sites/${text}`,
        `/sites/${SITE}/reports/${text}`,
        `/sites/${SITE}/diagnostics?from=today`,
        `/sites/${SITE}/realtime`,
        `/sign-in?lang=${text}`,
        `/share/${text}/`,
        ...catalogue.map((report) => `/sites/${SITE}/reports/${report.name}?from=today`),
      ];
      let seen = 0;
      for (const path of paths) {
        await driver.open(reports.origin + path);
        const { ran, shows, injected } = await driver.run(() => ({
          ran: window.ran ?? 0,
          shows: document.body.textContent.includes("onerror="),
          injected: document.querySelectorAll("img[src=x], script:not([src])").length,
        }));
        assert.deepEqual([ran, injected], [0, 0], path);
        seen += Number(shows);
      }
      assert.ok(seen >= 3, `${seen} pages show the text as a text`);
    });

    test("the page's policy is not violated", async () => {
      for (const path of [...VIEWS, shared]) {
        await driver.open(reports.origin + path);
        const violations = await driver.run(async () => {
          const found = [];
          addEventListener("securitypolicyviolation", (event) => found.push(`${event.violatedDirective} ${event.blockedURI}`));
          if ("ReportingObserver" in window) new ReportingObserver((list) => found.push(...list.map(({ body }) => `${body.effectiveDirective} ${body.blockedURL}`)), { types: ["csp-violation"], buffered: true }).observe();
          // The page of share links has no script, and its links lead to other documents.
          if (document.querySelector("script")) document.querySelector(".tabs a, .periods a, .views a")?.click();
          await new Promise((done) => setTimeout(done, 700));
          return found;
        });
        assert.deepEqual(violations, [], path);
      }
    });

    test("a page of another site can neither frame the page nor post to it", async () => {
      const target = `${reports.origin}/sites/${SITE}/share`;
      const elsewhere = await serveElsewhere(`<!doctype html><title>elsewhere</title><iframe src="${reports.origin}/sites/${SITE}"></iframe>
        <form method="post" action="${target}"><input name="action" value="add"><input name="name" value="evil"><input name="days" value="7"><button>go</button></form>`);
      try {
        await driver.open(elsewhere.url);
        await driver.run(() => new Promise((done) => setTimeout(done, 500)));
        await driver.useFrame(0);
        assert.equal(await has(driver, "[data-figure]").catch(() => false), false, "the page is framed");
        await driver.useFrame();
        await driver.run((url) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": "application/x-www-form-urlencoded" }, body: "action=add&name=evil&days=7" }).catch(() => {}), target);
        await driver.click("button");
        await until(async () => (await driver.url()).startsWith(reports.origin), "the form was sent");
        const { links } = JSON.parse(await reports.share("list", "--format", "json"));
        assert.ok(!links.some((link) => link.name === "evil"), "a page of another site made a link");
      } finally {
        elsewhere.close();
      }
    });

    test("a share link shows its site without the rest of the page", async () => {
      await driver.open(reports.origin + shared);
      assert.ok(await has(driver, "[data-figure=visitors]"));
      const links = await driver.run(() => [...document.querySelectorAll("a[href]")].map((link) => link.getAttribute("href")));
      const inside = links.filter((href) => !href.startsWith("#") && !href.startsWith("?"));
      assert.ok(inside.length > 5 && inside.every((href) => href.startsWith(shared.slice(0, -1))), `${inside}`);
      assert.ok(!links.some((href) => /diagnostics|realtime|\/share$/.test(href.slice(shared.length))), `${links}`);
    });

    test("whoever has a token signs in, comes to the page that was asked for, and signs out", async () => {
      const guarded = await startWithoutStore(["serve"], `[access]\nloopback_tokens = true\n[[site]]\nid = "${SITE}"\nhosts = ["127.0.0.1"]\n`, []);
      try {
        const token = guarded.run("token", "add", "anna", "--role", "analyst").trim();
        const known = () => fetch(`${guarded.reports}/api/reports`, { headers: { authorization: `Bearer ${token}` } });
        await until(async () => (await known()).ok, "the token is known");
        await driver.open(`${guarded.reports}/sites/${SITE}?from=7d&lang=en`);
        await driver.click("input[name=token]");
        await driver.type(`wrong${KEYS.enter}`);
        await until(() => has(driver, "[role=alert]"), "a wrong token is told");
        await driver.click("input[name=token]");
        await driver.type(`${token}${KEYS.enter}`);
        const session = async () => (await driver.cookies()).find((cookie) => cookie.name === "footfall_session");
        const cookie = await until(session, "a cookie is set");
        assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/"]);
        await until(async () => (await driver.url()) === `${guarded.reports}/sites/${SITE}?from=7d&lang=en`, "the page that was asked for");
        assert.equal(await driver.run(() => document.cookie), "");
        await driver.open(`${guarded.reports}/?lang=en`);
        await driver.click('form[action="/sign-out"] button');
        await until(() => has(driver, "input[name=token]"), "the form of sign-in");
        assert.equal((await driver.cookies()).length, 0);
      } finally {
        await guarded.close();
      }
    });

    test("without JavaScript the tables are the same", async () => {
      const still = await (name === "Chromium" ? launchChromium({ args: ["--blink-settings=scriptEnabled=false"] }) : launchFirefox({ prefs: { "javascript.enabled": false } }));
      try {
        for (const path of [`/sites/${SITE}?${PERIOD}`, `/sites/${SITE}/reports/pages?${PERIOD}&sort=-views`, `${shared}sites/${SITE}?${PERIOD}`]) {
          await Promise.all([driver, still].map((browser) => browser.open(reports.origin + withLanguage(path, "en"))));
          const [withScript, without] = await Promise.all([driver.source(), still.source()]);
          assert.ok(tables(without).length > 20, path);
          assert.deepEqual(tables(without), tables(withScript), path);
        }
      } finally {
        await still.close();
      }
    });

    test("axe finds nothing in either language and theme on any view", async () => {
      // Firefox takes its theme at start, and sees the same pages.
      const themes = name === "Chromium" ? ["light", "dark"] : [undefined];
      const found = [];
      for (const theme of themes) {
        if (theme) await driver.setTheme(theme);
        for (const lang of name === "Chromium" ? ["en", "ru"] : ["en"])
          for (const path of [...VIEWS, `${shared}sites/${SITE}`, "/share/none/"]) {
            await driver.open(reports.origin + withLanguage(path, lang));
            const { error, violations } = await driver.runBody(`${axe}
              const done = arguments[arguments.length - 1];
              window.axe.run(document, { resultTypes: ["violations"] }).then(
                ({ violations }) => done({ violations: violations.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(" | ")) }),
                (error) => done({ error: String(error) }));`);
            assert.equal(error, undefined, path);
            found.push(...violations.map((violation) => `${path} ${lang} ${theme ?? ""}: ${violation}`));
          }
      }
      if (themes[0]) await driver.setTheme("light");
      assert.deepEqual(found, []);
    });
  });
