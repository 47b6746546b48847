// Web Vitals and the phases of the navigation: one event per page load, sent when its first view is left. It carries numbers
// alone, because the browser's own entries hold addresses.

import { guard } from "../guard";
import { enqueue } from "../queue";

/** The numbers kept for layout shifts: time and score of 400 shifts. */
const MAX_SHIFT_NUMBERS = 800;

/**
 * By type of entry: time and score of the layout shifts, in turn; the latest time, or the longest duration of an interaction.
 * Nothing once they are sent, or if the page loaded in a hidden tab: its times say nothing about what a visitor saw.
 */
let vitals: any = !document.hidden && { "layout-shift": self.LayoutShift && [] };

/** Starts to observe what the browser measures. */
export const observeVitals = (): unknown =>
  ["largest-contentful-paint", "layout-shift", "event", "first-input", "paint"].map((type) =>
    new PerformanceObserver((list) =>
      list.getEntries().map(
        guard((entry: any) => {
          // A shift soon after an input is expected by the visitor. Only events have a duration; one that is no interaction has no id.
          if (entry.value) entry.hadRecentInput || vitals[type][MAX_SHIFT_NUMBERS] || vitals[type].push(entry.startTime, entry.value);
          else vitals[type] = Math.max(vitals[type] || 0, entry.interactionId ? entry.duration : (!entry.duration as any) * entry.startTime);
        }),
      ),
    ).observe({ type, buffered: true, durationThreshold: 16 }),
  );

/** Enqueues the vitals on its first call. */
export const reportVitals = (): void => {
  if (vitals) {
    // The navigation is read now, because the browser still writes it while the page loads.
    performance.getEntriesByType("navigation").map((navigation: any) => {
      // The numbers that the collector uses and a few more: activationStart, domainLookup…, connect…, secureConnectionStart,
      // responseStart, loadEventEnd. The names of texts do not match.
      for (const name in navigation) if (/nne|tEnd|seS|nSt|kup/.test(name)) vitals[name] = navigation[name];
    });
    enqueue(vitals);
    vitals = 0;
  }
};
