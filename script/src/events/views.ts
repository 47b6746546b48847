// Views of pages, with their engaged time and scroll depth.

import { hasRefused } from "../consent";
import { guard, listen, now } from "../guard";
import { closePage, currentPath, openPage, page, path } from "../page";
import { enqueue, flush } from "../queue";
import { observeAds } from "./ads";
import { reportVitals } from "./vitals";

/** Milliseconds after the last activity that still count as engaged time. */
const MAX_IDLE_MS = 3e4;

let engagedMs: number;
/** Time of the last activity; 0 or false while the visitor does not see the page or it does not have the focus. */
let lastActivity: number | false;
/** The deepest lower edge of the window in the page, CSS px. */
let deepest: number;
/** The height of the page at the last activity, CSS px; 0 if it was not measured. */
let height: number;

/** Enqueues a view of the page as it is now, unless the visitor refuses. */
export const trackView = (): void => {
  if (hasRefused()) return void closePage();
  openPage();
  enqueue({ k: "view" });
  updateEngagement();
  // Slightly above 0, so that each view gets a `leave`.
  engagedMs = 0.1;
  deepest = height = 0;
};

/** Enqueues the engagement since the view began or since the `leave` before. */
const trackLeave = (): void => {
  updateEngagement();
  if (engagedMs) {
    // Many pages replace their content before they change their path. So the page is measured now only if it never was before.
    if (!height) measurePage();
    enqueue({ ms: engagedMs, sd: (deepest * 100) / height });
    // A page that closes gets two events, visibilitychange and pagehide. The second must not count again.
    engagedMs = lastActivity = 0;
    reportVitals();
  }
};

/** Counts a new view if the path has changed. */
const handleNavigation = guard(() => {
  if (page && currentPath() != path) {
    trackLeave();
    trackView();
  }
});

/** Starts to listen for activity, for leaving and for navigation within the page. */
export const observeViews = (): void => {
  listen("mousemove keydown scroll focus blur", () => {
    updateEngagement();
    measurePage();
  });
  listen("visibilitychange pagehide", () => {
    trackLeave();
    flush(1);
    observeAds();
  });
  listen("pageshow", (event) => {
    if (event.persisted && page) {
      trackView();
      // Firefox never answers a request that was in flight when the page went into the back/forward cache.
      flush(1);
    }
  });
  listen("popstate", handleNavigation);
  ["pushState", "replaceState"].map((name) => {
    // Pages call the function of the prototype too.
    const prototype: any = History.prototype;
    const original = prototype[name];
    prototype[name] = function (...args: unknown[]) {
      original.apply(this, args);
      handleNavigation();
    };
  });
  // What no event tells: navigation by other means, blocks that were added, and the height of a page without activity.
  setInterval(
    guard(() => {
      handleNavigation();
      if (!height) measurePage();
      observeAds();
    }),
    1e3,
  );
};

/** Adds the time since the last activity if the visitor saw the page and it had the focus. */
const updateEngagement = (): void => {
  const time = now();
  if (lastActivity) engagedMs += Math.min(time - lastActivity, MAX_IDLE_MS);
  lastActivity = !document.hidden && document.hasFocus() && time;
};

/**
 * Measures the scroller of the page. It is around the middle of the window, has more height than it shows, and fills half of the
 * window. Without one it is the document.
 */
const measurePage = guard(() => {
  let element: any = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  while (
    element.parentElement &&
    (element.clientHeight >= element.scrollHeight || innerWidth * innerHeight > 2 * element.clientWidth * element.clientHeight)
  )
    element = element.parentElement;
  deepest = Math.max(deepest, element.scrollTop + element.clientHeight);
  height = element.scrollHeight;
});
