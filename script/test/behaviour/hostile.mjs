// Pages that break what the script relies on.

import assert from "node:assert/strict";
import { html, serve, sleep, test, withPage } from "../support.mjs";
import { block } from "./ads.mjs";

const TRAPS = [
  [
    "traps on navigator",
    () => {
      for (const key of ["language", "userAgentData", "cookieEnabled", "webdriver", "maxTouchPoints", "globalPrivacyControl", "doNotTrack"])
        Object.defineProperty(Navigator.prototype, key, {
          get() {
            throw new Error("trap " + key);
          },
        });
    },
  ],
  [
    "traps on the document",
    () => {
      for (const key of ["cookie", "referrer", "hidden"])
        Object.defineProperty(Document.prototype, key, {
          get() {
            throw new Error("trap " + key);
          },
        });
    },
  ],
  [
    "no fetch, no beacon",
    () => {
      delete window.fetch;
      delete Navigator.prototype.sendBeacon;
    },
  ],
  [
    "a fetch that throws",
    () => {
      window.fetch = () => {
        throw new Error("no fetch");
      };
    },
  ],
  [
    "no observers",
    () => {
      delete window.PerformanceObserver;
      delete window.MutationObserver;
      delete window.IntersectionObserver;
    },
  ],
  [
    "broken events",
    () => {
      Event.prototype.composedPath = undefined;
      Element.prototype.closest = undefined;
      Element.prototype.matches = undefined;
      document.elementFromPoint = undefined;
    },
  ],
];

/** What Prototype.js 1.6 adds, as far as it changes JSON. */
const prototypeJs = () => {
  const quote = (value) => (typeof value === "number" ? String(value) : `"${value}"`);
  Array.prototype.toJSON = function () {
    return `[${this.map(quote).join(", ")}]`;
  };
  String.prototype.toJSON = function () {
    return `"${this}"`;
  };
  Number.prototype.toJSON = function () {
    return String(this);
  };
  Date.prototype.toJSON = () => '"date"';
};

export function hostile(browser) {

  for (const [name, init] of TRAPS)
    test(`${name}: no error reaches the page`, async () => {
      const work = async ({ page, errors }) => {
        await page.click("a");
        await page.click("[data-footfall-ad]");
        await page.run(() => window.footfall?.("x", { y: 1 }));
        await page.run(() => history.pushState({}, "", "/soft"));
        await page.run(() => void window.dispatchEvent(new Event("pagehide")));
        await sleep(1_300);
        assert.deepEqual(await errors(), []);
      };
      await withPage(browser.driver, html(`${block("a", 300, 250)}<a href="#x">x</a>`), work, { init });
    });

  test("on a page with Prototype.js 1.6 everything arrives as on other pages", async () => {
    const before = '<script>document.cookie="ab=B"</script>';
    const page = html(block("a", 300, 250), { tag: 'data-cookies="ab"', before });
    const pages = { "/": page, "/two": "<!doctype html><meta charset=utf-8>" };
    const work = async ({ page, site }) => {
      await page.run(() => window.footfall("mine", { a: "x", n: 1 }));
      await site.waitFor("ad", 2);
      await page.open(`${site.origin}/two`);
      const [vitals] = await site.waitFor("vitals");
      assert.deepEqual(site.received("event")[0].p, { a: "x", n: 1 });
      for (const beacon of site.beacons) {
        assert.ok(Array.isArray(beacon.e) && beacon.e.length > 0);
        assert.deepEqual(beacon.ck, ["ab=B"]);
        if (beacon.ch) assert.ok(beacon.ch.brands[0].brand, JSON.stringify(beacon.ch));
      }
      assert.ok(vitals.paint > 0);
      if ("layout-shift" in vitals) assert.ok(Array.isArray(vitals["layout-shift"]));
    };
    await withPage(browser.driver, pages, work, { init: prototypeJs });
  });

  test("an Object.prototype.toJSON of the page changes nothing", async () => {
    // It breaks drivers too, so the page removes it before the test goes on.
    const before = `<script>addEventListener("load", () => {
      Object.prototype.toJSON = () => "broken";
      footfall("mine", { a: "x" });
      setTimeout(() => delete Object.prototype.toJSON, 900);
    })</script>`;
    await withPage(browser.driver, html("x", { before }), async ({ site }) => {
      const [event] = await site.waitFor("event");
      assert.deepEqual([event.n, event.p], ["mine", { a: "x" }]);
    });
  });

  test("a policy that forbids connections does not break the page", async () => {
    const page = { headers: { "content-security-policy": "connect-src 'none'" }, text: html("x") };
    await withPage(browser.driver, { "/": page }, async ({ page, site, errors }) => {
      await page.run(() => window.footfall("x"));
      await sleep(1_200);
      assert.equal(site.requests.length, 0);
      assert.deepEqual(await errors(), []);
    });
  });

  test("the script adds only `footfall` to the page's global names", async () => {
    const site = await serve({ "/": html("x"), "/bare": "<!doctype html>" });
    await browser.driver.openWindow();
    try {
      const names = async (path) => {
        await browser.driver.open(site.origin + path);
        return browser.driver.run(() => Object.getOwnPropertyNames(window));
      };
      const bare = new Set(await names("/bare"));
      assert.deepEqual((await names("/")).filter((name) => !bare.has(name)), ["footfall"]);
    } finally {
      await browser.driver.closeWindow();
      site.close();
    }
  });
}
