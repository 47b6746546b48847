// Own events, links, files and labels.

import assert from "node:assert/strict";
import { html, sleep, test, withPage } from "../support.mjs";

/** Keeps the page when a link is clicked. */
const stay = `<script>for (const type of ["click","auxclick"]) addEventListener(type, (event) => event.preventDefault())</script>`;
const shadow = (inner) => `<div class=host><template shadowrootmode=open>${inner}</template></div>`;

export function clicks(browser) {
  const onPage = (body, work, options) => withPage(browser.driver, typeof body === "string" ? html(body + stay) : body, work, options);

  test("calls before and after the script loads count, and so do attributes and properties", async () => {
    const before = `<script>window.footfall=window.footfall||function(){(footfall.q=footfall.q||[]).push(arguments)};
      footfall("early",{n:1,yes:true})</script>`;
    const body = `<button data-footfall-event="call" data-footfall-props="doctor=Иванов&first=true">b</button>`;
    await withPage(browser.driver, html(body, { before }), async ({ page, site }) => {
      await page.run(() => window.footfall("booking", { doctor: "Petrova", price: 12.5 }));
      await page.run(() => window.footfall());
      await page.click("button");
      const [early, booking, call] = await site.waitFor("event", 3);
      assert.deepEqual([early.n, early.p], ["early", { n: 1, yes: true }]);
      assert.deepEqual([booking.n, booking.p], ["booking", { doctor: "Petrova", price: 12.5 }]);
      assert.deepEqual([call.n, call.p], ["call", "doctor=Иванов&first=true"]);
    });
  });

  test("a property that JSON cannot hold is dropped, and the event is kept", async () => {
    await onPage("x", async ({ page, site, errors }) => {
      await page.run(() => {
        const circle = { kept: 1 };
        circle.self = circle;
        const trap = {
          get bad() {
            throw new Error("trap");
          },
          good: "yes",
        };
        const all = { big: 10n, circle, list: [1], none: null, hole: undefined, call() {}, sign: Symbol("s"), slice: 1, nested: { slice: 1 } };
        window.footfall("mixed", { ...all, text: "a", number: 1 / 3, flag: false, date: new Date(0), nan: NaN });
        window.footfall("trap", trap);
        window.footfall("whole", circle);
        window.footfall("odd", 7n);
        window.footfall(42, [5]);
        window.footfall(Symbol("s"));
        window.footfall("last");
      });
      const events = await site.waitFor("event", 6);
      assert.deepEqual(events.map(({ n, p }) => [n, p]), [
        ["mixed", { none: null, slice: 1, text: "a", number: 1 / 3, flag: false, date: "1970-01-01T00:00:00.000Z", nan: null }],
        ["trap", { good: "yes" }],
        ["whole", { kept: 1 }],
        ["odd", {}],
        ["42", { 0: 5 }],
        ["last", {}],
      ]);
      assert.deepEqual(await errors(), []);
    });
  });

  test("clicks on links to other hosts and to files are sent with the first and middle button; other links are not", async () => {
    const body = `<a id=out href="http://other.example/x?id=1#part">o</a> <a id=in href="#here">i</a>
      <a id=mail href="mailto:a@b.example">m</a> <a id=file href="/list.PDF?v=2">f</a> <a id=page href="/list.html">p</a>
      <a id=marked href="/report" download><b>m</b></a>`;
    await onPage(body, async ({ page, site, origin }) => {
      for (const id of ["out", "in", "mail", "file", "page"]) await page.click(`#${id}`);
      await page.click("#marked b");
      // The driver of WebKitGTK sends clicks of the first button in place of others.
      const isFaithful = browser.name !== "WebKitGTK";
      if (isFaithful) await page.click("#out", 2);
      if (isFaithful) await page.click("#out", 1);
      const count = isFaithful ? 2 : 1;
      await site.waitFor("link", count + 2 + 1);
      await sleep(400);
      const links = site.received("link");
      assert.equal(links.filter(({ n, dl }) => n === "http://other.example/x" && !dl).length, count);
      // The collector drops links to pages, which need not be sent if they have no type.
      const within = links.filter(({ n }) => n.startsWith(origin)).map(({ n, dl }) => [n, dl]);
      assert.deepEqual(within, [[`${origin}/list.PDF`, false], [`${origin}/list.html`, false], [`${origin}/report`, true]]);
      assert.equal(links.length, count + 3);
    });
  });

  test("of links within the site only those with a type are sent, for the collector to tell files", async () => {
    const links = ["/doctors", "/page.aspx", "/v1.25", "/index.jsp", "http://other.example/about.htm", "http://other.example/a.tar.gz?x", "/price.xlsx", "/b.7z"];
    const body = links.map((href, index) => `<p><a id=a${index} href="${href}">${index}</a>`).join("");
    await onPage(body, async ({ page, site, origin }) => {
      for (const index of links.keys()) await page.click(`#a${index}`);
      await site.waitFor("link", links.length - 1);
      await sleep(400);
      const sent = links.slice(1).map((href) => new URL(href.split("?")[0], origin).href);
      assert.deepEqual(site.received("link").map(({ n, dl }) => [n, dl]), sent.map((href) => [href, false]));
    });
  });

  test("a file that the page makes is a download without its name and content", async () => {
    const body = `<a id=b download="ivanov.csv">b</a> <a id=d download href="data:text/plain,secret">d</a>
      <script>document.querySelector("#b").href = URL.createObjectURL(new Blob(["secret"]))</script>`;
    await onPage(body, async ({ page, site }) => {
      await page.click("#b");
      await page.click("#d");
      const downloads = await site.waitFor("link", 2);
      assert.deepEqual(downloads.map(({ n }) => n), ["blob:", "data:"]);
    });
  });

  test("a click on a picture in a link is a click on the link, in SVG and in image maps too", async () => {
    const icon = '<svg width=40 height=40><use href="#ic"></use></svg>';
    const body = `<svg style="display:none"><symbol id=ic viewBox="0 0 4 4"><rect width=4 height=4 /></symbol></svg>
      <a id=a href="http://one.example/">${icon}</a>
      <svg width=60 height=60><a href="http://two.example/x?y"><circle id=b cx=30 cy=30 r=30 /></a></svg>
      <svg width=60 height=60 xmlns:xlink="http://www.w3.org/1999/xlink"><a xlink:href="http://three.example/"><circle id=c cx=30 cy=30 r=30 /></a></svg>
      <img id=d usemap="#m" width=50 height=50 src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='50' height='50'/>">
      <map name=m><area shape=rect coords="0,0,50,50" href="http://four.example/" alt=x></map>`;
    await onPage(body, async ({ page, site }) => {
      await page.click("#a svg");
      for (const id of ["b", "c", "d"]) await page.click(`#${id}`);
      const links = await site.waitFor("link", 4);
      assert.deepEqual(links.map(({ n }) => n), ["http://one.example/", "http://two.example/x", "http://three.example/", "http://four.example/"]);
    });
  });

  test("a link and a marked button inside open shadow roots count", async () => {
    const inner = `<a href="http://other.example/x">o</a> <button data-footfall-event="call"><b>call</b></button>`;
    const body = shadow(shadow(inner)) + `<a href="http://outer.example/">${shadow("<i>text</i>")}</a>`;
    await onPage(body, async ({ page, site }) => {
      await page.click([".host", ".host", "a"]);
      await page.click([".host", ".host", "b"]);
      await page.click(["a .host", "i"]);
      const links = await site.waitFor("link", 2);
      assert.deepEqual(links.map(({ n }) => n), ["http://other.example/x", "http://outer.example/"]);
      assert.equal(site.received("event")[0].n, "call");
    });
  });

  test("a click on a label counts once", async () => {
    const body = `<label data-footfall-event=agree><input type=checkbox id=i> <span id=s>I agree</span></label>
      <p><label for=o data-footfall-event=other id=l>other</label> <input type=radio id=o data-footfall-event=other>
      <p><label id=m>plain <input type=checkbox data-footfall-event=plain></label>
      <p><button data-footfall-event=twice>twice</button>`;
    await withPage(browser.driver, html(body), async ({ page, site }) => {
      for (const id of ["s", "i", "l", "o", "m"]) await page.click(`#${id}`);
      await page.click("button");
      await page.click("button");
      await site.waitFor("event", 7);
      await sleep(500);
      const names = site.received("event").map(({ n }) => n);
      assert.deepEqual(names, ["agree", "agree", "other", "other", "plain", "twice", "twice"]);
    });
  });

  test("a page marked as missing reports it once, beside its view", async () => {
    const pages = { "/no": { status: 404, text: html("<main data-footfall-missing>nothing") } };
    const work = async ({ page, site }) => {
      await site.waitFor("missing");
      await page.run(() => document.body.append("more"));
      await sleep(1_300);
      assert.deepEqual(site.events().map(({ k }) => k), ["view", "missing"]);
      await page.run(() => history.pushState({}, "", "/gone"));
      const missing = await site.waitFor("missing", 2);
      assert.equal(missing[1].u, `${site.origin}/gone`);
    };
    await withPage(browser.driver, pages, work, { path: "/no" });
  });
}
