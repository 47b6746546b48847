// What arrives at the collector's host when a page is visited: a proxy before the collector keeps every request, byte for byte.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { browsers } from "./driver/browsers.mjs";
import { sleep, startWithoutStore, sumOf } from "./footfall.mjs";

const SITE = `[[site]]
id = "clinic"
hosts = ["*.localhost", "localhost", "127.0.0.1"]
query = ["utm_*", "city", "filter[kind]", "sort*"]
cookies = { ab = "value" }
`;
/** Texts of the page's address, of its cookies and of addresses in it that nobody but the site may see. */
const SECRETS = ["s3cret", "ivanov-77", "click-77", "session-77", "frag-77", "back-77", "name-77"];
/** Where the visitor comes from, and the page: paths are sent, other parameters and values of click ids are not. */
const FROM = "/list?back=back-77";
const PAGE =
  "/doctors?token=s3cret&utm_source=mail&gclid=click-77&next=https://x.example/?q=ivanov-77&city=omsk&filter[kind]=a&sort_by=price&cityname=name-77#frag-77";

let collector, tag;
before(async () => {
  collector = await startWithoutStore(["serve"], SITE, []);
  [tag] = collector.output().match(/<script defer .*<\/script>/);
});
after(() => collector?.close());

/** Passes connections to the collector, and keeps what they bring. */
async function record() {
  const requests = [];
  const server = createTcpServer((client) => {
    const parts = [];
    requests.push(parts);
    const upstream = connect(collector.collector, "127.0.0.1");
    client.on("data", (part) => parts.push(part)).pipe(upstream);
    upstream.pipe(client);
    for (const [socket, other] of [[client, upstream], [upstream, client]]) socket.on("error", () => other.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.address().port, text: () => requests.map((parts) => Buffer.concat(parts).toString()).join("\n"), close: () => server.close() };
}

/** Serves the page with the tag that the collector printed, and on its own host also the collector. */
async function servePages(stats) {
  const body = `<!doctype html><meta charset="utf-8"><title>t</title><link rel="icon" href="data:,">`;
  const page = `${body}<script>document.cookie = "session=session-77;path=/" + (location.hostname.includes("clinic") ? ";domain=clinic.localhost" : "")</script>
    ${tag.replace(/http:\/\/[^/"]+/, stats)}
    <a id=out href="http://other.example/x?who=ivanov-77">out</a> <img src="/gone.png?who=ivanov-77">
    <script>const fail = () => { throw new Error("failed at " + location.href + " now"); }; addEventListener("load", () => setTimeout(fail, 100));
    addEventListener("click", (event) => event.preventDefault())</script>`;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    response.setHeader("content-type", "text/html; charset=utf-8");
    if (pathname === "/list") return response.end(`${body}<a id=next href="${PAGE}">next</a>`);
    if (pathname === "/doctors") return response.end(page);
    response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.address().port, close: () => server.close() };
}

test("the tag that the collector prints lists what the site allows", () => {
  assert.match(tag, /data-query="city\|filter\\\[kind\\\]\|sort\.\*" data-cookies="ab" crossorigin="anonymous" referrerpolicy="origin"/);
});

for (const { name, launch } of browsers)
  describe(`in ${name}`, () => {
    let driver;
    before(async () => (driver = await launch()));
    after(() => driver?.close());

    test("a collector on the site's own domain gets no query, no cookie and no path in Referer", async () => {
      const recorder = await record();
      const pages = await servePages(`http://stats.clinic.localhost:${recorder.port}`);
      const origin = `http://www.clinic.localhost:${pages.port}`;
      try {
        const stored = async () => sumOf(await collector.metrics(), "footfall_events_received_total");
        const before = await stored();
        await driver.open(origin + FROM);
        await driver.run(() => (document.cookie = "ab=B;path=/;domain=clinic.localhost"));
        await driver.click("#next");
        const end = Date.now() + 20_000;
        // The field that tells the kind of each event.
        const sent = () => recorder.text().match(/"(k|m|tag|dl|ms|responseStart)":/g) ?? [];
        const kinds = ["k", "m", "tag", "dl", "ms", "responseStart"].map((field) => `"${field}":`);
        while (!sent().includes('"m":') && Date.now() < end) await sleep(50);
        await driver.click("#out");
        await driver.open("about:blank");
        while (!kinds.every((kind) => sent().includes(kind)) && Date.now() < end) await sleep(50);
        const text = recorder.text();
        assert.deepEqual([...new Set(sent())].sort(), kinds.sort(), text);
        for (const secret of SECRETS) assert.ok(!text.includes(secret), `${secret} arrives: ${text}`);
        assert.doesNotMatch(text, /^cookie:/im);
        const referrers = [...text.matchAll(/^referer: (.*)\r$/gim)].map(([, referrer]) => referrer);
        assert.ok(referrers.length >= 2, text);
        assert.deepEqual([...new Set(referrers)], [`${origin}/`]);
        assert.match(text, /^GET \/s\.js /m);
        // What the site allows does arrive, and so does what is seen of the campaign.
        const kept = "utm_source=mail&gclid=1&city=omsk&filter[kind]=a&sort_by=price";
        assert.ok(text.includes(`"u":"${origin}/doctors?${kept}","r":"${origin}/list"`), text);
        assert.ok(text.includes(`"ck":["ab=B"]`) || text.includes(`"ck":[" ab=B"]`), text);
        while ((await stored()) < before + sent().length && Date.now() < end) await sleep(50);
        assert.equal(await stored(), before + sent().length, "the collector takes every event");
      } finally {
        pages.close();
        recorder.close();
      }
    });
  });
