// A collector with a month of invented visitors, and what the tests of its page share.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, program, sleep } from "../footfall.mjs";

const run = promisify(execFile);
export const SITE = "demo";
/** A text that would run if it were not escaped. */
export const HOSTILE = `"><img src=x onerror="window.ran=1"><script>window.ran=1</script>`;

/** Starts a collector whose store has a month of invented visitors and, if wanted, hostile texts in every field of today. */
export async function startReports({ visitors = 60, hostile = true } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "footfall-page-"));
  const [listen, admin, reports, store, site] = await Promise.all(Array.from({ length: 5 }, freePort));
  const { TEST_BIN: _, ...inherited } = process.env;
  const address = (port) => `127.0.0.1:${port}`;
  const env = {
    ...inherited,
    FOOTFALL_LISTEN: address(listen),
    FOOTFALL_ADMIN: address(admin),
    FOOTFALL_REPORTS: address(reports),
    FOOTFALL_STORE_LISTEN: address(store),
    FOOTFALL_KEY: join(directory, "key"),
    FOOTFALL_KEY_ON_DISK: "true",
  };
  const command = async (...args) => (await run(program, args, { cwd: directory, env, maxBuffer: 64 << 20 })).stdout;
  await command("demo", "--site", address(site), "--visitors", `${visitors}`, "--days", "30");
  const child = spawn(program, ["demo", "--site", address(site)], { cwd: directory, env, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (part) => (log += part));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const close = async () => {
    child.kill("SIGTERM");
    await ended;
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  const origin = `http://${address(reports)}`;
  const config = join(directory, "data/demo/footfall.toml");
  const started = { origin, close, log: () => log };
  /** A report as the command line prints it. */
  started.report = async (name, ...args) => JSON.parse(await command("report", name, "--site", SITE, "--format", "json", "--config", config, ...args));
  started.share = async (...args) => (await command("share", ...args, "--config", config)).trim();
  /** The reports and their columns. */
  started.catalogue = async () => (await (await fetch(`${origin}/api/reports`)).json()).reports;
  await until(() => fetch(`${origin}/api/reports/overview?site=${SITE}`).then(({ ok }) => ok, () => false), "the reports answer", 90_000);
  if (!hostile) return started;
  await sendHostileTexts(`http://${address(listen)}`);
  const today = () => fetch(`${origin}/api/reports/events?site=${SITE}&from=today`).then((answer) => answer.text());
  await until(async () => (await today()).includes("onerror"), "hostile texts are stored", 60_000);
  // Today is computed anew for some seconds after its last event.
  let before;
  const overview = () => fetch(`${origin}/api/reports/overview?site=${SITE}&from=28d`).then((answer) => answer.json());
  const isSettled = async () => {
    const now = JSON.stringify((await overview()).rows);
    const same = now === before;
    before = now;
    return same || void (await sleep(3_000));
  };
  await until(isSettled, "the figures are settled", 60_000);
  return started;
}

/** Beacons whose every text is hostile. */
async function sendHostileTexts(listen) {
  const headers = { origin: "http://127.0.0.1", "content-type": "text/plain", "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0" };
  const page = `http://127.0.0.1/${encodeURIComponent(HOSTILE)}?utm_source=${HOSTILE}&utm_medium=${HOSTILE}&utm_campaign=${HOSTILE}&utm_term=${HOSTILE}&utm_content=${HOSTILE}`;
  const events = [
    { k: "view", a: 0, u: page, r: `https://example.org/${HOSTILE}` },
    { k: "event", a: 0, n: HOSTILE, p: { [HOSTILE]: HOSTILE } },
    { k: "ad", a: 0, n: "view", ad: HOSTILE, slot: HOSTILE },
    { k: "ad", a: 0, n: "click", ad: HOSTILE, slot: HOSTILE },
    { k: "outbound", a: 0, n: `https://example.org/${HOSTILE}` },
    { k: "download", a: 0, n: `https://example.org/${HOSTILE}.pdf` },
    { k: "error", a: 0, m: HOSTILE, f: `http://127.0.0.1/${HOSTILE}.js`, ln: 1, col: 1, st: HOSTILE },
    { k: "resource", a: 0, n: `http://127.0.0.1/${HOSTILE}.png`, tag: HOSTILE },
    { k: "missing", a: 0, u: page },
    { k: "leave", a: 0, ms: 900, sd: 100 },
  ];
  // Each from another address, so that the texts have visitors enough to be shown.
  for (let visitor = 0; visitor < 8; visitor++) {
    const body = JSON.stringify({ v: 1, s: SITE, l: `page${visitor}`, o: 0, w: 1536, h: 864, g: "en", e: events });
    const answer = await fetch(`${listen}/b`, { method: "POST", headers: { ...headers, "user-agent": `${headers["user-agent"]} ${visitor}` }, body });
    if (answer.status !== 204) throw new Error(`${answer.status}: ${await answer.text()}`);
  }
}

/** Waits until a condition holds. */
export async function until(condition, what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    let cause;
    // A script that runs while its document is replaced by another has no result.
    const found = await Promise.resolve(condition()).catch((error) => void (cause = error));
    if (found) return found;
    if (Date.now() > end) throw new Error(`never: ${what}`, { cause });
    await sleep(50);
  }
}

/** Serves one page at `http://localhost:PORT`, which is another site than 127.0.0.1. */
export async function serveElsewhere(html) {
  const server = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(html));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://localhost:${server.address().port}/`, close: () => (server.closeAllConnections(), server.close()) };
}

/** Whether a selector matches something in the page. */
export const has = (driver, selector) => driver.run((selector) => document.querySelector(selector) !== null, selector);

export const textOf = (driver, selector) => driver.run((selector) => document.querySelector(selector)?.textContent.trim() ?? null, selector);

export const textsOf = (driver, selector) => driver.run((selector) => [...document.querySelectorAll(selector)].map((found) => found.textContent.trim()), selector);

export const axe = await readFile(new URL("../../../script/node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
