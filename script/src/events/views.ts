// Views of pages, with their engaged time and scroll depth.

import { hasRefused } from "../consent";
import { guard, listen } from "../guard";
import { closePage, currentPath, openPage, path, url } from "../page";
import { enqueue, flush, now } from "../queue";
import { observeAds } from "./ads";
import { reportVitals } from "./vitals";

/** Milliseconds after the last activity that still count as engaged time. */
const MAX_IDLE_MS = 3e4;

let engagedMs: number;
/** Time of the last activity; false while the page does not have the focus. */
let lastActivity: number | false;
let deepestScroll: number;

/** Enqueues a view of the page as it is now, unless the visitor refuses or has not seen it yet. */
export const trackView = (): void => {
  closePage();
  if (hasRefused() || document.prerendering) return;
  openPage();
  enqueue("view");
  updateEngagement();
  // Slightly above 0, so that each view gets a `leave`.
  engagedMs = 0.1;
  deepestScroll = 0;
};

/** Enqueues the engagement since the view began or since the `leave` before. */
const trackLeave = (): void => {
  updateEngagement(1);
  if (engagedMs) {
    enqueue("leave", { ms: engagedMs, sd: ((deepestScroll * 100) / document.documentElement.scrollHeight) | 0 });
    // A page that closes gets two events, visibilitychange and pagehide. The second must not count again.
    engagedMs = 0;
    lastActivity = false;
    reportVitals();
  }
};

/** Counts a new view if the path has changed or the page comes from the back/forward cache. */
const handleNavigation = guard((event?: any) => {
  if (url && (event?.persisted || currentPath() != path)) {
    trackLeave();
    trackView();
  }
});

/** Starts to listen for activity, for leaving and for navigation within the page. */
export const observeViews = (): void => {
  listen("mousemove keydown scroll focus blur", updateEngagement);
  listen("visibilitychange pagehide", () => {
    trackLeave();
    flush(1);
    observeAds();
  });
  listen("popstate pageshow", handleNavigation);
  self.navigation?.addEventListener("currententrychange", handleNavigation as () => void);
  (["pushState", "replaceState"] as const).map((name) => {
    const original = history[name];
    history[name] = (...args) => {
      original.apply(history, args);
      handleNavigation();
    };
  });
};

/** Adds the time since the last activity if the page had the focus; on an `activity` also measures the scroll depth. */
const updateEngagement = (activity?: unknown): void => {
  const time = now();
  if (lastActivity) engagedMs += Math.min(time - lastActivity, MAX_IDLE_MS);
  lastActivity = document.hasFocus() && time;
  // Measuring it before the first activity would force a layout.
  if (activity) deepestScroll = Math.max(deepestScroll, scrollY + innerHeight);
};
