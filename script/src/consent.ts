// Whether the visitor refuses to be counted. It is checked before the script listens or sends, and again at each view.

import { guard } from "./guard";
import { closePage } from "./page";

/** True if the visitor refuses: Global Privacy Control, Do Not Track or the opt-out cookie. */
export const hasRefused = (): boolean =>
  navigator.globalPrivacyControl || (navigator.doNotTrack as any) > 0 || /footfall_optout=1/.test(document.cookie);

/** Returns a function that sets the opt-out cookie for `maxAge` seconds and stops counting until the next page load. */
export const setOptOut = (maxAge: number) =>
  guard(() => {
    closePage();
    document.cookie = "footfall_optout=1;path=/;max-age=" + maxAge;
  });
