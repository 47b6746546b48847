// Web Vitals and the phases of the navigation: one event per page load, when its first view is left. The browser's own
// entries go to the collector, which makes the metrics of them.

import { tell } from "./queue";

/** Layout shifts that are kept, twice: each is its time and its score. */
const SHIFTS = 800;

// Times of a page that was loaded out of sight say nothing about what a visitor saw.
let told = document.hidden;

/** By type of entry: the layout shifts one by one; of the others the longest entry, or the latest of those without length. */
const seen: any = { "layout-shift": self.LayoutShift && [] };

/** Watches what the browser measures. */
export const watchVitals = (): unknown =>
  ["largest-contentful-paint", "layout-shift", "event", "first-input", "paint", "navigation"].map((type) =>
    new PerformanceObserver((list) => list.getEntries().map(see)).observe({
      type,
      buffered: true,
      durationThreshold: 16,
    }),
  );

const see = (entry: any): void => {
  const before = seen[entry.entryType];
  // An event that is no interaction has the id 0; a shift soon after an input was wanted.
  if (entry.interactionId === 0 || entry.hadRecentInput) return;
  if (entry.value) before[SHIFTS] || before.push(entry.startTime, entry.value);
  else if (!(before?.duration > entry.duration)) seen[entry.entryType] = entry;
};

/** Counts the vitals, the first time that it is called. */
export const tellVitals = (): void => {
  if (told) return;
  told = true;
  tell("vitals", seen);
};
