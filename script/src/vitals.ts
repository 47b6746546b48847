// Web Vitals and the phases of the navigation: one event per page load, when its first view is left.

import { push } from "./queue";

// Times of a page that was loaded out of sight say nothing about what a visitor saw.
let told = document.hidden;
let lcp: number;
let inp: number;
let cls: any = self.LayoutShift && 0;
let session: number;
let opened: number;
let latest: number;

/** Watches what the browser measures. */
export const watchVitals = (): unknown =>
  ["largest-contentful-paint", "layout-shift", "event", "first-input"].map((type) =>
    new PerformanceObserver((list) => list.getEntries().map(see)).observe({
      type,
      buffered: true,
      durationThreshold: 16,
    }),
  );

const see = (entry: any): void => {
  const at = entry.startTime;
  if (entry.size) lcp = at;
  if (entry.interactionId) inp = Math.max(inp || 0, entry.duration);
  if (entry.value && !entry.hadRecentInput) {
    // A session of shifts ends with a pause of 1 s, or after 5 s.
    if (!(at - latest < 1e3 && at - opened < 5e3)) {
      session = 0;
      opened = at;
    }
    latest = at;
    session += entry.value;
    cls = Math.max(cls, session);
  }
};

/** Counts the vitals, the first time that it is called. */
export const tellVitals = (): void => {
  if (told) return;
  told = true;
  push({
    k: "vitals",
    lcp,
    inp,
    cls,
    fcp: performance.getEntriesByType("paint").pop()?.startTime,
    nt: performance.getEntriesByType("navigation").pop(),
  });
};
