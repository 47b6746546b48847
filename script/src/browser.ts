// What a beacon says of the browser, once for all its events.

import { tag } from "./tag";

let hints: object;

/** Asks for the client hints, where the browser has any; the first beacon takes them if they are there by then. */
export const askForHints = (): unknown =>
  navigator.userAgentData
    ?.getHighEntropyValues(["fullVersionList", "platformVersion", "model", "formFactors"])
    // What a refusal is answered with does not matter.
    .then((answer) => (hints = answer), Date.now);

/** The fields of the browser. */
export const browser = () => ({
  w: screen.width,
  h: screen.height,
  g: navigator.language,
  z: Intl.DateTimeFormat().resolvedOptions().timeZone,
  c: navigator.cookieEnabled,
  t: navigator.maxTouchPoints,
  b: navigator.webdriver,
  // The cookies that the tag names, as they are now.
  ck: document.cookie.match(RegExp(`(^| )(${tag.cookies})=[^;]*`, "g")),
  ch: hints,
});
