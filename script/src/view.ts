// Views of pages, and how long and how far they were read.

import { findAds } from "./ad";
import { now, send, tell } from "./queue";
import { refused } from "./refusal";
import { on, safely } from "./safely";
import { tag } from "./tag";
import { tellVitals } from "./vitals";

/** A visitor who gives no sign for this long, ms, is not counted as reading. */
const IDLE = 3e4;

/** The path of the last view. */
export let path: string;
/** Address and referrer of the page that events belong to; without an address no event is taken. */
export let u: string | undefined;
export let r: string | undefined;

let engaged: number;
/** When the visitor last gave a sign; nothing while the page does not have their attention. */
let since: number | false;
let deepest: number;

/** Counts a view of the page as it is now. */
export const view = (): void => {
  r = u || document.referrer;
  forget();
  if (refused() || document.prerendering) return;
  path = place();
  u = location.origin + path + location.search;
  tell("view");
  notice();
  // A little above nothing, so that each view has its `leave`.
  engaged = 0.1;
  deepest = 0;
};

/** Counts nothing more, and sends nothing, before the next view. */
export const forget = (): void => {
  u = "";
};

/** Counts what was read since the view began or was last left. */
const leave = (): void => {
  notice(1);
  if (engaged) {
    tell("leave", { ms: engaged, sd: ((deepest * 100) / document.documentElement.scrollHeight) | 0 });
    // Until the next sign: a page on its way out hears of that twice.
    engaged = 0;
    since = false;
    tellVitals();
  }
};

/** Counts a view if the page's path is another than that of the last, or the page comes out of the back/forward cache. */
const moved = safely((event?: any) => {
  if (u && (event?.persisted || place() != path)) {
    leave();
    view();
  }
});

/** Listens for signs of reading, for leaving and for navigation within the page. */
export const watchViews = (): void => {
  on("mousemove keydown scroll focus blur", notice);
  on("visibilitychange pagehide", () => {
    leave();
    send(1);
    findAds();
  });
  on("popstate pageshow", moved);
  self.navigation?.addEventListener("currententrychange", moved as () => void);
  (["pushState", "replaceState"] as const).map((name) => {
    const original = history[name];
    history[name] = (...args) => {
      original.apply(history, args);
      moved();
    };
  });
};

/** The path, or the route in the fragment (`#/doctors`) if the tag says that there are such. */
const place = (): string => "hash" in tag && location.hash ? "/" + location.hash.slice(2) : location.pathname;

/** Adds the time since the last sign, if the page had the visitor's attention; at a `sign`, looks how far they are. */
const notice = (sign?: unknown): void => {
  const at = now();
  if (since) engaged += Math.min(at - since, IDLE);
  since = document.hasFocus() && at;
  // Asked before a first sign, it would force a layout.
  if (sign) deepest = Math.max(deepest, scrollY + innerHeight);
};
