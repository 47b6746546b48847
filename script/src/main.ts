// The statistics script. It counts nothing before it may, and no error of it reaches the page.
//
// Modules import downwards only, in this order; test/imports.test.mjs checks it:
//
//   main → events/ → queue → browser, consent → page → settings, guard, wire

import { requestClientHints } from "./browser";
import { setOptOut } from "./consent";
import { observeAds } from "./events/ads";
import { observeClicks, trackEvent } from "./events/clicks";
import { observeErrors } from "./events/errors";
import { observeViews, trackView } from "./events/views";
import { observeVitals } from "./events/vitals";
import { guard, listen } from "./guard";
import { path } from "./page";
import { settings } from "./settings";

/** Starts counting, once, unless the visitor refuses or has not seen the page yet. */
const start = guard(() => {
  if (!path) {
    trackView();
    if (path) {
      observeViews();
      observeClicks();
      observeErrors();
      observeAds();
      new MutationObserver(observeAds).observe(document, { childList: true, subtree: true });
      observeVitals();
      requestClientHints();
    }
  }
});

const earlyCalls = self.footfall?.q as any;
const footfall: Footfall = (self.footfall = guard(trackEvent));
footfall.optOut = setOptOut(34_560_000);
footfall.optIn = setOptOut(0);
footfall.consent = start;
if (!("consent" in settings)) {
  listen("prerenderingchange", start);
  start();
}
earlyCalls?.map((call: [string]) => footfall(...call));
