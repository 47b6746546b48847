// Events wait here until the collector has answered for them.
//
// The queue is in the order of the events' numbers and `first` is the number of its head; every beacon starts at the
// head. A beacon sent again thus keeps its numbers, and an answer for the events up to some number settles all before.

import { browser } from "./browser";
import { later } from "./safely";
import { api, tag } from "./tag";
import { r, u } from "./view";

/** How long events gather before they are sent, s, and the first pause after a failure. The answer about client hints
 * is awaited no longer than this. */
const GATHER = 0.25;
/** Characters that wait at most; an event beyond is dropped. At two bytes each they fit a beacon of 64 KiB. */
const FULL = 3e4;
/** The last place in the queue: a beacon has at most 100 events. */
const LAST = 99;
/** Failures of one page load that are told of: a page that fails in a loop fails once. */
const MOST_FAILURES = 20;
/** Random id of this page load; it also spreads the moments at which browsers try again. */
const load = Math.random();

/** The events in waiting, copied, so that the page cannot change them. */
const queue: object[] = [];
const failures: string[] = [];
let first = 0;
let flying = 0;
let pause = GATHER;
let timer: number;

export const now = Date.now;

/** Takes an event of this kind, if there is a page to be counted; a failure only if the same was not taken before. */
export const tell = (k: string, fields?: object, failure?: unknown): void => {
  const event = JSON.stringify({ k, ...fields, u, r });
  if (!u || queue[LAST] || (JSON.stringify(queue) + event).length > FULL) return;
  if (failure && (failures.includes(event) || failures.push(event) > MOST_FAILURES)) return;
  queue.push({ at: now(), ...JSON.parse(event) });
  wait();
};

/** Sends what waits: when no beacon is under way, or when the page is `leaving` and there is more than is under way. */
export const send = (leaving?: unknown): void => {
  timer = 0;
  if (!u || !queue[flying] || (flying && !leaving)) return;
  flying = queue.length;
  const end = first + flying;
  const body = JSON.stringify({
    v: 1,
    s: tag.site,
    l: load,
    o: first,
    at: now(),
    ...browser(),
    e: queue,
  });
  /** Settles the beacon unless it `failed`; then sends what is left, after this many s or more. */
  const settle = (failed: unknown, after?: unknown): void => {
    flying = 0;
    pause = failed ? pause * 2 : GATHER;
    for (; !failed && first < end; first++) queue.shift();
    wait(after);
  };
  // Older browsers end a fetch with its page.
  if (leaving) settle(!navigator.sendBeacon(api, body));
  else
    fetch(api, { method: "POST", body, keepalive: true }).then(
      (answer) => settle(answer.status > 428, answer.headers.get("retry-after")),
      settle,
    );
};

/** Sends after a pause of this many s or more, unless that is arranged already. */
const wait = (s?: unknown): void => {
  timer ||= later(send, (1 + load) * Math.max(pause, (s as number) | 0));
};
