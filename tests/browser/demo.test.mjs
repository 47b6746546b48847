// The demonstration site of `footfall demo`: its pages work and are counted under their content security policy.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "../../script/test/support.mjs";
import { freePort, program, sleep } from "./footfall.mjs";

let browser, child, directory, ended, site;
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
  // Few visitors are invented fast. The demonstration leaves them as they are.
  execFileSync(program, ["demo", "--visitors", "20"], { cwd: directory, env, stdio: "ignore" });
  child = spawn(program, ["demo", "--site", address(clinic)], { cwd: directory, env, stdio: "ignore" });
  ended = new Promise((resolve) => child.once("exit", resolve));
  browser = await launch();
  const end = Date.now() + 60_000;
  const ready = (address) => fetch(address).then(({ ok }) => ok, () => false);
  while (!((await ready(site)) && (await ready(`http://127.0.0.1:${collector}/s.js`)))) {
    if (child.exitCode !== null || Date.now() > end) throw new Error("the demonstration site did not start");
    await sleep(50);
  }
});
after(async () => {
  await browser?.close();
  child?.kill("SIGTERM");
  // Its store writes into the directory until then.
  await ended;
  await rm(directory, { recursive: true, force: true });
});

test("the demonstration's pages are counted under their policy, and injected scripts do not run", async () => {
  const page = await (await browser.newContext()).newPage();
  const [messages, statuses] = [[], []];
  page.on("console", (message) => messages.push(message.text()));
  page.on("response", (response) => response.request().method() === "POST" && statuses.push(response.status()));
  for (const path of ["/", "/doctors", "/booking", "/news", "/privacy", "/nowhere"]) {
    const before = statuses.length;
    const answer = await page.goto(site + path);
    assert.match(answer.headers()["content-security-policy"], /frame-ancestors 'none'/);
    const end = Date.now() + 20_000;
    while (statuses.length === before && Date.now() < end) await sleep(50);
    assert.ok(statuses.length > before, `${path} sent no beacon: ${messages.join("; ")}`);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "en", `${path}: the clinic's own script runs`);
  }
  assert.ok(statuses.every((status) => status < 300), statuses.join(" "));
  assert.deepEqual(messages.filter((text) => /Content Security Policy/.test(text)), []);

  await page.goto(`${site}/doctors`);
  const face = await page.evaluate(() => getComputedStyle(document.querySelector(".face")).backgroundColor);
  assert.equal(face, "rgb(217, 119, 87)");
  const executed = await page.evaluate(async () => {
    document.body.insertAdjacentHTML("beforeend", `<img src="/none" onerror="window.ran = 1">`);
    const script = document.createElement("script");
    script.textContent = "window.ran = 2";
    document.body.append(script);
    await new Promise((done) => setTimeout(done, 500));
    return window.ran;
  });
  assert.equal(executed, undefined);
});
