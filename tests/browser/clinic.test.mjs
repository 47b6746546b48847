// From the page to the row: Chromium uses the demonstration site, and the tests read the events from ClickHouse.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium } from "./driver/browsers.mjs";
import { ADDRESS, sleep, start, sumOf } from "./footfall.mjs";

const USER_AGENT =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Zaphod77";
const TYPED_TEXTS = ["Beeblebrox", "+79005550177", "zaphod77@example.org"];

let page, footfall;
before(async () => {
  const args = [`--user-agent=${USER_AGENT}`, "--accept-lang=ru-RU", "--screen-info={1920x1080}", "--window-size=1280,900"];
  [page, footfall] = await Promise.all([launchChromium({ args, timeZone: "Europe/Moscow" }), start()]);
});
after(async () => {
  await page?.close();
  await footfall?.close();
});

/** Waits until the page has this path. */
async function waitForPath(pattern) {
  const end = Date.now() + 20_000;
  while (!pattern.test(await page.run(() => location.pathname))) {
    if (Date.now() > end) throw new Error(`no page ${pattern}`);
    await sleep(50);
  }
}

/** Waits for `count` events that match the SQL condition `where`, and returns them. */
async function waitForRows(where, count = 1) {
  const end = Date.now() + 45_000;
  for (;;) {
    const found = await footfall.rows(`SELECT * FROM events WHERE ${where} ORDER BY page_load, seq`);
    if (found.length >= count) return found;
    if (Date.now() > end) {
      const all = await footfall.rows("SELECT kind, path, name, ad FROM events ORDER BY time");
      throw new Error(`expected ${count} rows where ${where}; the table has ${JSON.stringify(all)}\n${footfall.log()}`);
    }
    await sleep(250);
  }
}

test("every kind of event is stored with its fields", async () => {
  const from = footfall.origin.replace("127.0.0.1", "search.localhost");
  const first = `${footfall.origin}/?utm_source=mail&utm_campaign=spring&token=s3cr3t77#part`;
  await page.open(`${footfall.origin}/icon.svg`);
  const cookies = { ab: "B", consent: "yes-all", session: "secret-session-77" };
  for (const [name, value] of Object.entries(cookies)) await page.addCookie({ name, value });
  await page.open(`${from}/from?to=${encodeURIComponent(first)}`);
  await page.click("a");
  await waitForPath(/^\/$/);
  await sleep(1_800);
  await page.run(() => scrollTo(0, 1e6));
  await sleep(1_600);
  await page.click('[data-footfall-ad="heart-month"] a');
  await waitForPath(/^\/doctors\/cardiology/);
  await page.click('.chip[href^="/doctors/children"]');
  await sleep(800);
  await page.open(`${footfall.origin}/booking`);
  for (const [index, name] of ["name", "phone", "email"].entries()) {
    await page.click(`[name=${name}]`);
    await page.type(TYPED_TEXTS[index]);
  }
  await page.click("[name=first]");
  await page.click("form .button");
  await sleep(500);
  await page.open(`${footfall.origin}/news`);
  await page.click("#throw");
  await page.click("#reject");
  await page.run(() => addEventListener("click", (event) => event.preventDefault()));
  await page.click('a[href^="/prices.pdf"]');
  await page.click('a[href*="who.int"]');
  await sleep(800);
  await page.open(`${footfall.origin}/doctors/old-list`);
  await sleep(800);
  await page.open("about:blank");

  const [view] = await waitForRows("kind = 'view' AND path = '/'");
  const isRecent = (time) => Math.abs(Date.now() - Date.parse(`${time.replace(" ", "T")}Z`)) < 120_000;
  assert.ok(isRecent(view.time) && isRecent(view.received), `${view.time} ${view.received}`);
  assert.deepEqual(
    [view.site, view.host, view.query, view.utm_source, view.utm_campaign, view.policy],
    ["clinic", "127.0.0.1", "utm_source=mail&utm_campaign=spring", "mail", "spring", "2026-11-22"],
  );
  assert.deepEqual([view.referrer_host, view.referrer_path, view.ip_version], ["search.localhost", "/", 4]);
  assert.deepEqual([view.language, view.timezone, view.screen], ["ru-RU", "Europe/Moscow", "1920 and more"]);
  assert.equal(view.cookies_enabled, true);
  assert.deepEqual(view.cookies, { ab: "B", consent: "1" });
  assert.match(view.browser, /Chrom/);
  assert.ok(view.os && view.engine && view.browser_version, JSON.stringify(view));
  for (const id of [view.visitor, view.address, view.page_load]) assert.ok(BigInt(id) > 0n);

  const views = await waitForRows("kind = 'view'", 6);
  assert.deepEqual(
    views.map(({ path }) => path).sort(),
    ["/", "/booking", "/doctors/cardiology", "/doctors/children", "/doctors/old-list", "/news"],
  );
  assert.equal(new Set(views.map(({ visitor }) => visitor)).size, 1, "one visitor");
  const navigated = views.find(({ path }) => path === "/doctors/children");
  assert.equal(navigated.page_load, views.find(({ path }) => path === "/doctors/cardiology").page_load);
  assert.deepEqual([navigated.referrer_host, navigated.referrer_path], ["127.0.0.1", "/doctors/cardiology"]);

  const [leave] = await waitForRows("kind = 'leave' AND path = '/'");
  assert.ok(leave.engaged_ms > 1_500 && leave.engaged_ms < 60_000, `engaged ${leave.engaged_ms}`);
  assert.ok(leave.scroll_depth >= 95, `depth ${leave.scroll_depth}`);

  const ads = (await waitForRows("kind = 'ad' AND path = '/'", 5)).map(({ ad, slot, name }) => `${ad} ${slot} ${name}`);
  assert.deepEqual(ads.sort(), [
    "heart-month bottom click",
    "heart-month bottom impression",
    "heart-month bottom viewable",
    "spring-checkup side impression",
    "spring-checkup side viewable",
  ]);

  const [booking] = await waitForRows("kind = 'event' AND name = 'booking'");
  assert.deepEqual([booking.path, booking.props], ["/booking", { speciality: "cardiology", first: "true" }]);

  const [download] = await waitForRows("kind = 'download'");
  assert.equal(download.name, "127.0.0.1/prices.pdf");
  const [outbound] = await waitForRows("kind = 'outbound'");
  assert.equal(outbound.name, "www.who.int/health-topics/influenza");

  const errors = await waitForRows("kind = 'error'", 2);
  const thrown = errors.find(({ error_message }) => error_message.includes("price list"));
  assert.match(thrown.error_message, /the price list of patient/);
  assert.equal(thrown.error_source, "127.0.0.1/site.js");
  assert.ok(thrown.error_line > 0 && thrown.error_column > 0 && thrown.error_stack && BigInt(thrown.error_group) > 0n);
  const rejected = errors.find(({ error_message }) => error_message.includes("calendar"));
  assert.equal(rejected.error_message, "TypeError: the calendar did not answer :email");

  const [resource] = await waitForRows("kind = 'resource'");
  assert.deepEqual([resource.name, resource.props], ["127.0.0.1/images/ultrasound-room.jpg", { tag: "img" }]);

  const [vitals] = await waitForRows("kind = 'vitals' AND path = '/'");
  assert.ok(vitals.lcp_ms > 0 && vitals.fcp_ms > 0 && vitals.ttfb_ms >= 0 && vitals.load_ms > 0, JSON.stringify(vitals));
  assert.ok(vitals.cls !== null && vitals.dns_ms !== null && vitals.connect_ms !== null && vitals.tls_ms === 0);

  const [missing] = await waitForRows("kind = 'missing'");
  assert.equal(missing.path, "/doctors/old-list");
  const kinds = await footfall.rows("SELECT DISTINCT toString(kind) AS kind FROM events");
  assert.equal(kinds.length, 10);
});

test("odd errors and texts of a page are stored, and cost no other event", async () => {
  footfall.setInit(() => {
    addEventListener("load", () => {
      const half = "boom 😀".slice(0, 6);
      window.footfall("search", { q: half, big: 10n, share: 1 / 3 });
      Promise.reject({ stack: 42, toString: () => "odd stack" });
      Promise.reject("");
      Promise.reject(new Error(""));
      for (let i = 0; i < 3; i++) window.footfall("long", { text: "中".repeat(9_000), number: i });
      window.footfall("after");
    });
  });
  await page.open(`${footfall.origin}/privacy`);
  await waitForRows("path = '/privacy' AND name = 'after'");
  footfall.setInit();
  const [search] = await waitForRows("path = '/privacy' AND name = 'search'");
  assert.equal(search.props.q, "boom \ufffd");
  assert.equal((await waitForRows("path = '/privacy' AND name = 'long'", 3)).length, 3);
  const errors = await waitForRows("path = '/privacy' AND kind = 'error'", 3);
  assert.deepEqual(errors.map(({ error_message }) => error_message).sort(), ["Error", "odd stack", "unhandledrejection"]);
  await waitForRows("path = '/privacy' AND kind = 'view'");
});

test("the image of a page without JavaScript counts the page that it names", async () => {
  await page.open(`${footfall.origin}/plain`);
  const [view] = await waitForRows("kind = 'view' AND path = '/doctors/surgery'");
  assert.deepEqual([view.site, view.host], ["clinic", "127.0.0.1"]);
});

for (const [name, init] of [
  ["Global Privacy Control", () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { value: true })],
  ["Do Not Track", () => Object.defineProperty(Navigator.prototype, "doNotTrack", { value: "1" })],
  ["the opt-out", () => (document.cookie = "footfall_optout=1;path=/")],
])
  test(`${name}: the script sends nothing`, async () => {
    await page.open("about:blank");
    await sleep(500);
    const received = async () => sumOf(await footfall.metrics(), "footfall_events_received_total");
    const before = await received();
    footfall.setInit(init);
    await page.open(`${footfall.origin}/news`);
    await page.click("#throw");
    await sleep(1_200);
    await page.open("about:blank");
    await sleep(300);
    footfall.setInit();
    assert.equal(await received(), before);
  });

test("an event of a visitor who refuses is counted as dropped and not stored", async () => {
  const before = await footfall.rows("SELECT count() AS rows FROM events WHERE path = '/refused'");
  const dropped = async () => sumOf(await footfall.metrics(), "footfall_events_dropped_total", "optout");
  const counted = await dropped();
  for (const [index, headers] of [{ "sec-gpc": "1" }, { dnt: "1" }, { cookie: "a=b; footfall_optout=1" }].entries()) {
    const body = JSON.stringify({ v: 1, s: "clinic", l: `refused${index}`, e: [{ k: "view", u: `${footfall.origin}/refused` }] });
    const answer = await fetch(`${footfall.collector}/b`, { method: "POST", body, headers });
    assert.equal(answer.status, 204);
    assert.match(answer.headers.get("x-footfall-dropped"), /optout=1/);
  }
  assert.equal(await dropped(), counted + 3);
  await sleep(2_000);
  assert.deepEqual(await footfall.rows("SELECT count() AS rows FROM events WHERE path = '/refused'"), before);
});

test("no file, log line, metric or row contains the address, the user agent or typed text", async () => {
  const metrics = await footfall.metrics();
  const stored = await footfall.rows("SELECT * FROM events");
  const written = await footfall.finish();
  written.set("metrics", Buffer.from(metrics)).set("rows", Buffer.from(JSON.stringify(stored)));
  const secrets = [ADDRESS, "Zaphod77", USER_AGENT, "s3cr3t77", "secret-session-77", "maria@example.org", ...TYPED_TEXTS];
  for (const [name, bytes] of written) {
    for (const secret of secrets) assert.ok(!bytes.includes(secret), `${secret} is in ${name}`);
  }
  assert.ok(written.size > 3, "the collector wrote files");
});
