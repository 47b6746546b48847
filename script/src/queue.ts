// Events wait here until the collector has answered for them.
//
// The queue is in the order of the events' numbers and `first` is the number of its head; every beacon starts at the
// head. A beacon sent again thus keeps its numbers, and an answer for the events up to some number settles all before.

import { browser } from "./browser";
import { safely } from "./safely";
import { api, tag } from "./tag";

/** An event in waiting: when it happened, and its fields as JSON. */
type Waiting = [at: number, fields: string];

/** How long events gather before they are sent, ms. The answer about client hints is awaited no longer than this. */
const GATHER = 250;
/** Characters that wait at most; an event beyond is dropped. At two bytes each they fit a beacon of 64 KiB. */
const FULL = 3e4;
/** The last place in the queue: a beacon has at most 100 events. */
const LAST = 99;
/** Failures of one page load that are told of: a page that fails in a loop fails once. */
const MOST_FAILURES = 20;
/** Random id of this page load. */
const load = Math.random().toString(36).slice(2, 14);

const queue: Waiting[] = [];
const failures: string[] = [];
let first = 0;
let flying = 0;
let pause = 0.25;
let timer: number;

/** Address and referrer of the page that events belong to; without an address no event is taken. */
export const page: { u?: string; r?: string } = {};

export const now = (): number => performance.now();

/** Takes an event; a failure only if the same was not taken before. */
export const push = (event: object, failure?: boolean): void => {
  const fields = JSON.stringify({ ...event, ...page });
  if (!page.u || queue[LAST] || (queue + fields).length > FULL) return;
  if (failure && (failures.includes(fields) || failures.push(fields) > MOST_FAILURES)) return;
  queue.push([now(), fields]);
  wait(GATHER);
};

/** Sends what waits: when no beacon is under way, or when the page is `leaving` and there is more than is under way. */
export const send = (leaving?: boolean): void => {
  if (!page.u || !queue[flying] || (flying && !leaving)) return;
  flying = queue.length;
  const end = first + flying;
  const body = JSON.stringify({
    v: 1,
    s: tag.site,
    l: load,
    o: first,
    ...browser(),
    e: queue.map(([at, fields]) => ({ a: now() - at, ...JSON.parse(fields) })),
  });
  /** Settles the beacon unless it `failed`; then sends what is left, after this many s or more. */
  const settle = (failed: unknown, after?: unknown): void => {
    flying = 0;
    pause = failed ? pause * 2 : 0.25;
    for (; !failed && first < end; first++) queue.shift();
    wait(Math.max(pause, (after as number) | 0) * 1e3 * (1 + Math.random()));
  };
  // Older browsers end a fetch with its page.
  if (leaving) settle(!navigator.sendBeacon(api, body));
  else
    fetch(api, { method: "POST", body, keepalive: true }).then(
      ({ status, headers }) => settle(status > 428, headers.get("retry-after")),
      settle,
    );
};

/** Sends after this many ms, unless that is arranged already. */
const wait = (ms: number): void => {
  timer ||= setTimeout(
    safely(() => {
      timer = 0;
      send();
    }),
    ms,
  );
};

