// What a beacon says about the browser, once for all its events.

import { now } from "./guard";
import { settings } from "./settings";
import type { BrowserFields } from "./wire";

let clientHints: object;

/** Requests client hints where the browser has them. Beacons sent before the answer have none. */
export const requestClientHints = (): unknown =>
  navigator.userAgentData
    ?.getHighEntropyValues(["platformVersion", "model", "formFactors"])
    .then((hints) => (clientHints = hints), now);

/** Returns the fields of the browser as they are now. */
export const browserFields = (): BrowserFields => ({
  w: screen.width,
  h: screen.height,
  g: navigator.language,
  z: Intl.DateTimeFormat().resolvedOptions().timeZone,
  c: navigator.cookieEnabled,
  t: navigator.maxTouchPoints,
  b: navigator.webdriver,
  ck: document.cookie.match(RegExp(`(^| )(${settings.cookies})=[^;]*`, "g")),
  ch: clientHints,
});
