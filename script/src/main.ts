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
import { withdrawConsent } from "./queue";
import { base, settings } from "./settings";

/**
 * The address of the visitor's page, from that of the script. The document has the site's function under this name, so that a second
 * script element for the site does nothing.
 */
const privacyPage = "privacy?site=" + settings.site!.split("~")[0];
/** The last index of the calls that wait. */
const MAX_EARLY = 99;
/** Calls before the page may be counted. They are counted when it is. */
const early: any[] = (self.footfall?.q as any) || [];

/** Starts counting, once, unless the visitor refuses or has not seen the page yet. */
const start: () => void = guard(() => {
  if (path) return;
  if (document.prerendering) return listen("prerenderingchange", start);
  trackView();
  if (path) {
    early.map((call) => trackEvent(...(call as [])));
    observeViews();
    observeClicks();
    observeErrors();
    observeAds();
    observeVitals();
    requestClientHints();
  }
});

if (!(document as any)[privacyPage] && !("top" in settings && self != top)) {
  const counter: any = Object.assign(
    guard((...call: []) => (path ? trackEvent(...call) : early[MAX_EARLY] || early.push(call))),
    {
      optOut: setOptOut(34_560_000),
      optIn: setOptOut(0),
      consent: (isGiven?: unknown) => (isGiven === false ? withdrawConsent : start)(),
    },
  );
  (document as any)[privacyPage] = self.footfall = counter;
  // Links of the visitor's page lead here, and back. Any page may link to a refusal; that page alone to the end of one.
  const choice = location.hash;
  if (choice == "#footfall-optOut" || (choice == "#footfall-optIn" && base.startsWith(document.referrer || (0 as any)))) {
    counter[choice.slice("#footfall-".length)]();
    location.replace(new URL(privacyPage, base));
  } else if (!("consent" in settings)) start();
}
