// Script errors, elements that failed to load, and vitals.

import assert from "node:assert/strict";
import { html, sleep, test, withPage } from "../support.mjs";

/**
 * What each browser measures, by the type of its performance entry. docs/script.md says it too. If a new version of a browser measures
 * more, the test below fails, and both can say so.
 */
const MEASURED = {
  Chromium: ["event", "first-input", "largest-contentful-paint", "layout-shift", "paint"],
  Firefox: ["event", "first-input", "largest-contentful-paint", "paint"],
  WebKitGTK: ["paint"],
};

export function failures(browser) {
  const onPage = (body, work, options) => withPage(browser.driver, html(body), work, options);

  test("script errors and rejections carry message and position, count once each, and at most 20 times", async () => {
    // Browsers hide the errors of a driver's own code.
    const init = () => {
      const fail = () => {
        throw new TypeError("boom 😀");
      };
      window.fail = () => {
        for (let i = 0; i < 5; i++) setTimeout(fail);
        Promise.reject(new RangeError("rejected"));
        Promise.reject("bare");
      };
      window.failOften = () => {
        for (let i = 0; i < 80; i++) setTimeout(() => Promise.reject(new Error(`e${i}`)));
      };
    };
    await onPage("x", async ({ page, site }) => {
      await site.waitFor("view");
      await page.run(() => window.fail());
      await sleep(1_000);
      const errors = site.received("error");
      const [boom] = errors.filter(({ m }) => m.includes("boom"));
      assert.match(boom.m, /TypeError: boom 😀$/);
      assert.ok(boom.ln > 0 && boom.col > 0 && boom.st.length > 10, JSON.stringify(boom));
      assert.equal(errors.length, 3);
      assert.ok(errors.some(({ m }) => m === "RangeError: rejected") && errors.some(({ m }) => m === "bare"));
      await page.run(() => window.failOften());
      await sleep(2_500);
      assert.equal(site.received("error").length, 20);
    }, { init });
  });

  test("odd errors and texts never make a beacon that a collector would refuse", async () => {
    const init = () => {
      window.beOdd = () => {
        const half = "boom 😀".slice(0, 6);
        window.footfall("search", { q: half });
        window.footfall(half);
        window.footfall("name", { [half]: "\\ud83d" });
        const reject = (cause) => Promise.reject(cause);
        reject({ stack: 42 });
        reject({ stack: { toString: null }, message: "x" });
        reject({ stack: ["a"] });
        reject(new Error(""));
        reject("");
        reject(null);
        reject(undefined);
        reject(0);
        reject(Object.create(null));
        reject(Symbol("s"));
        dispatchEvent(new ErrorEvent("error", { message: "", error: null }));
        dispatchEvent(new ErrorEvent("error", { message: half, filename: half }));
        dispatchEvent(Object.assign(new Event("error"), { message: 42, filename: 7 }));
        dispatchEvent(new Event("error"));
        setTimeout(() => window.footfall("last"), 300);
      };
    };
    await onPage("x", async ({ page, site }) => {
      await site.waitFor("view");
      await page.run(() => window.beOdd());
      const events = await site.waitFor("event", 4);
      assert.deepEqual([events[0].p.q, events[1].n, events[2].p], ["boom \ud83d", "boom \ud83d", { "boom \ud83d": "\\ud83d" }]);
      const errors = site.received("error");
      assert.ok(errors.length >= 6, JSON.stringify(errors));
      for (const { m, f, st } of errors) {
        assert.deepEqual([typeof m, typeof f, typeof st], ["string", "string", "string"]);
        assert.notEqual(m, "");
      }
      for (const type of ["error", "unhandledrejection"]) assert.ok(errors.some(({ m }) => m === type), type);
    }, { init });
  });

  test("elements that fail to load are reported, before and after the script loads, by the source that failed", async () => {
    const body = `<img src="/early.png?who=1"><img srcset="/chosen.png 1x" src="/fallback.png">
      <picture><source srcset="/picture.webp"><img src="/plain.png"></picture>`;
    await onPage(body, async ({ page, site }) => {
      await site.waitFor("resource", 3);
      await page.run(() => {
        const add = (tag, set) => document.body.append(Object.assign(document.createElement(tag), set));
        add("script", { src: "/gone.js" });
        add("link", { rel: "stylesheet", href: "/gone.css" });
        add("img", { srcset: "/late.png 1x, /late2.png 2x", src: "/late-fallback.png" });
        add("img", { src: "data:image/png;base64,xx" });
      });
      await site.waitFor("resource", 6);
      await sleep(400);
      const names = site.received("resource").map(({ n, tag }) => `${new URL(n).pathname}${new URL(n).search} ${tag}`);
      const expected = ["/chosen.png", "/early.png", "/gone.css", "/gone.js", "/late.png", "/picture.webp"];
      const tags = { css: "link", js: "script" };
      assert.deepEqual(names.sort(), expected.map((name) => `${name} ${tags[name.split(".")[1]] ?? "img"}`));
    });
  });

  test("an image that has loaded is no failure, whatever its size", async () => {
    const svg = (size) => `<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' ${size}/>">`;
    const pages = {
      "/": html(`${svg("")}${svg("width='9' height='9'")}<img src="/a.svg"><img>`),
      "/a.svg": { headers: { "content-type": "image/svg+xml" }, text: "<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>" },
    };
    await withPage(browser.driver, pages, async ({ site }) => {
      await site.waitFor("view");
      await sleep(600);
      assert.deepEqual(site.received("resource"), []);
    });
  });

  test("vitals are numbers alone, and are sent once, with the first leave", async () => {
    const body = `<h1>Largest text of this page</h1><button onclick="for(const t=Date.now();Date.now()-t<60;);">b</button>
      <script>setTimeout(()=>document.body.prepend(Object.assign(document.createElement("div"),{style:"height:200px"})),1500)</script>`;
    await withPage(browser.driver, { "/": html(body), "/two": html("two") }, async ({ page, site }) => {
      await page.click("button");
      await sleep(2_300);
      await page.open(`${site.origin}/two`);
      const [vitals] = await site.waitFor("vitals");
      assert.equal(vitals.u, `${site.origin}/`);
      const { k, u, r, at, seq, load, ...measured } = vitals;
      for (const value of Object.values(measured).flat()) assert.equal(typeof value, "number", JSON.stringify(vitals));
      assert.deepEqual(Object.keys(measured).filter((name) => /-|^[a-z]+$/.test(name)).sort(), MEASURED[browser.name]);
      assert.ok(Object.values(measured).flat().length < 30, Object.keys(measured).join(" "));
      assert.ok(measured.paint > 0, JSON.stringify(vitals));
      // WebKitGTK rounds to whole milliseconds, and loopback may answer within one.
      assert.ok(measured.responseStart >= 0 && measured.loadEventEnd > measured.responseStart, JSON.stringify(vitals));
      assert.ok("domainLookupStart" in measured && "connectEnd" in measured && "secureConnectionStart" in measured);
      if (measured["largest-contentful-paint"]) assert.ok(measured["largest-contentful-paint"] >= measured.paint);
      if (measured.event) assert.ok(measured.event >= 48 && measured.event < 1_000, `inp ${measured.event}`);
      if (measured["layout-shift"]) {
        const [time, score] = measured["layout-shift"];
        assert.ok(time > 1_000 && score > 0 && score < 1, `shift of ${score} at ${time}`);
      }
      await page.back();
      await site.waitFor("view", 3);
      await page.open(`${site.origin}/two`);
      await site.waitFor("leave", 3);
      assert.equal(site.received("vitals").filter((again) => again.load === vitals.load).length, 1);
    });
  });
}
