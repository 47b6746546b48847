// Views of pages, and how long and how far they were read.

import { findAds } from "./ad";
import { now, page, push, send } from "./queue";
import { refused } from "./refusal";
import { on, safely } from "./safely";
import { tag } from "./tag";
import { tellVitals } from "./vitals";

/** A visitor who gives no sign for this long, ms, is not counted as reading. */
const IDLE = 3e4;

/** The path of the last view. */
export let path: string;

let engaged: number;
let since: number;
let attentive: boolean;
let deepest: number;

/** Counts a view of the page as it is now. */
export const view = (): void => {
  page.r = page.u || document.referrer;
  page.u = "";
  if (document.prerendering || refused()) return;
  path = place();
  page.u = location.origin + path + location.search;
  push({ k: "view" });
  notice();
  // A little above nothing, so that each view has its `leave`.
  engaged = 0.1;
  deepest = 0;
};

/** Counts what was read since the view began or was last left. */
const leave = (): void => {
  notice();
  if (engaged) {
    scrolled();
    push({ k: "leave", ms: engaged, sd: ((deepest * 100) / document.documentElement.scrollHeight) | 0 });
    // Until the next sign: a page on its way out hears of that twice.
    engaged = 0;
    attentive = false;
    tellVitals();
  }
};

/** Counts a view if the page's path is another than that of the last. */
const moved = safely(() => {
  if (page.u && place() != path) {
    leave();
    view();
  }
});

/** Listens for signs of reading, for leaving and for navigation within the page. */
export const watchViews = (): void => {
  on("mousemove keydown scroll focus blur", notice);
  on("scroll", scrolled);
  on("visibilitychange pagehide", () => {
    leave();
    send(true);
    findAds();
  });
  on("pageshow", ({ persisted }) => persisted && page.u && view());
  on("popstate", moved);
  self.navigation?.addEventListener("currententrychange", moved);
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

/** Adds the time since the last sign, if the page had the visitor's attention. */
const notice = (): void => {
  const at = now();
  if (attentive) engaged += Math.min(at - since, IDLE);
  since = at;
  attentive = !document.hidden && document.hasFocus();
};

const scrolled = (): number => (deepest = Math.max(deepest, scrollY + innerHeight));
