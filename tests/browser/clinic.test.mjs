// From the page to the row: Chromium uses the demonstration site, and the tests read the events from ClickHouse.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "../../script/test/support.mjs";
import { ADDRESS, sleep, start } from "./footfall.mjs";

const USER_AGENT =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Zaphod77";
const TYPED_TEXTS = ["Beeblebrox", "+79005550177", "zaphod77@example.org"];

let browser, footfall;
before(async () => ([browser, footfall] = await Promise.all([launch(), start()])));
after(async () => {
  await browser?.close();
  await footfall?.close();
});

const openPage = async (init) => {
  const context = await browser.newContext({
    userAgent: USER_AGENT,
    locale: "ru-RU",
    timezoneId: "Europe/Moscow",
    viewport: { width: 1280, height: 900 },
    screen: { width: 1920, height: 1080 },
  });
  const page = await context.newPage();
  if (init) await page.addInitScript(init);
  return { context, page };
};

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
  const { context, page } = await openPage();
  await context.addCookies([
    { name: "ab", value: "B", url: footfall.origin },
    { name: "consent", value: "yes-all", url: footfall.origin },
    { name: "session", value: "secret-session-77", url: footfall.origin },
  ]);
  await page.goto(`${footfall.origin}/?utm_source=mail&utm_campaign=spring&token=s3cr3t77#part`, { referer: "https://yandex.ru/search?text=x" });
  await sleep(1_800);
  await page.mouse.wheel(0, 2_000);
  await sleep(1_600);
  await page.click('[data-footfall-ad="heart-month"] a');
  await page.waitForURL("**/doctors/cardiology*");
  await page.click('.chip[href^="/doctors/children"]');
  await sleep(800);
  await page.goto(`${footfall.origin}/booking`);
  await page.fill("[name=name]", TYPED_TEXTS[0]);
  await page.fill("[name=phone]", TYPED_TEXTS[1]);
  await page.fill("[name=email]", TYPED_TEXTS[2]);
  await page.check("[name=first]");
  await page.click("form .button");
  await sleep(500);
  await page.goto(`${footfall.origin}/news`);
  await page.click("#throw");
  await page.click("#reject");
  await page.evaluate(() => addEventListener("click", (event) => event.preventDefault()));
  await page.click('a[href^="/prices.pdf"]');
  await page.click('a[href*="who.int"]');
  await sleep(800);
  await page.goto(`${footfall.origin}/doctors/old-list`);
  await sleep(800);
  await page.close();

  const [view] = await waitForRows("kind = 'view' AND path = '/'");
  const isRecent = (time) => Math.abs(Date.now() - Date.parse(`${time.replace(" ", "T")}Z`)) < 120_000;
  assert.ok(isRecent(view.time) && isRecent(view.received), `${view.time} ${view.received}`);
  assert.deepEqual(
    [view.site, view.host, view.query, view.utm_source, view.utm_campaign, view.policy],
    ["clinic", "127.0.0.1", "utm_source=mail&utm_campaign=spring", "mail", "spring", "2026-11-22"],
  );
  assert.deepEqual([view.referrer_host, view.ip_version], ["yandex.ru", 4]);
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
  await context.close();
});

for (const [name, init] of [
  ["Global Privacy Control", () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { value: true })],
  ["Do Not Track", () => Object.defineProperty(Navigator.prototype, "doNotTrack", { value: "1" })],
  ["the opt-out", () => (document.cookie = "footfall_optout=1;path=/")],
])
  test(`${name}: the script sends nothing`, async () => {
    const received = await footfall.metrics().then((text) => text.match(/^footfall_events_received_total.*$/gm));
    const { context, page } = await openPage(init);
    await page.goto(`${footfall.origin}/news`);
    await page.click("#throw");
    await sleep(1_200);
    await context.close();
    await sleep(300);
    assert.deepEqual(await footfall.metrics().then((text) => text.match(/^footfall_events_received_total.*$/gm)), received);
  });

test("an event of a visitor who refuses is counted as dropped and not stored", async () => {
  const before = await footfall.rows("SELECT count() AS rows FROM events WHERE path = '/refused'");
  const dropped = async () =>
    (await footfall.metrics())
      .split("\n")
      .filter((line) => line.startsWith("footfall_events_dropped_total") && line.includes("optout"))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
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
