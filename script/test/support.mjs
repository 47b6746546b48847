// A collector that records the beacons it receives, and pages that carry the script.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

const script = await readFile(new URL("../dist/s.js", import.meta.url));

/** Starts Chromium without a screen. */
export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Playwright disables the back/forward cache by default.
      "--enable-features=BackForwardCache",
    ],
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });

/** Returns a page with `body`; `tag` are further attributes of the script element, `before` comes ahead of it. */
export const html = (body, { tag = "", before = "" } = {}) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><link rel="icon" href="data:,">${before}
  <script defer src="/s.js" data-site="clinic" ${tag}></script><body>${body}`;

/** Serves `pages` (path → text, or `{status, headers, text}`) and accepts beacons. `state.answer` decides each answer; null breaks the connection. */
export async function serve(pages) {
  const beacons = [];
  const requests = [];
  const state = { answer: () => ({ status: 204 }) };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    if (pathname === "/b") {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (part) => (body += part));
      request.on("end", () => {
        requests.push({ headers: request.headers, at: performance.now(), body });
        const answer = state.answer(JSON.parse(body), requests.length);
        if (!answer) return request.socket.destroy();
        if (answer.status === 204) beacons.push(JSON.parse(body));
        response.writeHead(answer.status, answer.headers).end();
      });
      return;
    }
    if (pathname === "/s.js") return response.writeHead(200, { "content-type": "text/javascript" }).end(script);
    const page = pages[pathname];
    if (page === undefined) return response.writeHead(404, { "content-type": "text/plain" }).end("none");
    const { status = 200, headers = {}, text } = typeof page === "string" ? { text: page } : page;
    response.writeHead(status, { "content-type": "text/html; charset=utf-8", ...headers }).end(text);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const events = () =>
    beacons.flatMap((beacon) => {
      let page = {};
      return beacon.e.map((event, index) => {
        if (event.u) page = { u: event.u, r: event.r };
        return { ...event, ...page, seq: beacon.o + index, load: beacon.l };
      });
    });
  return {
    origin,
    beacons,
    requests,
    state,
    events,
    /**
     * Returns the events of a kind once there are `count`; fails after `limit` ms.
     *
     * Like the collector, it counts an event once by its page load and number: a page that closes repeats the beacon in flight.
     */
    async waitFor(kind, count = 1, limit = 8_000) {
      const end = performance.now() + limit;
      for (;;) {
        const distinct = new Map(events().map((event) => [`${event.load} ${event.seq}`, event]));
        const found = [...distinct.values()].filter((event) => event.k === kind);
        if (found.length >= count) return found;
        if (performance.now() > end) {
          throw new Error(`expected ${count} events of kind ${kind}; received ${JSON.stringify(events())}`);
        }
        await sleep(20);
      }
    },
    /** Returns the events of a kind received so far, repeated ones included. */
    received: (kind) => events().filter((event) => event.k === kind),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export { sleep };
