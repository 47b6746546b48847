// The demonstration site of `footfall demo`: its pages work and are counted under their content security policy.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers } from "./driver/browsers.mjs";
import { freePort, sleep, startWithoutStore, sumOf } from "./footfall.mjs";

let demo, site;
before(async () => {
  const clinic = await freePort();
  site = `http://127.0.0.1:${clinic}`;
  demo = await startWithoutStore(["demo", "--site", `127.0.0.1:${clinic}`], "", [site]);
});
after(() => demo?.close());

/** The violations of the page's policy so far, where the browser can tell. */
const violations = () =>
  "ReportingObserver" in window
    ? new Promise((done) => {
        new ReportingObserver((reports) => done(reports.map(({ body }) => body.blockedURL)), { types: ["csp-violation"], buffered: true }).observe();
        setTimeout(() => done([]), 200);
      })
    : [];

for (const { name, launch } of browsers)
  describe(`in ${name}`, () => {
    let driver;
    before(async () => (driver = await launch()));
    after(() => driver?.close());

    test("the demonstration's pages are counted under their policy, and injected scripts do not run", async () => {
      const counted = async () => sumOf(await demo.metrics(), "footfall_events_received_total");
      for (const path of ["/", "/doctors", "/booking", "/news", "/privacy", "/nowhere"]) {
        const { headers } = await fetch(site + path);
        assert.match(headers.get("content-security-policy"), /frame-ancestors 'none'/);
        const before = await counted();
        await driver.open(site + path);
        const end = Date.now() + 20_000;
        while ((await counted()) === before && Date.now() < end) await sleep(50);
        assert.ok((await counted()) > before, `${path} sent no beacon`);
        assert.equal(await driver.run(() => document.documentElement.lang), "en", `${path}: the clinic's own script runs`);
        assert.deepEqual(await driver.run(violations), []);
      }

      await driver.open(`${site}/doctors`);
      const face = await driver.run(() => getComputedStyle(document.querySelector(".face")).backgroundColor);
      assert.equal(face, "rgb(217, 119, 87)");
      const executed = await driver.run(async () => {
        document.body.insertAdjacentHTML("beforeend", `<img src="/none" onerror="window.ran = 1">`);
        const script = document.createElement("script");
        script.textContent = "window.ran = 2";
        document.body.append(script);
        await new Promise((done) => setTimeout(done, 500));
        return window.ran ?? 0;
      });
      assert.equal(executed, 0);
    });
  });
