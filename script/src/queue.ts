// The queue of events. An event leaves it when the collector has answered the beacon that carried it.
//
// Each event has a number within its page load. The queue is ordered by number, and `firstNumber` is the number of its
// head. Every beacon starts at the head, so a beacon that is sent again repeats the same numbers.

import { browserFields } from "./browser";
import { guard, now, schedule } from "./guard";
import { closePage, page } from "./page";
import { endpoint, settings } from "./settings";
import type { Beacon, EventFields, PageFields, Withdrawal } from "./wire";

/** Seconds during which events gather before they are sent, and the first pause after a failure. */
const GATHER_SECONDS = 0.25;
/** Bytes of a beacon. An event beyond is dropped. Browsers keep 64 KiB alive for a page that closes: two beacons of this size. */
const MAX_BYTES = 3e4;
/** Characters of a text. The collector keeps less. */
const MAX_TEXT = 2e3;
/** The last index of the queue: a beacon has at most 100 events. */
const LAST_INDEX = 99;
/** Failures that a page load may report. A page that fails in a loop must not fill the queue. */
const MAX_FAILURES = 20;
/** The random id of this page load. It also spreads retries of many browsers over time. */
const pageLoad = Math.random();

/** The events that wait, each with its page. They are copies, so the page cannot change them. */
const queue: [page: PageFields, event: object][] = [];
/** The failures reported so far, to report each once. */
const failures: string[] = [];
let firstNumber = 0;
/** How many events are in the beacon that is in flight. */
let inFlight = 0;
let pauseSeconds = GATHER_SECONDS;
let timer: number;

/**
 * Writes a value as JSON. Texts are cut. The collector mends half of a surrogate pair, which no UTF-8 has.
 *
 * The replacer reads the value itself: a page's `Array.prototype.toJSON` has changed the one that it is given.
 */
const encode = (value: any): string =>
  JSON.stringify(value, function (this: any, key) {
    return typeof this[key] == "string" ? this[key].slice(0, MAX_TEXT) : this[key];
  });

/** Writes the beacon of all events that wait. An event names its page if it is not that of the event before. */
const encodeBeacon = (): string => {
  let previous: PageFields;
  return encode({
    s: settings.site,
    rel: settings.release,
    l: pageLoad,
    o: firstNumber,
    at: now(),
    ...browserFields(),
    e: queue.map(([page, event]) => (page == previous ? event : { ...(previous = page), ...event })),
  } satisfies Beacon);
};

/**
 * Adds an event if the queue has room. A failure that was reported before is dropped. It throws if no page is counted: every caller is guarded.
 */
export const enqueue = (fields: EventFields[keyof EventFields], isFailure?: unknown): void => {
  const failure = page!.u + encode(fields);
  if (queue[LAST_INDEX] || (isFailure && (failures.includes(failure) || failures.push(failure) > MAX_FAILURES))) return;
  queue.push([page!, { at: now(), ...fields }]);
  if (new Blob([encodeBeacon()]).size > MAX_BYTES) queue.pop();
  scheduleFlush();
};

/** Sends the queue. While a beacon is in flight it does so only if the page is `closing` and more events wait. */
export const flush = (closing?: unknown): void => {
  timer = 0;
  if (!page || !queue[inFlight] || (inFlight && !closing)) return;
  inFlight = queue.length;
  const end = firstNumber + inFlight;
  send(encodeBeacon()).then((response: any) => {
    const isAnswered = response.status < 429;
    inFlight = 0;
    pauseSeconds = isAnswered ? GATHER_SECONDS : pauseSeconds * 2;
    for (; isAnswered && firstNumber < end; firstNumber++) queue.shift();
    scheduleFlush(response.headers?.get("retry-after"));
  });
};

/**
 * Sends a beacon, and returns the response, or a number after a network error. One of `sendBeacon` would have the cookies of the
 * collector's host.
 */
const send = (body: string): Promise<Response | number> =>
  fetch(endpoint, { method: "POST", body, keepalive: true, credentials: "omit", referrerPolicy: "origin" }).catch(now);

/** Stops counting, drops the events that wait, and sends their number alone. */
export const withdrawConsent = guard(() => {
  closePage();
  const x = queue.splice(inFlight).length;
  if (x) send(encode({ s: settings.site, x } satisfies Withdrawal));
});

/** Schedules `flush` in this many seconds or more, unless it is scheduled already. */
const scheduleFlush = (seconds?: unknown): void => {
  timer ||= schedule(flush, (1 + pageLoad) * Math.max(pauseSeconds, (seconds as number) | 0));
};
