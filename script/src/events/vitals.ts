// Web Vitals and the phases of the navigation: one event per page load, sent when its first view is left. It carries the
// browser's own performance entries; the collector computes the metrics.

import { enqueue } from "../queue";

/** The numbers kept for layout shifts: time and score of 400 shifts. */
const MAX_SHIFT_NUMBERS = 800;

// The times of a page that loaded in a hidden tab say nothing about what a visitor saw.
let isSent = document.hidden;

/** The entries by type: all layout shifts; of other types the longest entry, or the latest if entries have no duration. */
const entries: any = { "layout-shift": self.LayoutShift && [] };

/** Starts to observe what the browser measures. */
export const observeVitals = (): unknown =>
  ["largest-contentful-paint", "layout-shift", "event", "first-input", "paint", "navigation"].map((type) =>
    new PerformanceObserver((list) => list.getEntries().map(recordEntry)).observe({
      type,
      buffered: true,
      durationThreshold: 16,
    }),
  );

const recordEntry = (entry: any): void => {
  const previous = entries[entry.entryType];
  // An event that is not an interaction has the id 0. A shift soon after an input is expected by the visitor.
  if (entry.interactionId === 0 || entry.hadRecentInput) return;
  if (entry.value) previous[MAX_SHIFT_NUMBERS] || previous.push(entry.startTime, entry.value);
  else if (!(previous?.duration > entry.duration)) entries[entry.entryType] = entry;
};

/** Enqueues the vitals on its first call. */
export const reportVitals = (): void => {
  if (isSent) return;
  isSent = true;
  enqueue("vitals", entries);
};
