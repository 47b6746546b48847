// The queue of events. An event leaves it when the collector has answered the beacon that carried it.
//
// Each event has a number within its page load. The queue is ordered by number, and `firstNumber` is the number of its
// head. Every beacon starts at the head, so a beacon that is sent again repeats the same numbers.

import { browserFields } from "./browser";
import { schedule } from "./guard";
import { referrer, url } from "./page";
import { endpoint, settings } from "./settings";
import type { Beacon, EventFields } from "./wire";

/** Seconds during which events gather before they are sent, and the first pause after a failure. */
const GATHER_SECONDS = 0.25;
/** Characters that may wait; an event beyond is dropped. At two bytes each they fit a beacon of 64 KiB. */
const MAX_CHARACTERS = 3e4;
/** The last index of the queue: a beacon has at most 100 events. */
const LAST_INDEX = 99;
/** Failures that a page load may report. A page that fails in a loop must not fill the queue. */
const MAX_FAILURES = 20;
/** The random id of this page load. It also spreads retries of many browsers over time. */
const pageLoad = Math.random();

/** The events that wait. They are copies, so the page cannot change them. */
const queue: object[] = [];
/** The failures reported so far, to report each once. */
const failures: string[] = [];
let firstNumber = 0;
/** How many events are in the beacon that is in flight. */
let inFlight = 0;
let pauseSeconds = GATHER_SECONDS;
let timer: number;

export const now = Date.now;

/** Adds an event if a page is counted and the queue has room. A failure that was reported before is dropped. */
export const enqueue = <Kind extends keyof EventFields>(k: Kind, fields?: EventFields[Kind], isFailure?: unknown): void => {
  const event = JSON.stringify({ k, ...fields, u: url, r: referrer });
  if (!url || queue[LAST_INDEX] || (JSON.stringify(queue) + event).length > MAX_CHARACTERS) return;
  if (isFailure && (failures.includes(event) || failures.push(event) > MAX_FAILURES)) return;
  queue.push({ at: now(), ...JSON.parse(event) });
  scheduleFlush();
};

/** Sends the queue. While a beacon is in flight it does so only if the page is `closing` and more events wait. */
export const flush = (closing?: unknown): void => {
  timer = 0;
  if (!url || !queue[inFlight] || (inFlight && !closing)) return;
  inFlight = queue.length;
  const end = firstNumber + inFlight;
  const body = JSON.stringify({
    v: 1,
    s: settings.site,
    l: pageLoad,
    o: firstNumber,
    at: now(),
    ...browserFields(),
    e: queue,
  } satisfies Beacon);
  /** Removes the events that were sent unless sending `failed`, and sends the rest after `retryAfter` seconds or more. */
  const complete = (failed: unknown, retryAfter?: unknown): void => {
    inFlight = 0;
    pauseSeconds = failed ? pauseSeconds * 2 : GATHER_SECONDS;
    for (; !failed && firstNumber < end; firstNumber++) queue.shift();
    scheduleFlush(retryAfter);
  };
  // Older browsers abort a fetch when its page closes.
  if (closing) complete(!navigator.sendBeacon(endpoint, body));
  else
    fetch(endpoint, { method: "POST", body, keepalive: true }).then(
      (response) => complete(response.status > 428, response.headers.get("retry-after")),
      complete,
    );
};

/** Schedules `flush` in this many seconds or more, unless it is scheduled already. */
const scheduleFlush = (seconds?: unknown): void => {
  timer ||= schedule(flush, (1 + pageLoad) * Math.max(pauseSeconds, (seconds as number) | 0));
};
