// A collector that records the beacons it receives, pages that carry the script, and windows of a browser that open them.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { test as runOnce } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const script = await readFile(new URL("../dist/s.js", import.meta.url));

/** Returns a page with `body`; `tag` are further attributes of the script element, `before` comes ahead of it. */
export const html = (body, { tag = "", before = "" } = {}) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><link rel="icon" href="data:,">${before}
  <script defer src="/s.js" data-site="clinic" ${tag}></script><body>${body}`;

/** Runs in each page before its own scripts: keeps the errors that reach the page. */
const recordErrors = () => {
  window.pageErrors = [];
  addEventListener("error", (event) => event.target === window && window.pageErrors.push(event.message));
  addEventListener("unhandledrejection", (event) => window.pageErrors.push(`rejected: ${event.reason}`));
};

/** The kind of an event, as the collector finds it out. Whether a link is a file or leads to another host is the collector's matter too. */
const kindOf = ({ k, ...fields }) => {
  const kinds = { dl: "link", ad: "ad", m: "error", tag: "resource", ms: "leave", responseStart: "vitals", n: "event" };
  return k ?? kinds[Object.keys(kinds).find((name) => name in fields)];
};

/**
 * Serves `pages` (path → text, or `{status, headers, text}`) and accepts beacons. `state.answer` decides each answer; null breaks
 * the connection. Each page first calls the functions `init`.
 */
export async function serve(pages, ...init) {
  const beacons = [];
  const requests = [];
  const state = { answer: () => ({ status: 204 }) };
  const first = `<script>${init.map((work) => `(${work})();`).join("")}</script>`;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    if (pathname === "/b") {
      const parts = [];
      request.on("data", (part) => parts.push(part));
      request.on("end", () => {
        const body = Buffer.concat(parts).toString();
        requests.push({ headers: request.headers, at: performance.now(), body });
        const answer = state.answer(JSON.parse(body), requests.length);
        if (!answer) return request.socket.destroy();
        if (answer.status === 204) beacons.push(JSON.parse(body));
        const cors = { "access-control-allow-origin": request.headers.origin, "access-control-expose-headers": "retry-after" };
        response.writeHead(answer.status, { ...cors, ...answer.headers }).end();
      });
      return;
    }
    if (pathname === "/s.js") {
      return response.writeHead(200, { "content-type": "text/javascript", "access-control-allow-origin": "*" }).end(script);
    }
    const page = pages[pathname];
    if (page === undefined) return response.writeHead(404, { "content-type": "text/plain" }).end("none");
    const { status = 200, headers = {}, text } = typeof page === "string" ? { text: page } : page;
    response.writeHead(status, { "content-type": "text/html; charset=utf-8", ...headers });
    response.end(init.length ? text.replace("<meta", `${first}<meta`) : text);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  const events = () =>
    beacons.flatMap((beacon) => {
      let page;
      return (beacon.e ?? []).map((event, index) => {
        // A page without a query may end in a question mark.
        if (event.u) page = { u: event.u.replace(/\?$/, ""), r: event.r };
        return { ...event, ...page, k: kindOf(event), seq: beacon.o + index, load: beacon.l };
      });
    });
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    beacons,
    requests,
    state,
    events,
    /**
     * Returns the events of a kind once there are `count`; fails after `limit` ms.
     *
     * Like the collector, it counts an event once by its page load and number: a page that closes repeats the beacon in flight.
     */
    async waitFor(kind, count = 1, limit = 10_000) {
      const end = performance.now() + limit;
      for (;;) {
        const found = this.received(kind);
        if (found.length >= count) return found;
        if (performance.now() > end) {
          throw new Error(`expected ${count} events of kind ${kind}; received ${JSON.stringify(events())}`);
        }
        await sleep(20);
      }
    },
    /** Returns the events of a kind received so far, repeated ones once. */
    received(kind) {
      const distinct = new Map(events().map((event) => [`${event.load} ${event.seq}`, event]));
      return [...distinct.values()].filter((event) => event.k === kind);
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/**
 * Runs `work` with a window of the browser `driver` that shows a page, the server of the page, and the errors that reached the page.
 *
 * `pages` is one page or several by path. `init` are functions that each page calls first.
 */
export async function withPage(driver, pages, work, { init = [], path = "/", host = "127.0.0.1" } = {}) {
  const site = await serve(typeof pages === "string" ? { "/": pages } : pages, recordErrors, ...[init].flat());
  const origin = `http://${host}:${site.port}`;
  await driver.openWindow();
  try {
    await driver.open(origin + path);
    await work({ page: driver, site, origin, errors: () => driver.run(() => window.pageErrors) });
  } finally {
    // A driver deletes the cookies of the page that is open.
    await driver.open(`${origin}/none`);
    await driver.deleteCookies();
    await driver.closeWindow();
    site.close();
  }
}

/** Tells the page that it is hidden or visible, right after an own event if one is named. Returns when, on the page's clock. */
export const setHidden = (page, hidden, event) =>
  page.run((hidden, event) => {
    if (event) window.footfall(event);
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    return Date.now();
  }, hidden, event);

export { sleep };

/**
 * A test of what a browser does in time. One that fails is tried once more and says so: on a busy machine a browser may answer seconds late.
 */
export const test = (name, work) =>
  runOnce(name, async (context) => {
    try {
      await work(context);
    } catch (error) {
      context.diagnostic(`tried again after: ${error.message}`);
      await work(context);
    }
  });
