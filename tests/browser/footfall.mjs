// Starts a collector with its embedded store, the demonstration site, and a proxy that adds the visitor's address.

import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, request as forward } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const root = new URL("../../", import.meta.url);
export const program = process.env.TEST_BIN || new URL("target/debug/footfall", root).pathname;
const files = new URL("src/demo/site/", root);

/** The visitors' address that the proxy sends: TEST-NET-3 of RFC 5737. */
export const ADDRESS = "203.0.113.77";

export const freePort = () =>
  new Promise((resolve) => {
    const server = createTcpServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/**
 * Starts a command of the program with a configuration of its own and without a store: the collector accepts beacons without it.
 * Returns when all of the addresses `waitFor` answer.
 */
export async function startWithoutStore(command, sites, waitFor) {
  const directory = await mkdtemp(join(tmpdir(), "footfall-"));
  const [collector, admin, reports, store] = await Promise.all(Array.from({ length: 4 }, freePort));
  await writeFile(
    join(directory, "footfall.toml"),
    `listen = "127.0.0.1:${collector}"
admin = "127.0.0.1:${admin}"
reports = "127.0.0.1:${reports}"
data = "${directory}/data"
key = "${directory}/key"
key_on_disk = true
[store]
url = "http://127.0.0.1:${store}"
${sites}`,
  );
  let output = "";
  const { TEST_BIN: _, ...env } = process.env;
  const child = spawn(program, [...command, "--config", "footfall.toml"], { cwd: directory, env, stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.on("data", (part) => (output += part));
  const close = async () => {
    child.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  };
  const addresses = [`http://127.0.0.1:${collector}/s.js`, ...waitFor];
  const end = Date.now() + 60_000;
  for (const address of addresses) {
    while (!(await fetch(address).then(({ ok }) => ok, () => false))) {
      if (child.exitCode !== null || Date.now() > end) {
        await close();
        throw new Error(`${address} does not answer`);
      }
      await sleep(50);
    }
  }
  return {
    collector,
    reports: `http://127.0.0.1:${reports}`,
    /** Runs a command with the same configuration and returns its output. */
    run: (...command) => execFileSync(program, [...command, "--config", "footfall.toml"], { cwd: directory, env, encoding: "utf8" }),
    output: () => output,
    metrics: async () => (await fetch(`http://127.0.0.1:${admin}/metrics`)).text(),
    close,
  };
}

/** The sum of the metrics with this name, and with this text among their labels. */
export const sumOf = (metrics, name, label = "") =>
  metrics
    .split("\n")
    .filter((line) => line.startsWith(name) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);

/** Starts the collector and its store, and waits until both are ready. */
export async function start() {
  const directory = await mkdtemp(join(tmpdir(), "footfall-"));
  const [collector, admin, reports, store] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  await writeFile(
    join(directory, "footfall.toml"),
    `listen = "127.0.0.1:${collector}"
admin = "127.0.0.1:${admin}"
reports = "127.0.0.1:${reports}"
data = "${directory}/data"
key = "${directory}/key"
key_on_disk = true
policy = "2026-11-22"
trusted_proxies = ["127.0.0.0/8"]
[store]
url = "http://127.0.0.1:${store}"
user = "footfall_collector"
[[site]]
id = "clinic"
hosts = ["127.0.0.1"]
query = ["utm_*"]
cookies = { ab = "value", consent = "presence" }
`,
  );
  let log = "";
  const { TEST_BIN: _, ...env } = process.env;
  const run = (...command) => {
    const child = spawn(program, command, { cwd: directory, env });
    child.stdout.on("data", (part) => (log += part));
    child.stderr.on("data", (part) => (log += part));
    return child;
  };
  const engine = run("embedded", "--data", join(directory, "data/store"), "--listen", `127.0.0.1:${store}`);
  const child = run("serve", "--config", join(directory, "footfall.toml"));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const engineEnded = new Promise((resolve) => engine.once("exit", resolve));
  const metrics = async () => (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  const end = Date.now() + 90_000;
  for (;;) {
    // The collector accepts beacons without the store; the tests need both.
    const ready = (address) => fetch(address).then(({ ok }) => ok, () => false);
    if ((await ready(`http://127.0.0.1:${admin}/readyz`)) && (await ready(`http://127.0.0.1:${store}/ping`))) break;
    if (child.exitCode !== null || Date.now() > end) {
      child.kill("SIGKILL");
      engine.kill("SIGKILL");
      throw new Error(`the collector and its store are not ready:\n${log}`);
    }
    await sleep(50);
  }
  const proxy = await serveProxy(collector);
  const state = { init: undefined };
  const site = await serveSite(`http://127.0.0.1:${proxy.address().port}`, state);
  return {
    origin: `http://127.0.0.1:${site.address().port}`,
    collector: `http://127.0.0.1:${proxy.address().port}`,
    /** Lets each page of the site call a function before its own scripts; nothing lets it be as it is. */
    setInit: (work) => (state.init = work),
    metrics,
    log: () => log,
    /** Runs a query and returns its rows. */
    async rows(sql) {
      const answer = await fetch(`http://127.0.0.1:${store}/?database=footfall`, {
        method: "POST",
        headers: { "x-clickhouse-user": "footfall_collector" },
        body: `${sql} FORMAT JSONEachRow`,
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(text);
      return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    },
    /** Returns the value of a metric, with its labels as in the exposition format, or 0. */
    async metric(name) {
      const line = (await metrics()).split("\n").find((line) => line.startsWith(`${name} `));
      return line ? Number(line.split(" ").at(-1)) : 0;
    },
    /** Stops the collector and its store, and returns the content of every file and of the log. */
    async finish() {
      child.kill("SIGTERM");
      await ended;
      engine.kill("SIGTERM");
      await engineEnded;
      const written = new Map([["log", Buffer.from(log)]]);
      for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.name === "footfall.toml") continue;
        const path = join(entry.parentPath ?? entry.path, entry.name);
        written.set(path, await readFile(path));
      }
      return written;
    },
    async close() {
      for (const process of [child, engine]) if (process.exitCode === null) process.kill("SIGKILL");
      for (const server of [proxy, site]) {
        server.closeAllConnections();
        server.close();
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Forwards requests to the collector with the visitor's address, as a reverse proxy does. */
async function serveProxy(port) {
  const server = createServer((request, response) => {
    const headers = { ...request.headers, "x-forwarded-for": ADDRESS };
    const forwarded = forward({ port, host: "127.0.0.1", path: request.url, method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Serves the demonstration site like `footfall demo`, at `/from` a page that links to it, and at `/plain` one with the image for pages without JavaScript. */
async function serveSite(collector, state) {
  const types = { html: "text/html; charset=utf-8", css: "text/css", js: "text/javascript", svg: "image/svg+xml", pdf: "application/pdf" };
  const pages = { "/": "index", "/doctors": "doctors", "/booking": "booking", "/news": "news", "/privacy": "privacy" };
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://x");
    if (pathname === "/plain") {
      const image = (await readFile(new URL("docs/script.md", root), "utf8")).match(/<noscript>(.*)<\/noscript>/)[1];
      response.writeHead(200, { "content-type": types.html });
      return response.end(`<!doctype html><title>plain</title>${image.replace("https://stats.clinic.example", collector)}`);
    }
    if (pathname === "/from") {
      response.writeHead(200, { "content-type": types.html });
      return response.end(`<!doctype html><title>from</title><a href="${searchParams.get("to").replaceAll("&", "&amp;")}">go</a>`);
    }
    const page = pages[pathname] ?? (/^\/doctors\/(cardiology|children|laboratory|surgery)$/.test(pathname) ? "doctors" : undefined);
    const name = page ? `${page}.html` : pathname.slice(1);
    let [status, body] = [200, null];
    try {
      body = await readFile(new URL(name, files));
    } catch {
      [status, body] = [404, await readFile(new URL("missing.html", files))];
    }
    const type = status === 200 ? types[name.split(".").at(-1)] : types.html;
    if (type === types.html) {
      const init = state.init ? `<script>(${state.init})()</script>` : "";
      body = body.toString().replaceAll("{{collector}}", collector).replaceAll("{{site}}", "clinic").replace("<meta", `${init}<meta`);
    }
    response.writeHead(status, { "content-type": type }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

export { sleep };
