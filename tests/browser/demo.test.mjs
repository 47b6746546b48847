// The demonstration site of `footfall demo`: its pages work and are counted under their content security policy.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { browsers } from "./driver/browsers.mjs";
import { freePort, program, sleep, sumOf } from "./footfall.mjs";

let child, directory, ended, metrics, site;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "footfall-demo-"));
  const [collector, admin, reports, store, clinic] = await Promise.all(Array.from({ length: 5 }, freePort));
  const { TEST_BIN: _, ...inherited } = process.env;
  const address = (port) => `127.0.0.1:${port}`;
  const env = {
    ...inherited,
    FOOTFALL_LISTEN: address(collector),
    FOOTFALL_ADMIN: address(admin),
    FOOTFALL_REPORTS: address(reports),
    FOOTFALL_STORE_LISTEN: address(store),
    FOOTFALL_KEY: join(directory, "key"),
    FOOTFALL_KEY_ON_DISK: "true",
  };
  site = `http://${address(clinic)}`;
  metrics = async () => (await fetch(`http://${address(admin)}/metrics`)).text();
  // Few visitors are invented fast. The demonstration leaves them as they are.
  execFileSync(program, ["demo", "--visitors", "20"], { cwd: directory, env, stdio: "ignore" });
  child = spawn(program, ["demo", "--site", address(clinic)], { cwd: directory, env, stdio: "ignore" });
  ended = new Promise((resolve) => child.once("exit", resolve));
  const end = Date.now() + 60_000;
  const ready = (address) => fetch(address).then(({ ok }) => ok, () => false);
  while (!((await ready(site)) && (await ready(`http://127.0.0.1:${collector}/s.js`)))) {
    if (child.exitCode !== null || Date.now() > end) throw new Error("the demonstration site did not start");
    await sleep(50);
  }
});
after(async () => {
  child?.kill("SIGTERM");
  // Its store writes into the directory until then.
  await ended;
  await rm(directory, { recursive: true, force: true });
});

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
      const counted = async () => sumOf(await metrics(), "footfall_events_received_total");
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
