// Visitors who refuse, consent, prerendering, and a script that is started twice.

import assert from "node:assert/strict";
import { html, sleep, test, withPage } from "../support.mjs";
import { block } from "./ads.mjs";

export function consent(browser) {
  const sendsNothing = (title, pages, options, work = async () => {}) =>
    test(title, () =>
      withPage(
        browser.driver,
        pages,
        async (all) => {
          await all.page.run(() => window.footfall("mine"));
          await work(all);
          await sleep(1_200);
          await all.page.open("about:blank");
          await sleep(300);
          assert.equal(all.site.requests.length, 0);
        },
        options,
      ),
    );

  const page = html(`${block("a", 300, 250)}<a href="http://other.example">x</a>`);
  sendsNothing("Global Privacy Control: nothing is sent", page, {
    init: () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { value: true }),
  });
  sendsNothing("Do Not Track: nothing is sent", page, {
    init: () => Object.defineProperty(Navigator.prototype, "doNotTrack", { value: "1" }),
  });
  sendsNothing("the opt-out cookie: nothing is sent", page, { init: () => (document.cookie = "footfall_optout=1") });
  sendsNothing("consent mode: nothing is sent before consent", html("x", { tag: "data-consent" }), {}, async ({ page }) => {
    await page.run(() => history.pushState({}, "", "/soft"));
  });

  test("consent starts counting, once, with the calls before it", async () => {
    const before = `<script>window.footfall=window.footfall||function(){(footfall.q=footfall.q||[]).push(arguments)};footfall("stub")</script>`;
    await withPage(browser.driver, html("x", { tag: "data-consent", before }), async ({ page, site }) => {
      await page.run(() => window.footfall("early", { n: 1 }));
      await sleep(600);
      assert.equal(site.requests.length, 0);
      await page.run(() => window.footfall.consent() || window.footfall.consent());
      await site.waitFor("event", 2);
      await sleep(500);
      assert.deepEqual(site.events().map(({ k, n }) => n ?? k), ["view", "stub", "early"]);
    });
  });

  test("a prerendered page counts when it is shown, with the calls before, and with consent only after it", async () => {
    const prerendering = () => Object.defineProperty(Document.prototype, "prerendering", { get: () => !window.seen, configurable: true });
    const show = () => {
      window.seen = true;
      document.dispatchEvent(new Event("prerenderingchange"));
    };
    await withPage(
      browser.driver,
      html("x"),
      async ({ page, site }) => {
        await page.run(() => window.footfall("while prerendered"));
        await sleep(600);
        assert.equal(site.requests.length, 0);
        await page.run(show);
        await site.waitFor("event");
        assert.deepEqual(site.events().map(({ k }) => k), ["view", "event"]);
      },
      { init: prerendering },
    );
    const orders = [
      [() => window.footfall.consent(), show],
      [show, () => window.footfall.consent()],
    ];
    for (const [first, second] of orders) {
      await withPage(
        browser.driver,
        html("x", { tag: "data-consent" }),
        async ({ page, site }) => {
          await page.run(() => window.footfall("mine"));
          await page.run(first);
          await sleep(600);
          assert.equal(site.requests.length, 0);
          await page.run(second);
          await site.waitFor("event");
          assert.deepEqual(site.events().map(({ k }) => k), ["view", "event"]);
        },
        { init: prerendering },
      );
    }
  });

  test("withdrawn consent: what waits is not sent, only how many events waited", async () => {
    const withdrawals = (site) => site.beacons.filter(({ x }) => x);
    await withPage(browser.driver, html(page, { tag: "data-consent" }), async ({ page, site, origin }) => {
      await page.run(() => window.footfall.consent());
      await site.waitFor("view");
      await page.run(() => {
        window.footfall("before");
        window.footfall("before too");
        window.footfall.consent(false);
        window.footfall("after");
        window.footfall.consent(false);
        history.pushState({}, "", "/soft");
      });
      await sleep(1_200);
      await page.open(`${origin}/none`);
      await sleep(300);
      assert.deepEqual(withdrawals(site), [{ s: "clinic", x: 2 }]);
      assert.deepEqual([...new Set(site.events().map(({ k }) => k))].filter((kind) => !["view", "ad"].includes(kind)), []);
    });
    await withPage(browser.driver, html("x", { tag: "data-consent" }), async ({ page, site }) => {
      await page.run(() => window.footfall.consent(false));
      await sleep(800);
      assert.equal(site.requests.length, 0, "nothing waited, so nothing is sent");
      await page.run(() => window.footfall.consent());
      await site.waitFor("view");
    });
  });

  test("the links of the visitor's page keep the refusal and take it back, and lead back to that page", async () => {
    const link = `<a href="/#footfall-optIn" referrerpolicy="origin">back</a>`;
    const pages = { "/": html("x"), "/privacy": `<!doctype html><meta charset="utf-8"><title>privacy</title>${link}` };
    await withPage(
      browser.driver,
      pages,
      async ({ page, site, origin }) => {
        const shown = async () => {
          for (let tries = 0; tries < 100 && !(await page.run(() => location.pathname === "/privacy")); tries++) await sleep(50);
          return page.run(() => [location.href, document.cookie]);
        };
        assert.deepEqual(await shown(), [`${origin}/privacy?site=clinic`, "footfall_optout=1"]);
        // A link of any other page takes no refusal back.
        await page.open(`${origin}/none`);
        await page.open(`${origin}/#footfall-optIn`);
        await sleep(700);
        assert.deepEqual(await page.run(() => [location.pathname, document.cookie]), ["/", "footfall_optout=1"]);
        await page.open(`${origin}/privacy`);
        await page.run(() => document.querySelector("a").click());
        await sleep(700);
        assert.deepEqual(await shown(), [`${origin}/privacy?site=clinic`, ""]);
        for (const other of ["consent", "optOutNow", "q"]) {
          await page.open(`${origin}/none`);
          await page.open(`${origin}/#footfall-${other}`);
          await site.waitFor("view");
          assert.equal(await page.run(() => location.hash), `#footfall-${other}`);
        }
      },
      { path: "/#footfall-optOut" },
    );
  });

  test("an opt-out stops counting at once, on later pages and on all hosts of the site, until the opt-in", async () => {
    const pages = { "/": html("x"), "/two": html("y") };
    const work = async ({ page, site, origin }) => {
      await site.waitFor("view");
      await page.run(() => window.footfall("last"));
      await page.run(() => window.footfall.optOut());
      await page.run(() => history.pushState({}, "", "/soft"));
      await page.open(`${origin}/two`);
      const [cookie, ...others] = await page.cookies();
      assert.deepEqual([others, cookie.name, cookie.value, cookie.path, cookie.secure], [[], "footfall_optout", "1", "/", false]);
      assert.equal(cookie.sameSite ?? "Lax", "Lax");
      const elsewhere = `http://my.clinic.localhost:${site.port}`;
      await page.open(elsewhere);
      await sleep(900);
      assert.deepEqual(site.events().map(({ k }) => k), ["view"]);
      await page.run(() => window.footfall.optIn());
      assert.equal(await page.run(() => document.cookie), "");
      await page.open(origin);
      assert.equal(await page.run(() => document.cookie), "", "the opt-in holds on all hosts");
      await site.waitFor("view", 2);
    };
    await withPage(browser.driver, pages, work, { host: "www.clinic.localhost" });
  });

  test("on a host without a domain the opt-out is the host's, and the opt-in also removes a cookie of the host alone", async () => {
    for (const host of ["127.0.0.1", "localhost"]) {
      const work = async ({ page, site }) => {
        await site.waitFor("view");
        await page.run(() => window.footfall.optOut());
        assert.equal(await page.run(() => document.cookie), "footfall_optout=1");
        await page.run(() => window.footfall.optIn());
        assert.equal(await page.run(() => document.cookie), "");
      };
      await withPage(browser.driver, html("x"), work, { host });
    }
    const both = async ({ page }) => {
      await page.run(() => {
        window.footfall.optOut();
        document.cookie = "footfall_optout=1;path=/";
        window.footfall.optIn();
      });
      assert.equal(await page.run(() => document.cookie), "");
    };
    await withPage(browser.driver, html("x"), both, { host: "www.clinic.localhost" });
  });

  test("the script stores nothing in the browser", async () => {
    await withPage(browser.driver, html("x"), async ({ page, site }) => {
      await site.waitFor("view");
      assert.equal(await page.run(() => localStorage.length + sessionStorage.length), 0);
      assert.deepEqual(await page.cookies(), []);
    });
  });

  test("a second start for the same site does nothing, and one for another site counts", async () => {
    const again = (site) => {
      const script = document.createElement("script");
      Object.assign(script, { src: "/s.js" }).dataset.site = site;
      document.body.append(script);
      return new Promise((done) => (script.onload = done));
    };
    const pages = { "/": html('x<script defer src="/s.js" data-site="clinic"></script>'), "/two": html("y") };
    await withPage(browser.driver, pages, async ({ page, site }) => {
      await site.waitFor("view");
      const before = await page.run(() => (window.kept = window.footfall) && 1);
      assert.equal(before, 1);
      // A framework such as Turbo replaces the body and runs its scripts, and each rendering signs the site's name anew.
      for (const name of ["clinic", "clinic~1795400000~urSM514jCb-KczEbR6Yqkg"]) await page.run(again, name);
      assert.ok(await page.run(() => window.kept === window.footfall));
      await page.run(() => window.footfall("once"));
      await page.run(() => history.pushState({}, "", "/soft"));
      await page.open(`${site.origin}/two`);
      await site.waitFor("view", 3);
      await sleep(500);
      for (const [kind, count] of Object.entries({ view: 3, event: 1, leave: 2, vitals: 1 })) assert.equal(site.received(kind).length, count, kind);
      await page.run(again, "other");
      await site.waitFor("view", 4);
      assert.deepEqual(site.beacons.map(({ s }) => s).filter((name) => name !== "clinic"), ["other"]);
    });
  });

  test("with data-top a page in a frame does not count", async () => {
    const pages = {
      "/": html('<iframe src="/in"></iframe><iframe src="/top"></iframe>'),
      "/in": html("inside"),
      "/top": html("inside", { tag: "data-top" }),
    };
    await withPage(browser.driver, pages, async ({ site }) => {
      await site.waitFor("view", 2);
      await sleep(600);
      assert.deepEqual(site.received("view").map(({ u }) => new URL(u).pathname).sort(), ["/", "/in"]);
    });
  });
}
