// Web Vitals and the phases of the navigation: one event per page load, sent when its first view is left. It carries numbers
// alone, because the browser's own entries hold addresses.

import { enqueue } from "../queue";

/** The numbers kept for layout shifts: time and score of 400 shifts. */
const MAX_SHIFT_NUMBERS = 800;

// The times of a page that loaded in a hidden tab say nothing about what a visitor saw.
let isSent = document.hidden;

/**
 * Matches the numbers of an entry that the collector uses: startTime, duration, interactionId, activationStart, domainLookup…,
 * connect…, secureConnectionStart, responseStart, loadEventEnd.
 */
const NUMBERS = /^(st|du|int|act|domainL|conn|sec|responseSt|loadEventE)/;

/** The latest or longest entry by type. They are read when they are sent, because the browser still writes that of the navigation. */
const entries: any = {};
/** Time and score of the layout shifts, in turn. */
const shifts: any = self.LayoutShift && [];

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
  // An event that is not an interaction has the id 0. A shift soon after an input is expected by the visitor.
  if (entry.interactionId === 0 || entry.hadRecentInput) return;
  if (entry.value) shifts[MAX_SHIFT_NUMBERS] || shifts.push(entry.startTime, entry.value);
  else if (!(entries[entry.entryType]?.duration > entry.duration)) entries[entry.entryType] = entry;
};

/** Enqueues the vitals on its first call. */
export const reportVitals = (): void => {
  if (isSent) return;
  isSent = true;
  const vitals: any = { "layout-shift": shifts };
  for (const type in entries) {
    vitals[type] = {};
    for (const name in entries[type]) if (NUMBERS.test(name)) vitals[type][name] = entries[type][name];
  }
  enqueue("vitals", vitals);
};
