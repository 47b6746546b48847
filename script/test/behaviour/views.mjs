// Views of pages, their addresses, their engaged time and scroll depth.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { html, serve, setHidden, sleep, test, withPage } from "../support.mjs";

const paths = (events) => events.map(({ u }) => new URL(u).pathname);

export function views(browser) {
  test("a view carries the fields of the browser and of the page", async () => {
    const pages = { "/p": html("<p>text", { tag: 'data-cookies="ab|consent"' }) };
    await withPage(
      browser.driver,
      pages,
      async ({ page, site }) => {
        await page.run(() => ["xab=x", "secret=x", "ab=B=1", "a=x"].map((cookie) => (document.cookie = cookie)));
        await page.open(`${site.origin}/p?utm_source=mail#part`);
        await site.waitFor("view", 2);
        const beacon = site.beacons.find(({ e: [{ u }] }) => u.includes("utm"));
        const [event] = beacon.e;
        assert.deepEqual([event.k, event.u], ["view", `${site.origin}/p?utm_source=mail`]);
        const age = beacon.at - event.at;
        assert.ok(age >= 200 && age < 3_000, `age ${age}`);
        assert.deepEqual(beacon.ck.map((cookie) => cookie.trim()), ["ab=B=1"]);
        assert.ok(beacon.l > 0 && beacon.l < 1);
        assert.deepEqual([beacon.v, beacon.s, beacon.o], [undefined, "clinic", 0]);
        const fields = () => [screen.width, screen.height, navigator.language, Intl.DateTimeFormat().resolvedOptions().timeZone];
        assert.deepEqual([beacon.w, beacon.h, beacon.g, beacon.z], await page.run(fields));
        const traits = () => [navigator.cookieEnabled, navigator.maxTouchPoints, navigator.webdriver];
        assert.deepEqual([beacon.c, beacon.t, beacon.b], await page.run(traits));
        if (await page.run(() => "userAgentData" in navigator)) {
          assert.ok(beacon.ch.brands.length > 0);
          assert.deepEqual([typeof beacon.ch.platformVersion, beacon.ch.fullVersionList], ["string", undefined]);
        }
        assert.equal(site.requests[0].headers["content-type"], "text/plain;charset=UTF-8");
      },
      { path: "/p" },
    );
  });

  test("each beacon names the release once, if the script element has one", async () => {
    const sent = async (tag) => {
      const work = async ({ page, site }) => {
        await site.waitFor("view");
        await page.run(() => window.footfall("later"));
        await site.waitFor("event");
        assert.ok(site.beacons.flatMap(({ e }) => e).every((event) => !("rel" in event)));
        return site.beacons.map(({ rel }) => rel);
      };
      let releases;
      await withPage(browser.driver, { "/": html("x", { tag }) }, async (opened) => (releases = await work(opened)));
      return [...new Set(releases)];
    };
    assert.deepEqual(await sent('data-release="2026.11.27-1"'), ["2026.11.27-1"]);
    assert.deepEqual(await sent(""), [undefined]);
  });

  test("of the query only campaigns, names of click ids and what data-query names are sent", async () => {
    const rust = await readFile(new URL("../../../src/privacy/scrub/click_ids.rs", import.meta.url), "utf8");
    const clickIds = [...rust.match(/CLICK_IDS[^;]*;/)[0].matchAll(/"(\w+)"/g)].map(([, name]) => name);
    assert.ok(clickIds.length > 20);
    const dropped = ["token=a", "clientid=b", "id=c", "q", "utm", "xutm_source=d", "page2=e", "docid=f", "epikriz=g", "sortx"];
    const kept = ["utm_source=mail", "UTM_Medium=cpc", "utm_term=%F0", "utm_x", "page=7", "sort_by=a%20b"];
    const query = [...dropped, ...clickIds.map((name) => `${name}=secret`), ...kept].join("&");
    const sent = async (tag, path) => {
      let url;
      await withPage(browser.driver, { "/p": html("x", { tag }) }, async ({ site }) => ([{ u: url }] = await site.waitFor("view")), { path });
      return url.split("?")[1];
    };
    assert.equal(await sent('data-query="page|sort_.*"', `/p?${query}`), [...clickIds.map((name) => `${name}=1`), ...kept].join("&"));
    const campaign = "utm_source=a&amp;utm_medium=b#utm_campaign=c&token=d";
    assert.equal(await sent("", `/p?page=1&${campaign}`), "utm_source=a&utm_medium=b&utm_campaign=c");
    assert.equal(await sent("", "/p?token=a#part"), undefined);
  });

  test("each change of the path is one view through every history interface, and its referrer is the previous page", async () => {
    const steps = async ({ page, site }) => {
      await site.waitFor("view");
      await page.run(() => history.pushState({}, "", "/a"));
      await page.run(() => history.replaceState({}, "", "/b"));
      await page.run(() => history.replaceState({}, "", "/b?only=query"));
      await page.run(() => void (location.hash = "fragment"));
      await page.run(() => history.go(-2));
      await site.waitFor("view", 4);
      await sleep(1_200);
      const views = site.received("view");
      assert.deepEqual(paths(views), ["/", "/a", "/b", "/"]);
      assert.equal(views[2].r, `${site.origin}/a`);
      assert.deepEqual(paths(site.received("leave")), ["/", "/a", "/b"]);
      assert.equal(site.received("vitals").length, 1);
    };
    await withPage(browser.driver, html("x"), steps);
    await withPage(browser.driver, html("x"), steps, { init: () => delete window.navigation });
  });

  test("calls of the prototype's functions, and of functions that a page wrapped or saved before, are views", async () => {
    const save = () => {
      const { pushState } = history;
      window.savedPush = (path) => pushState.call(history, {}, "", path);
      if (location.search) history.pushState = (...args) => pushState.apply(history, args);
    };
    for (const path of ["/", "/?wrapped"]) {
      await withPage(
        browser.driver,
        html("x"),
        async ({ page, site }) => {
          await site.waitFor("view");
          await page.run(() => History.prototype.pushState.call(history, {}, "", "/prototype"));
          await page.run(() => History.prototype.replaceState.apply(history, [{}, "", "/replaced"]));
          await page.run(() => history.pushState({}, "", "/own"));
          await site.waitFor("view", 4);
          await page.run(() => window.savedPush("/saved"));
          assert.deepEqual(paths(await site.waitFor("view", 5)), ["/", "/prototype", "/replaced", "/own", "/saved"]);
        },
        { init: save, path },
      );
    }
  });

  test("after document.open the views of the page still count, once", async () => {
    await withPage(browser.driver, html("x"), async ({ page, site }) => {
      await site.waitFor("view");
      await page.run(() => {
        document.open();
        document.write('<!doctype html><p>new<script src="/s.js" data-site="clinic"></script>');
        document.close();
      });
      await sleep(500);
      await page.run(() => history.pushState({}, "", "/soft"));
      assert.deepEqual(paths(await site.waitFor("view", 2)), ["/", "/soft"]);
      await sleep(500);
      assert.equal(site.received("view").length, 2);
    });
  });

  test("a navigation by the Navigation API alone is a view", async (context) => {
    await withPage(browser.driver, html("x"), async ({ page, site }) => {
      if (!(await page.run(() => "navigation" in window))) return context.skip("no Navigation API");
      await page.run(() => {
        navigation.addEventListener("navigate", (event) => event.intercept());
        return navigation.navigate("/soft").finished.then(() => {});
      });
      const views = await site.waitFor("view", 2);
      await sleep(1_300);
      assert.equal(site.received("view").length, 2);
      assert.equal(views[1].u, `${site.origin}/soft`);
    });
  });

  test("with data-hash `#/` and `#!/` begin routes, other fragments do not, and the page's query stays", async () => {
    const pages = { "/op": html("x", { tag: "data-hash" }) };
    await withPage(
      browser.driver,
      pages,
      async ({ page, site, origin }) => {
        await site.waitFor("view");
        for (const [index, hash] of ["#/doctors?tab=2", "#!/prices", "#/", "#bottom"].entries()) {
          await page.run((hash) => void (location.hash = hash), hash);
          await site.waitFor("view", index + 2);
        }
        const routes = ["/op", "/doctors", "/prices", "/", "/op"];
        assert.deepEqual(site.received("view").map(({ u }) => u), routes.map((route) => `${origin}${route}?utm_source=s1`));
      },
      { path: "/op?utm_source=s1#top" },
    );
    await withPage(browser.driver, html("x"), async ({ page, site }) => {
      await site.waitFor("view");
      await page.run(() => void (location.hash = "#/doctors"));
      await sleep(1_200);
      assert.equal(site.received("view").length, 1, "without data-hash a fragment is no route");
    });
  });

  test("a page restored from the back/forward cache is another view, without engaged time of its time there", async () => {
    await withPage(browser.driver, { "/": html("one"), "/two": html("two") }, async ({ page, site }) => {
      const [first] = await site.waitFor("view");
      const leaves = () => site.received("leave").filter(({ load }) => load === first.load);
      await sleep(700);
      await page.open(`${site.origin}/two`);
      await site.waitFor("view", 2);
      const [before] = leaves();
      await sleep(3_000);
      await page.back();
      const views = await site.waitFor("view", 3);
      assert.deepEqual([views[2].load, views[2].u], [first.load, `${site.origin}/`]);
      await sleep(400);
      assert.deepEqual(leaves(), [before], "the page was left once so far");
      await page.open(`${site.origin}/two`);
      await site.waitFor("view", 4);
      const after = leaves().filter(({ seq }) => seq > before.seq);
      assert.equal(after.length, 1);
      assert.ok(after[0].ms < 2_500, `engaged ${after[0].ms}`);
      const numbers = site.events().filter(({ load }) => load === first.load).map(({ seq, k }) => `${seq} ${k}`);
      assert.equal(new Set(numbers).size, new Set(numbers.map(parseFloat)).size, "each number is one event");
    });
  });

  test("closing the tab sends the engaged time and the scroll depth", async () => {
    const site = await serve({ "/": html('<div style="height:2400px">x</div>') });
    try {
      await browser.driver.openWindow();
      await browser.driver.open(site.origin);
      await site.waitFor("view");
      await browser.driver.moveMouse(10, 10);
      const share = await browser.driver.run(() => {
        scrollTo(0, 600);
        return (600 + innerHeight) / document.documentElement.scrollHeight;
      });
      await sleep(700);
      await browser.driver.closeWindow();
      const [leave] = await site.waitFor("leave");
      assert.ok(leave.ms > 600 && leave.ms < 5_000, `engaged ${leave.ms}`);
      assert.ok(Math.abs(leave.sd - share * 100) < 1, `depth ${leave.sd}, not ${share * 100}`);
      await sleep(300);
      assert.deepEqual([site.received("leave").length, site.received("view").length], [1, 1]);
    } finally {
      site.close();
    }
  });

  test("hiding the page sends the queue at once, and hidden time is not engaged time", async () => {
    await withPage(browser.driver, html("x"), async ({ page, site }) => {
      const [view] = await site.waitFor("view");
      await page.moveMouse(5, 5);
      // An event alone would wait for a quarter of a second or more.
      const hidden = await setHidden(page, true, "before");
      await site.waitFor("event");
      const [leave] = await site.waitFor("leave");
      await sleep(1_500);
      const shown = await setHidden(page, false);
      await page.moveMouse(9, 9);
      await sleep(300);
      const end = await setHidden(page, true);
      const last = (await site.waitFor("leave", 2)).at(-1);
      assert.equal(site.requests.find(({ body }) => body.includes('"before"')).body, site.requests.find(({ body }) => body.includes('"ms"')).body);
      assert.ok(leave.ms > 0 && leave.ms <= hidden - view.at + 50, `engaged ${leave.ms} of ${hidden - view.at}`);
      assert.ok(last.ms > 0 && last.ms <= end - shown + 50, `engaged ${last.ms} of ${end - shown} after the page was hidden`);
    });
  });

  test("content that a page swaps before it changes its path does not change the depth of the page before", async () => {
    // The first page is seen whole; of the second one a tenth would be.
    for (const isTouched of [true, false]) {
      await withPage(browser.driver, html("<p>short"), async ({ page, site }) => {
        await site.waitFor("view");
        if (isTouched) await page.moveMouse(20, 20);
        else await sleep(1_200);
        await page.run(() => {
          document.body.innerHTML = '<div style="height:9000px">long</div>';
          history.pushState({}, "", "/long");
        });
        const [leave] = await site.waitFor("leave");
        assert.equal(Math.round(leave.sd), 100);
        await page.run(() => {
          document.body.innerHTML = "<p>short";
          history.pushState({}, "", "/short");
        });
        await site.waitFor("leave", 2);
      });
    }
  });

  test("the depth is that of the element in which the page scrolls", async () => {
    const list = (height) => `<div style="height:${height}px">list</div>`;
    const scroller = (style, height) => `<div id=s style="overflow:auto;${style}">${list(height)}</div>`;
    const body = (inner) => `<style>body{margin:0;height:100vh;overflow:hidden}</style><header style="height:50px">top</header>${inner}`;
    const main = body(scroller("height:calc(100vh - 50px)", 4_000));
    const scrolled = async ({ page, site }) => {
      await site.waitFor("view");
      const share = await page.run(async () => {
        const scroller = document.querySelector("#s");
        scroller.scrollTop = 1_000;
        await new Promise((done) => setTimeout(done, 300));
        scroller.scrollTop = 0;
        return (1_000 + scroller.clientHeight) / scroller.scrollHeight;
      });
      await sleep(300);
      await page.run(() => history.pushState({}, "", "/next"));
      const [leave] = await site.waitFor("leave");
      assert.ok(Math.abs(leave.sd - share * 100) < 1, `depth ${leave.sd}, not ${share * 100}`);
    };
    await withPage(browser.driver, html(main), scrolled);
    const untouched = async (expected, { page, site }) => {
      await site.waitFor("view");
      const share = await page.run(expected);
      await page.moveMouse(5, 5);
      await page.run(() => document.querySelector("#s").scrollBy(0, 50));
      await page.run(() => document.querySelector("#s").scrollBy(0, -50));
      await sleep(300);
      await page.run(() => history.pushState({}, "", "/next"));
      const [leave] = await site.waitFor("leave");
      assert.ok(Math.abs(leave.sd - share * 100) < 3, `depth ${leave.sd}, not ${share * 100}`);
    };
    const visible = () => document.querySelector("#s").clientHeight / document.querySelector("#s").scrollHeight;
    await withPage(browser.driver, html(main), (all) => untouched(visible, all));
    // A small list inside of a page that is seen whole is not the page.
    const small = body(scroller("height:100px;width:200px", 2_000));
    await withPage(browser.driver, html(small), (all) => untouched(() => 1, all));
  });

  test("a page that grows when it is scrolled was not deeper than at the time of the scroll", async () => {
    await withPage(browser.driver, html('<div style="height:3000px">x</div>'), async ({ page, site }) => {
      await site.waitFor("view");
      await page.run(async () => {
        scrollTo(0, 1e6);
        await new Promise((done) => setTimeout(done, 300));
        document.body.insertAdjacentHTML("beforeend", '<div style="height:9000px">more</div>');
      });
      await setHidden(page, true);
      const [leave] = await site.waitFor("leave");
      assert.equal(Math.round(leave.sd), 100);
    });
  });
}
