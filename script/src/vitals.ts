// Web Vitals and the phases of the navigation: one event per page load, when its first view is left.

import { push } from "./queue";
import { safely } from "./safely";

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
    new PerformanceObserver(safely((list) => list.getEntries().map(see))).observe({
      type,
      buffered: true,
      durationThreshold: 16,
    }),
  );

const see = ({ startTime, size, value, hadRecentInput, interactionId, duration }: any): void => {
  if (size) lcp = startTime;
  if (interactionId) inp = Math.max(inp || 0, duration);
  if (value && !hadRecentInput) {
    // A session of shifts ends with a pause of 1 s, or after 5 s.
    if (!(startTime - latest < 1e3 && startTime - opened < 5e3)) {
      session = 0;
      opened = startTime;
    }
    latest = startTime;
    session += value;
    cls = Math.max(cls!, session);
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
