// Advertising blocks.

import assert from "node:assert/strict";
import { html, setHidden, sleep, test, withPage } from "../support.mjs";

export const block = (name, width, height, more = "") =>
  `<div data-footfall-ad="${name}" data-footfall-slot="s-${name}" style="width:${width}px;height:${height}px;background:#ccc;${more}">x</div>`;
const adEvents = (site, campaign, action) => site.received("ad").filter((event) => event.ad === campaign && event.n === action);

export function ads(browser) {
  const onPage = (body, work, options) => withPage(browser.driver, html(body), work, options);

  test("a block is viewable with half of its pixels in view for a second, a large block with 30 %", async () => {
    // `part` of each block is above the lower edge of the window.
    const at = (name, width, height, part, left) =>
      block(name, width, height, `position:absolute;left:${left}px;top:calc(100vh - ${height * part}px)`);
    const body =
      at("half", 100, 200, 0.51, 0) +
      at("less", 100, 200, 0.49, 110) +
      at("large", 500, 500, 0.31, 220) +
      at("small", 200, 1_200, 0.31, 730) +
      block("below", 100, 100, "position:absolute;top:3000px");
    await onPage(body, async ({ page, site }) => {
      await site.waitFor("ad", 7);
      await sleep(1_200);
      for (const name of ["half", "less", "large", "small", "below"]) assert.equal(adEvents(site, name, "impression").length, 1, name);
      const viewable = site.received("ad").filter(({ n }) => n === "viewable");
      assert.deepEqual(viewable.map(({ ad }) => ad).sort(), ["half", "large"]);
      assert.equal(adEvents(site, "half", "viewable")[0].slot, "s-half");
      await page.run(async () => {
        scrollTo(0, 3000);
        await new Promise((done) => setTimeout(done, 600));
        scrollTo(0, 0);
      });
      await sleep(1_800);
      assert.equal(adEvents(site, "below", "viewable").length, 0, "0.6 s are too short");
      assert.equal(adEvents(site, "half", "viewable").length, 1, "a block is viewable once");
      await page.run(() => scrollTo(0, 3000));
      await site.waitFor("ad", 8);
      assert.equal(adEvents(site, "below", "viewable").length, 1);
    });
  });

  test("time in a hidden page does not make a block viewable", async () => {
    const work = async ({ page, site }) => {
      await site.waitFor("ad");
      await sleep(1_500);
      assert.equal(adEvents(site, "a", "viewable").length, 0);
      await setHidden(page, false);
      await site.waitFor("ad", 2);
    };
    const init = () => Object.defineProperty(document, "hidden", { value: true, configurable: true });
    await onPage(block("a", 300, 250), work, { init });
  });

  test("blocks that are added or filled later count, and other changes of the page do not interrupt them", async () => {
    await onPage("<main></main>", async ({ page, site }) => {
      await site.waitFor("view");
      await page.run(() => {
        document.querySelector("main").innerHTML = '<div data-footfall-ad="late" data-footfall-slot="x"></div>';
        setTimeout(() => {
          document.querySelector("[data-footfall-ad]").innerHTML = '<p style="height:200px">offer</p>';
          setInterval(() => document.body.append("."), 100);
        }, 500);
      });
      await site.waitFor("ad", 2);
      assert.deepEqual(site.received("ad").map(({ n, slot }) => [n, slot]), [["impression", "x"], ["viewable", "x"]]);
    });
  });

  test("blocks in open shadow roots count, also in roots that come later", async () => {
    const nested = `<div id=h><template shadowrootmode=open><div id=h><template shadowrootmode=open>${block("deep", 300, 100)}</template></div></template></div>`;
    await onPage(`${nested}<div id=late></div>`, async ({ page, site }) => {
      await site.waitFor("ad", 2);
      await page.click(["#h", "#h", "[data-footfall-ad]"]);
      await page.run((html) => {
        const root = document.querySelector("#late").attachShadow({ mode: "open" });
        setTimeout(() => (root.innerHTML = html), 300);
      }, block("late", 300, 100));
      await site.waitFor("ad", 5);
      for (const action of ["impression", "viewable", "click"]) assert.equal(adEvents(site, "deep", action).length, 1, action);
      for (const action of ["impression", "viewable"]) assert.equal(adEvents(site, "late", action).length, 1, action);
    });
  });

  test("clicks on a block count, also inside a frame", async () => {
    const frame = `<iframe srcdoc="<p style='height:100px'>inside" style="width:200px;height:150px"></iframe>`;
    await onPage(`${block("plain", 100, 50)}<div data-footfall-ad="framed">${frame}</div>`, async ({ page, site }) => {
      await site.waitFor("ad", 2);
      await page.click('[data-footfall-ad="plain"]');
      await page.click("iframe");
      await sleep(1_000);
      assert.equal(adEvents(site, "plain", "click").length, 1);
      assert.equal(adEvents(site, "framed", "click").length, 1);
    });
  });

  test("without IntersectionObserver impressions and clicks still count", async () => {
    const work = async ({ page, site, errors }) => {
      await page.click("[data-footfall-ad]");
      await site.waitFor("ad", 2);
      await sleep(1_500);
      assert.deepEqual(site.received("ad").map(({ n }) => n), ["impression", "click"]);
      assert.deepEqual(await errors(), []);
    };
    await onPage(block("a", 300, 250), work, { init: () => delete window.IntersectionObserver });
  });
}
