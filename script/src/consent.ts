// Whether the visitor refuses to be counted. It is checked before the script listens or sends, and again at each view.

import { guard } from "./guard";
import { closePage } from "./page";

const hasOptedOut = (): boolean => /footfall_optout=1/.test(document.cookie);

/** True if the visitor refuses: Global Privacy Control, Do Not Track or the opt-out cookie. */
export const hasRefused = (): boolean =>
  navigator.globalPrivacyControl || (navigator.doNotTrack as any) > 0 || hasOptedOut();

/**
 * Returns a function that keeps the opt-out cookie for `maxAge` seconds and stops counting until the next page load.
 *
 * The cookie is for the largest domain that the browser allows, so that it counts on all hosts of the site: browsers refuse
 * cookies for domains such as `co.uk`. It is for the host alone where they refuse all. 0 seconds remove it from every domain.
 */
export const setOptOut = (maxAge: number) =>
  guard(() => {
    closePage();
    let domain = "";
    // The last label is empty, and so is the domain then.
    for (const label of ("." + location.hostname).split(".").reverse()) {
      domain = label && "." + label + domain;
      if (hasOptedOut() == !maxAge)
        document.cookie =
          "footfall_optout=1;path=/;samesite=lax;max-age=" + maxAge + ";domain=" + domain + (location.protocol == "https:" ? ";secure" : "");
    }
  });
