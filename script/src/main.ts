// The statistics script. It counts nothing before it may, and whatever happens in it, the page does not notice.
//
// queue → beacon of browser + events. What makes events: view, ad, click, error, vitals. `tag` holds the settings and
// `refusal` the visitor's word.

import { findAds } from "./ad";
import { askForHints } from "./browser";
import { tellEvent, watchClicks } from "./click";
import { watchErrors } from "./error";
import { remember } from "./refusal";
import { on, safely } from "./safely";
import { tag } from "./tag";
import { path, view, watchViews } from "./view";
import { watchVitals } from "./vitals";

/** Begins to count, once, unless the visitor refuses or has not seen the page yet. */
const start = safely(() => {
  if (!path) {
    view();
    if (path) {
      watchViews();
      watchClicks();
      watchErrors();
      findAds();
      new MutationObserver(findAds).observe(document, { childList: true, subtree: true });
      watchVitals();
      askForHints();
    }
  }
});

const waiting = self.footfall?.q as any;
const footfall: Footfall = (self.footfall = safely(tellEvent));
footfall.optOut = remember(34_560_000);
footfall.optIn = remember(0);
footfall.consent = start;
if (!("consent" in tag)) {
  on("prerenderingchange", start);
  start();
}
waiting?.map((call: [string]) => footfall(...call));
