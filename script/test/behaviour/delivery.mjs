// The queue: what happens when the collector refuses, and how large a beacon becomes.

import assert from "node:assert/strict";
import { html, setHidden, sleep, test, withPage } from "../support.mjs";

export function delivery(browser) {
  const onPage = (body, work, options) => withPage(browser.driver, html(body), work, options);

  for (const [name, refuse, least] of [
    ["503 with Retry-After", () => ({ status: 503, headers: { "retry-after": "3" } }), 3_000],
    ["429", () => ({ status: 429 }), 500],
    ["a broken connection", () => null, 500],
  ])
    test(`after ${name} the beacon is sent again later with the same numbers`, async () => {
      await onPage("x", async ({ page, site }) => {
        await site.waitFor("view");
        const accepted = site.requests.length;
        // The browser itself may retry a broken connection at once, so the server decides by time, not by count.
        let refusedAt;
        site.state.answer = () => {
          refusedAt ??= performance.now();
          return performance.now() - refusedAt < 700 ? refuse() : { status: 204 };
        };
        await page.run(() => window.footfall("one"));
        await site.waitFor("event", 1, 20_000);
        const requests = site.requests.slice(accepted);
        const bodies = requests.map(({ body }) => JSON.parse(body));
        assert.ok(bodies.length >= 2);
        const waited = requests.at(-1).at - requests[0].at;
        assert.ok(waited >= least, `waited ${waited}`);
        for (const body of bodies) {
          assert.deepEqual([body.o, body.l], [1, bodies[0].l]);
          assert.deepEqual(body.e.slice(0, bodies[0].e.length), bodies[0].e);
        }
        const age = (body) => body.at - body.e[0].at;
        assert.ok(age(bodies.at(-1)) - age(bodies[0]) > waited - 500, "the event's age grows while it waits");
        await page.run(() => window.footfall("two"));
        await site.waitFor("event", 2, 20_000);
        assert.deepEqual(site.events().map(({ seq }) => seq), site.events().map((_, index) => index));
        assert.deepEqual(site.received("event").map(({ n }) => n), ["one", "two"], "the same events, once");
      });
    });

  test("while the collector answers 503 no event is lost: earlier and new events arrive later, once, in order", async () => {
    await onPage("x", async ({ page, site }) => {
      const refusals = 3;
      site.state.answer = (_, count) => (count <= refusals ? { status: 503, headers: { "retry-after": "1" } } : { status: 204 });
      await page.run(() => window.footfall("before", { what: "kept" }));
      for (let refused = 1; refused <= refusals; refused++) {
        const end = performance.now() + 15_000;
        while (site.requests.length < refused && performance.now() < end) await sleep(20);
        await page.run((name) => window.footfall(name), `meanwhile ${refused}`);
      }
      await site.waitFor("event", 1 + refusals, 30_000);
      await page.run(() => window.footfall("after"));
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
    await onPage("x", async ({ page, site }) => {
      site.state.answer = (_, count) => ({ status: count === 1 ? 400 : 204 });
      await sleep(900);
      await page.run(() => window.footfall("after"));
      await site.waitFor("event");
      assert.deepEqual(site.events().map(({ k, seq }) => [k, seq]), [["event", 1]]);
    });
  });

  test("the queue is bounded, and a beacon keeps the limits of events and bytes", async () => {
    await onPage("x", async ({ page, site }) => {
      await page.run(() => {
        for (let i = 0; i < 5_000; i++) window.footfall("e" + i);
        window.footfall("big", { text: "x".repeat(200_000) });
      });
      await site.waitFor("event", 50);
      await sleep(500);
      for (const { body } of site.requests) {
        assert.ok(JSON.parse(body).e.length <= 100);
        assert.ok(Buffer.byteLength(body) < 65_536);
      }
      await page.run(() => window.footfall("after"));
      assert.equal((await site.waitFor("event", site.received("event").length + 1)).at(-1).n, "after");
    });
  });

  test("long texts of any script are cut and sent, and nothing after them is lost", async () => {
    await onPage("x", async ({ page, site }) => {
      await page.run(() => {
        for (const letter of ["中", "ж", "😀"]) window.footfall("long", { text: letter.repeat(9_000) });
      });
      await site.waitFor("event", 3);
      // Thirty such texts exceed a beacon: this event alone is dropped.
      await page.run(() => {
        const props = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`p${index}`, "中".repeat(9_000)]));
        window.footfall("too long", props);
        window.footfall("after");
      });
      const names = (await site.waitFor("event", 4)).map(({ n }) => n);
      assert.deepEqual(names, ["long", "long", "long", "after"]);
      for (const { p } of site.received("event").slice(0, 3)) assert.ok(p.text.length >= 512 && p.text.isWellFormed(), p.text.length);
      for (const { body } of site.requests) assert.ok(Buffer.byteLength(body) <= 30_000);
    });
  });

  test("a beacon names its page once, and another page where it begins", async () => {
    await onPage("x", async ({ page, site }) => {
      site.state.answer = () => ({ status: 503 });
      await page.run(() => {
        for (let i = 0; i < 40; i++) window.footfall("one");
        history.pushState({}, "", "/next");
        for (let i = 0; i < 40; i++) window.footfall("two");
      });
      await sleep(900);
      site.state.answer = () => ({ status: 204 });
      const events = await site.waitFor("event", 80);
      const beacon = site.beacons.find(({ e }) => e.length > 80);
      assert.deepEqual([beacon.u, beacon.e[0].r], [undefined, ""]);
      assert.equal(beacon.e.filter(({ u }) => u).length, 2);
      assert.deepEqual(new Set(events.map(({ n, u, r }) => `${n} ${u} ${r}`)), new Set([`one ${site.origin}/ `, `two ${site.origin}/next ${site.origin}/`]));
    });
  });

  test("events of the same moment go in one beacon", async () => {
    await onPage("x", async ({ page, site }) => {
      await site.waitFor("view");
      await page.run(() => ["a", "b", "c"].map((name) => window.footfall(name)));
      await site.waitFor("event", 3);
      const beacon = site.beacons.find(({ e }) => e.some(({ n }) => n === "a"));
      assert.deepEqual(beacon.e.map(({ n }) => n), ["a", "b", "c"]);
    });
  });

  const withoutBeacons = [
    ["is missing", () => delete Navigator.prototype.sendBeacon],
    ["refuses", () => (Navigator.prototype.sendBeacon = () => false)],
  ];
  for (const [name, init] of withoutBeacons)
    test(`where sendBeacon ${name}, a page that is hidden or closed sends all the same`, async () => {
      const work = async ({ page, site }) => {
        await site.waitFor("view");
        await setHidden(page, true);
        await site.waitFor("leave", 1, 1_500);
        await setHidden(page, false);
        await sleep(300);
        await page.run(() => window.footfall("at the end"));
        await page.open("about:blank");
        await site.waitFor("event", 1, 3_000);
      };
      await onPage("x", work, { init });
    });
}
