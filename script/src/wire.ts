// The wire format, version 1, as far as the script sends it. Field names are short because each beacon repeats them.
// `docs/wire.md` has types, limits and defaults. This file holds types only, so nothing of it reaches the bundle.

/** What a beacon says about the browser, once for all its events. */
export interface BrowserFields {
  /** screen width, CSS px */
  w: number;
  /** screen height, CSS px */
  h: number;
  /** preferred language */
  g: string;
  /** time zone */
  z: string;
  /** cookies enabled */
  c: boolean;
  /** touch points */
  t: number;
  /** under automation */
  b: boolean;
  /** cookies that the settings name, each as `name=value` */
  ck: string[] | null;
  /** client hints */
  ch: object | undefined;
}

/** Address and referrer of a page. */
export interface PageFields {
  /** address of the page */
  u: string;
  /** referrer */
  r: string;
}

/** The body of a POST to the collector. */
export interface Beacon extends BrowserFields {
  /** site, or its signed name */
  s: string | undefined;
  /** page load: a random fraction below 1 */
  l: number;
  /** offset: the number of the first event within its page load */
  o: number;
  /** time of sending, ms of the page's clock */
  at: number;
  /** release of the site's pages */
  rel: string | undefined;
  /** events, each with the page if it is not that of the event before */
  e: object[];
}

/** In place of a beacon, after a withdrawn consent. */
export interface Withdrawal {
  /** site, or its signed name */
  s: string | undefined;
  /** number of events that are not sent */
  x: number;
}

/** What the queue adds to every event. */
export interface CommonFields {
  /** time of the event, ms of the page's clock */
  at: number;
}

/** The fields of each kind of event. The collector knows the kind by them. */
export interface EventFields {
  /** kind */
  view: { k: "view" };
  /** kind */
  missing: { k: "missing" };
  /** engaged time in ms; scroll depth in % */
  leave: { ms: number; sd: number };
  /** name; properties */
  event: { n: string; p: unknown };
  /** action; campaign; slot */
  ad: { n: "impression" | "viewable" | "click"; ad: string; slot: string | undefined };
  /** address of a link; whether it has the attribute `download`. The collector tells links to files and to other hosts. */
  link: { n: string; dl: boolean };
  /** message; script file, line and column; stack */
  error: { m: string; f: string; ln: number; col: number; st: string };
  /** address and name of the element that failed to load */
  resource: { n: string; tag: string };
  /** for each type of performance entry a time in ms, or time and score of each layout shift; the times of the navigation */
  vitals: Record<string, number | number[]>;
}
