// What the script sends from pages in Chromium.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { html, launch, serve, sleep } from "./support.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Runs `work` with a page, a collector and the list of errors that reached the page. */
async function withPage(pages, work, { context: options, init, path = "/" } = {}) {
  const site = await serve(typeof pages === "string" ? { "/": pages } : pages);
  const context = await browser.newContext({ viewport: { width: 1000, height: 600 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  try {
    if (init) await page.addInitScript(init);
    await page.goto(site.origin + path);
    await work({ page, site, errors, context });
  } finally {
    await context.close();
    site.close();
  }
}

const block = (name, width, height, more = "") =>
  `<div data-footfall-ad="${name}" data-footfall-slot="s-${name}" style="width:${width}px;height:${height}px;background:#ccc;${more}">x</div>`;
const adEvents = (site, campaign, action) => site.received("ad").filter((event) => event.ad === campaign && event.n === action);

describe("views", () => {
  test("a view carries the fields of the browser and of the page", async () => {
    const pages = { "/p": html("<p>text", { tag: 'data-cookies="ab|consent"' }) };
    await withPage(
      pages,
      async ({ page, site }) => {
        await page.evaluate(() => ["xab=x", "secret=x", "ab=B=1", "a=x"].forEach((cookie) => (document.cookie = cookie)));
        await page.goto(`${site.origin}/p?utm_source=mail#part`);
        await site.waitFor("view", 2);
        const beacon = site.beacons.find(({ e }) => e[0].u.includes("utm"));
        const [event] = beacon.e;
        assert.equal(event.u, `${site.origin}/p?utm_source=mail`);
        assert.equal(event.k, "view");
        const age = beacon.at - event.at;
        assert.ok(age >= 200 && age < 3_000, `age ${age}`);
        assert.deepEqual(beacon.ck.map((cookie) => cookie.trim()), ["ab=B=1"]);
        assert.ok(beacon.l > 0 && beacon.l < 1);
        assert.deepEqual([beacon.v, beacon.s, beacon.o, beacon.c, beacon.b, beacon.t], [1, "clinic", 0, true, true, 0]);
        assert.deepEqual([beacon.w, beacon.h, beacon.g, beacon.z], [1000, 600, "ru-RU", "Europe/Moscow"]);
        assert.ok(beacon.ch.fullVersionList.length > 0);
        assert.equal(typeof beacon.ch.platformVersion, "string");
        assert.equal(site.requests[0].headers["content-type"], "text/plain;charset=UTF-8");
      },
      { path: "/p", context: { locale: "ru-RU", timezoneId: "Europe/Moscow" } },
    );
  });

  test("each change of the path is one view through every history interface, and its referrer is the previous page", async () => {
    const steps = async ({ page, site }) => {
      await site.waitFor("view");
      await page.evaluate(() => history.pushState({}, "", "/a"));
      await page.evaluate(() => history.replaceState({}, "", "/b"));
      await page.evaluate(() => history.replaceState({}, "", "/b?only=query"));
      await page.evaluate(() => (location.hash = "fragment"));
      await page.evaluate(() => history.go(-2));
      await site.waitFor("view", 4);
      await sleep(600);
      const paths = site.received("view").map(({ u }) => new URL(u).pathname);
      assert.deepEqual(paths, ["/", "/a", "/b", "/"]);
      assert.equal(site.received("view")[2].r, `${site.origin}/a`);
      assert.equal(site.received("leave").length, 3);
      assert.deepEqual(site.received("leave").map(({ u }) => new URL(u).pathname), ["/", "/a", "/b"]);
      assert.equal(site.received("vitals").length, 1);
    };
    await withPage(html("x"), steps);
    await withPage(html("x"), steps, { init: () => delete window.navigation });
  });

  test("a navigation by the Navigation API alone is a view", async () => {
    await withPage(html("x"), async ({ page, site }) => {
      await page.evaluate(() => {
        navigation.addEventListener("navigate", (event) => event.intercept());
        return navigation.navigate("/soft").finished.then(() => {});
      });
      const views = await site.waitFor("view", 2);
      await sleep(500);
      assert.equal(site.received("view").length, 2);
      assert.equal(views[1].u, `${site.origin}/soft`);
    });
  });

  test("fragments are routes only with data-hash", async () => {
    await withPage(html("x", { tag: "data-hash" }), async ({ page, site }) => {
      await page.evaluate(() => (location.hash = "#/doctors"));
      const views = await site.waitFor("view", 2);
      assert.equal(views[1].u, `${site.origin}/doctors`);
    });
  });

  test("a page restored from the back/forward cache is another view", async () => {
    await withPage({ "/": html("one"), "/two": html("two") }, async ({ page, site }) => {
      await site.waitFor("view");
      await page.goto(`${site.origin}/two`);
      await site.waitFor("view", 2);
      // Playwright would wait for a load event that a restored page does not get.
      await page.evaluate(() => void setTimeout(() => history.back()));
      const views = await site.waitFor("view", 3);
      assert.deepEqual([views[2].load, views[2].u], [views[0].load, `${site.origin}/`]);
      const numbers = site.events().filter(({ load }) => load === views[0].load).map(({ seq }) => seq);
      assert.equal(new Set(numbers).size, numbers.length, "each number is used once");
    });
  });

  test("closing the tab sends the engaged time and the scroll depth", async () => {
    await withPage(html('<div style="height:2400px">x</div>'), async ({ page, site }) => {
      await site.waitFor("view");
      await page.mouse.move(10, 10);
      await page.mouse.wheel(0, 600);
      await sleep(700);
      await page.close();
      const [leave] = await site.waitFor("leave");
      assert.ok(leave.ms > 600 && leave.ms < 5_000, `engaged ${leave.ms}`);
      assert.ok(leave.sd >= 45 && leave.sd <= 55, `depth ${leave.sd}`);
      await sleep(300);
      assert.equal(site.received("leave").length, 1);
      assert.equal(site.received("view").length, 1);
    });
  });

  test("hiding the page sends the queue at once, and hidden time is not engaged time", async () => {
    await withPage(html("x"), async ({ page, site, context }) => {
      await site.waitFor("view");
      await page.mouse.move(5, 5);
      const hide = (hidden) =>
        page.evaluate((hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
          window.footfall("before");
          document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        }, hidden);
      await hide(true);
      const [leave] = await site.waitFor("leave", 1, 400);
      await site.waitFor("event", 1, 400);
      await sleep(1_500);
      await hide(false);
      await page.mouse.move(9, 9);
      await sleep(300);
      await hide(true);
      const leaves = await site.waitFor("leave", 2);
      assert.ok(leave.ms < 1_400, `engaged ${leave.ms}`);
      assert.ok(leaves.at(-1).ms < 1_200, `engaged ${leaves.at(-1).ms} after the page was hidden`);
      assert.ok(context);
    });
  });
});

describe("events", () => {
  test("calls before and after the script loads count, and so do attributes and properties", async () => {
    const before = `<script>window.footfall=window.footfall||function(){(footfall.q=footfall.q||[]).push(arguments)};
      footfall("early",{n:1,yes:true})</script>`;
    const body = `<button data-footfall-event="call" data-footfall-props="doctor=Иванов&first=true">b</button>`;
    await withPage(html(body, { before }), async ({ page, site }) => {
      await page.evaluate(() => window.footfall("booking", { doctor: "Petrova", price: 12.5 }));
      await page.evaluate(() => window.footfall());
      await page.click("button");
      const [early, booking, call] = await site.waitFor("event", 3);
      assert.deepEqual([early.n, early.p], ["early", { n: 1, yes: true }]);
      assert.deepEqual([booking.n, booking.p], ["booking", { doctor: "Petrova", price: 12.5 }]);
      assert.deepEqual([call.n, call.p], ["call", "doctor=Иванов&first=true"]);
    });
  });

  test("clicks on outbound links and downloads count with the first and middle button; other links do not", async () => {
    const body = `<a id=out href="http://other.example/x?id=1">o</a> <a id=in href="#here">i</a>
      <a id=mail href="mailto:a@b.example">m</a> <a id=file href="/list.PDF">f</a> <a id=page href="/list.html">p</a>
      <a id=marked href="/report" download><b>m</b></a><script>addEventListener("click",e=>e.preventDefault());
      addEventListener("auxclick",e=>e.preventDefault())</script>`;
    await withPage(html(body), async ({ page, site }) => {
      for (const id of ["out", "in", "mail", "file", "page"]) await page.click(`#${id}`);
      await page.click("#marked b");
      await page.click("#out", { button: "right" });
      await page.click("#out", { button: "middle" });
      await site.waitFor("outbound", 2);
      await sleep(400);
      assert.deepEqual(site.received("outbound").map(({ n }) => n.split("?")[0]), Array(2).fill("http://other.example/x"));
      assert.deepEqual(site.received("download").map(({ n }) => n), [`${site.origin}/list.PDF`, `${site.origin}/report`]);
    });
  });

  test("a page marked as missing reports it once, beside its view", async () => {
    await withPage(
      { "/no": { status: 404, text: html("<main data-footfall-missing>nothing") } },
      async ({ page, site }) => {
        await site.waitFor("missing");
        await page.evaluate(() => document.body.append("more"));
        await sleep(500);
        assert.deepEqual(site.events().map(({ k }) => k), ["view", "missing"]);
      },
      { path: "/no" },
    );
  });
});

describe("advertising blocks", () => {
  test("a block is viewable with half of its pixels in view for a second, a large block with 30 %", async () => {
    // The window is 600 px high. `part` of each block is above its lower edge.
    const at = (name, width, height, part, left) =>
      block(name, width, height, `position:absolute;left:${left}px;top:${600 - height * part}px`);
    const body =
      at("half", 100, 200, 0.51, 0) +
      at("less", 100, 200, 0.49, 110) +
      at("large", 500, 500, 0.31, 220) +
      at("small", 400, 600, 0.31, 730) +
      block("below", 100, 100, "position:absolute;top:3000px");
    await withPage(html(body), async ({ page, site }) => {
      await site.waitFor("ad", 5);
      await sleep(2_000);
      for (const name of ["half", "less", "large", "small", "below"]) assert.equal(adEvents(site, name, "impression").length, 1, name);
      const viewable = site.received("ad").filter(({ n }) => n === "viewable");
      assert.deepEqual(viewable.map(({ ad }) => ad).sort(), ["half", "large"]);
      assert.equal(adEvents(site, "half", "viewable")[0].slot, "s-half");
      await page.evaluate(() => scrollTo(0, 3000));
      await sleep(600);
      await page.evaluate(() => scrollTo(0, 0));
      await sleep(1_800);
      assert.equal(adEvents(site, "below", "viewable").length, 0, "0.6 s are too short");
      assert.equal(adEvents(site, "half", "viewable").length, 1, "a block is viewable once");
      await page.evaluate(() => scrollTo(0, 3000));
      await sleep(2_500);
      assert.equal(adEvents(site, "below", "viewable").length, 1);
    });
  });

  test("time in a hidden page does not make a block viewable", async () => {
    await withPage(html(block("a", 300, 250)), async ({ page, site }) => {
      const toggle = (hidden) =>
        page.evaluate((hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        }, hidden);
      await sleep(500);
      await toggle(true);
      await sleep(100);
      await toggle(false);
      await sleep(750);
      await page.evaluate(() => 0);
      assert.equal(adEvents(site, "a", "viewable").length, 0);
      await site.waitFor("ad", 2);
    });
  });

  test("blocks that are added or filled later count, and other changes of the page do not interrupt them", async () => {
    await withPage(html("<main></main>"), async ({ page, site }) => {
      await site.waitFor("view");
      await page.evaluate(() => {
        document.querySelector("main").innerHTML = '<div data-footfall-ad="late" data-footfall-slot="x"></div>';
        setTimeout(() => {
          document.querySelector("[data-footfall-ad]").innerHTML = '<p style="height:200px">offer</p>';
          setInterval(() => document.body.append("."), 100);
        }, 500);
      });
      await site.waitFor("ad", 2, 5_000);
      assert.deepEqual(site.received("ad").map(({ n, slot }) => [n, slot]), [["impression", "x"], ["viewable", "x"]]);
    });
  });

  test("clicks on a block count, also inside a frame", async () => {
    const frame = `<iframe srcdoc="<p style='height:100px'>inside" style="width:200px;height:150px"></iframe>`;
    const body = `${block("plain", 100, 50)}<div data-footfall-ad="framed">${frame}</div>`;
    await withPage(html(body), async ({ page, site }) => {
      await site.waitFor("ad", 2);
      await page.click('[data-footfall-ad="plain"]');
      await page.click("iframe");
      await sleep(700);
      assert.equal(adEvents(site, "plain", "click").length, 1);
      assert.equal(adEvents(site, "framed", "click").length, 1);
    });
  });

  test("without IntersectionObserver impressions and clicks still count", async () => {
    await withPage(
      html(block("a", 300, 250)),
      async ({ page, site, errors }) => {
        await page.click("[data-footfall-ad]");
        await site.waitFor("ad", 2);
        await sleep(1_500);
        assert.deepEqual(site.received("ad").map(({ n }) => n), ["impression", "click"]);
        assert.deepEqual(errors, []);
      },
      { init: () => delete window.IntersectionObserver },
    );
  });
});

describe("failures", () => {
  test("script errors and rejections carry message and position, count once each, and at most 20 times", async () => {
    await withPage(html("x"), async ({ page, site }) => {
      await site.waitFor("view");
      await page.evaluate(() => {
        const fail = () => {
          throw new TypeError("boom 😀");
        };
        for (let i = 0; i < 5; i++) setTimeout(fail);
        Promise.reject(new RangeError("rejected"));
        Promise.reject("bare");
      });
      await sleep(800);
      const [boom] = site.received("error").filter(({ m }) => m.includes("boom"));
      assert.equal(boom.m, "Uncaught TypeError: boom 😀");
      assert.ok(boom.ln > 0 && boom.col > 0 && boom.st.includes("boom"), JSON.stringify(boom));
      assert.deepEqual(site.received("error").map(({ m }) => m).sort(), ["RangeError: rejected", "Uncaught TypeError: boom 😀", "bare"]);
      await page.evaluate(() => {
        for (let i = 0; i < 80; i++) setTimeout(() => eval(`throw new Error("e${i}")`));
      });
      await sleep(2_500);
      assert.equal(site.received("error").length, 20);
    });
  });

  test("elements that fail to load are reported, before and after the script loads", async () => {
    await withPage(html('<img src="/early.png?who=1">'), async ({ page, site }) => {
      await site.waitFor("resource");
      await page.evaluate(() => {
        const add = (tag, set) => document.body.append(Object.assign(document.createElement(tag), set));
        add("script", { src: "/gone.js" });
        add("link", { rel: "stylesheet", href: "/gone.css" });
        add("img", { src: "data:image/png;base64,xx" });
      });
      await site.waitFor("resource", 3);
      await sleep(400);
      assert.deepEqual(
        site.received("resource").map(({ n, tag }) => [new URL(n).pathname, tag]).sort(),
        [["/early.png", "img"], ["/gone.css", "link"], ["/gone.js", "script"]],
      );
    });
  });

  test("vitals are sent once, with the first leave", async () => {
    const body = `<h1>Largest text of this page</h1><button onclick="for(const t=Date.now();Date.now()-t<60;);">b</button>
      <script>setTimeout(()=>document.body.prepend(Object.assign(document.createElement("div"),{style:"height:200px"})),1500)</script>`;
    await withPage({ "/": html(body), "/two": html("two") }, async ({ page, site }) => {
      await page.click("button");
      await sleep(2_300);
      await page.goto(`${site.origin}/two`);
      const [vitals] = await site.waitFor("vitals");
      assert.equal(vitals.u, `${site.origin}/`);
      const { paint, event, navigation } = vitals;
      assert.ok(paint.startTime > 0 && vitals["largest-contentful-paint"].startTime >= paint.startTime, JSON.stringify(vitals));
      assert.ok(event.interactionId && event.duration >= 48 && event.duration < 1_000, `inp ${event.duration}`);
      const [at, score] = vitals["layout-shift"];
      assert.ok(at > 1_000 && score > 0 && score < 1, `shift of ${score} at ${at}`);
      assert.ok(navigation.responseStart > 0 && navigation.loadEventEnd > navigation.responseStart);
      await page.evaluate(() => void setTimeout(() => history.back()));
      await site.waitFor("view", 3);
      await page.goto(`${site.origin}/two`);
      await site.waitFor("leave", 3);
      assert.equal(site.received("vitals").filter(({ load }) => load === vitals.load).length, 1);
    });
  });
});

describe("refusal and consent", () => {
  const sendsNothing = (title, pages, options, work = async () => {}) =>
    test(title, () =>
      withPage(
        pages,
        async (all) => {
          await all.page.evaluate(() => window.footfall("mine"));
          await work(all);
          await sleep(900);
          await all.page.close();
          await sleep(300);
          assert.equal(all.site.requests.length, 0);
          assert.deepEqual(all.errors, []);
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
    await page.evaluate(() => history.pushState({}, "", "/soft"));
  });

  test("consent starts counting, once", async () => {
    await withPage(html("x", { tag: "data-consent" }), async ({ page, site }) => {
      await page.evaluate(() => window.footfall("early"));
      await sleep(400);
      assert.equal(site.requests.length, 0);
      await page.evaluate(() => window.footfall.consent() || window.footfall.consent());
      await site.waitFor("view");
      await sleep(500);
      assert.deepEqual(site.events().map(({ k }) => k), ["view"]);
    });
  });

  test("an opt-out stops counting at once and on later pages, until the opt-in", async () => {
    await withPage({ "/": html("x"), "/two": html("y") }, async ({ page, site }) => {
      await site.waitFor("view");
      await page.evaluate(() => window.footfall("last"));
      await page.evaluate(() => window.footfall.optOut());
      await page.evaluate(() => history.pushState({}, "", "/soft"));
      await page.goto(`${site.origin}/two`);
      await sleep(600);
      assert.deepEqual(site.events().map(({ k }) => k), ["view"]);
      assert.match(await page.evaluate(() => document.cookie), /footfall_optout=1/);
      await page.evaluate(() => window.footfall.optIn());
      assert.equal(await page.evaluate(() => document.cookie), "");
      await page.reload();
      await site.waitFor("view", 2);
    });
  });

  test("the script stores nothing in the browser", async () => {
    await withPage(html("x"), async ({ page, site, context }) => {
      await site.waitFor("view");
      assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
      assert.deepEqual(await context.cookies(), []);
    });
  });

  test("a prerendered page counts when it is shown", async () => {
    const flag = () => {
      Object.defineProperty(Document.prototype, "prerendering", { get: () => !window.seen, configurable: true });
    };
    await withPage(
      html("x"),
      async ({ page, site }) => {
        await sleep(600);
        assert.equal(site.requests.length, 0);
        await page.evaluate(() => {
          window.seen = true;
          document.dispatchEvent(new Event("prerenderingchange"));
        });
        await site.waitFor("view");
      },
      { init: flag },
    );
  });
});

describe("delivery", () => {
  for (const [name, refuse, least] of [
    ["503 with Retry-After", () => ({ status: 503, headers: { "retry-after": "3" } }), 3_000],
    ["429", () => ({ status: 429 }), 500],
    ["a broken connection", () => null, 500],
  ])
    test(`after ${name} the beacon is sent again later with the same numbers`, async () => {
      await withPage(html("x"), async ({ page, site }) => {
        // The browser itself may retry a broken connection at once, so the server decides by time, not by count.
        const opened = performance.now();
        site.state.answer = () => (performance.now() - opened < 900 ? refuse() : { status: 204 });
        await page.evaluate(() => window.footfall("one"));
        await site.waitFor("event", 1, 15_000);
        const bodies = site.requests.map(({ body }) => JSON.parse(body));
        assert.ok(bodies.length >= 2);
        assert.ok(site.requests.at(-1).at - site.requests[0].at >= least);
        for (const body of bodies) {
          assert.deepEqual([body.o, body.l], [0, bodies[0].l]);
          assert.deepEqual(body.e.slice(0, bodies[0].e.length).map(({ k }) => k), bodies[0].e.map(({ k }) => k));
        }
        const waited = site.requests.at(-1).at - site.requests[0].at;
        const age = (body) => body.at - body.e[0].at;
        const accepted = bodies.findLast(({ o }) => o === 0);
        assert.ok(age(accepted) - age(bodies[0]) > waited - 500, "the event's age grows while it waits");
        await page.evaluate(() => window.footfall("two"));
        await site.waitFor("event", 2, 15_000);
        assert.deepEqual(site.events().map(({ seq }) => seq), site.events().map((_, index) => index));
        assert.deepEqual(site.received("event").map(({ n }) => n), ["one", "two"], "the same events, once");
      });
    });

  test("while the collector answers 503 no event is lost: earlier and new events arrive later, once, in order", async () => {
    await withPage(html("x"), async ({ page, site }) => {
      const refusals = 3;
      site.state.answer = (_, count) =>
        count <= refusals ? { status: 503, headers: { "retry-after": "1" } } : { status: 204 };
      await page.evaluate(() => window.footfall("before", { what: "kept" }));
      for (let refused = 1; refused <= refusals; refused++) {
        const end = performance.now() + 15_000;
        while (site.requests.length < refused && performance.now() < end) await sleep(20);
        await page.evaluate((name) => window.footfall(name), `meanwhile ${refused}`);
      }
      await site.waitFor("event", 1 + refusals, 30_000);
      await page.evaluate(() => window.footfall("after"));
      await site.waitFor("event", 2 + refusals);
      const events = site.events();
      const names = events.filter(({ k }) => k === "event").map(({ n }) => n);
      assert.deepEqual(names, ["before", "meanwhile 1", "meanwhile 2", "meanwhile 3", "after"]);
      assert.deepEqual(events.map(({ seq }) => seq), events.map((_, index) => index), "each number once");
      assert.equal(new Set(events.map(({ load }) => load)).size, 1);
      assert.deepEqual(site.received("event")[0].p, { what: "kept" });
      const times = site.requests.slice(0, refusals + 1).map(({ at }) => at);
      for (const [index, at] of times.slice(1).entries()) {
        // On a busy machine the server may record an arrival some ms late.
        assert.ok(at - times[index] >= 950, `it waits for Retry-After: ${at - times[index]} ms`);
      }
    });
  });

  test("a beacon answered with 400 is not sent again, and later events are sent", async () => {
    await withPage(html("x"), async ({ page, site }) => {
      site.state.answer = (_, count) => ({ status: count === 1 ? 400 : 204 });
      await sleep(700);
      await page.evaluate(() => window.footfall("after"));
      await site.waitFor("event");
      assert.deepEqual(site.events().map(({ k, seq }) => [k, seq]), [["event", 1]]);
    });
  });

  test("the queue is bounded, and a beacon keeps the limits of events and bytes", async () => {
    await withPage(html("x"), async ({ page, site }) => {
      await page.evaluate(() => {
        for (let i = 0; i < 5_000; i++) window.footfall("e" + i);
        window.footfall("big", { text: "x".repeat(200_000) });
      });
      await site.waitFor("event", 50);
      await sleep(500);
      for (const { body } of site.requests) {
        assert.ok(JSON.parse(body).e.length <= 100);
        assert.ok(Buffer.byteLength(body) < 65_536);
      }
    });
  });

  test("events of the same moment go in one beacon", async () => {
    await withPage(html("x"), async ({ page, site }) => {
      await page.evaluate(() => ["a", "b", "c"].forEach((name) => window.footfall(name)));
      await site.waitFor("event", 3);
      const beacon = site.beacons.find(({ e }) => e.some(({ n }) => n === "a"));
      assert.deepEqual(beacon.e.map(({ n }) => n).filter(Boolean), ["a", "b", "c"]);
    });
  });
});

describe("hostile pages", () => {
  for (const [name, init] of [
    ["traps on navigator", () => {
      for (const key of ["language", "userAgentData", "cookieEnabled", "webdriver", "maxTouchPoints", "globalPrivacyControl", "doNotTrack"])
        Object.defineProperty(Navigator.prototype, key, { get() { throw new Error("trap " + key); } });
    }],
    ["traps on the document", () => {
      for (const key of ["cookie", "referrer", "hidden"])
        Object.defineProperty(Document.prototype, key, { get() { throw new Error("trap " + key); } });
    }],
    ["no fetch, no beacon", () => {
      delete window.fetch;
      delete Navigator.prototype.sendBeacon;
    }],
    ["a fetch that throws", () => {
      window.fetch = () => {
        throw new Error("no fetch");
      };
    }],
    ["no observers", () => {
      delete window.PerformanceObserver;
      delete window.MutationObserver;
      delete window.IntersectionObserver;
    }],
    ["broken events", () => {
      Event.prototype.composedPath = undefined;
      Element.prototype.closest = undefined;
    }],
  ])
    test(`${name}: no error reaches the page`, async () => {
      await withPage(
        html(`${block("a", 300, 250)}<a href="#x">x</a>`),
        async ({ page, errors }) => {
          await page.evaluate(() => {
            window.rejected = [];
            addEventListener("unhandledrejection", (event) => window.rejected.push(String(event.reason)));
          });
          await page.click("a");
          await page.click("[data-footfall-ad]");
          await page.evaluate(() => window.footfall?.("x", { y: 1 }));
          await page.evaluate(() => history.pushState({}, "", "/soft"));
          await page.evaluate(() => window.dispatchEvent(new Event("pagehide")));
          await sleep(900);
          assert.deepEqual(errors, []);
          assert.deepEqual(await page.evaluate(() => window.rejected), []);
        },
        { init },
      );
    });

  test("a policy that forbids connections does not break the page", async () => {
    const page = { headers: { "content-security-policy": "connect-src 'none'" }, text: html("x") };
    await withPage({ "/": page }, async ({ page, site, errors }) => {
      await page.evaluate(() => window.footfall("x"));
      await sleep(900);
      assert.equal(site.requests.length, 0);
      assert.deepEqual(errors, []);
    });
  });

  test("the script adds only `footfall` to the page's global names", async () => {
    const site = await serve({ "/": html("x"), "/bare": "<!doctype html>" });
    const context = await browser.newContext();
    const page = await context.newPage();
    const names = async (path) => {
      await page.goto(site.origin + path);
      return page.evaluate(() => Object.getOwnPropertyNames(window));
    };
    const bare = new Set(await names("/bare"));
    assert.deepEqual((await names("/")).filter((name) => !bare.has(name)), ["footfall"]);
    await context.close();
    site.close();
  });
});
