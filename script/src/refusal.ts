// The visitor's word, asked before anything is listened to or sent, and again at each view (clause 2.2).

import { safely } from "./safely";
import { forget } from "./view";

/** Whether the visitor refuses: Global Privacy Control, Do Not Track or the opt-out cookie. */
export const refused = (): boolean =>
  navigator.globalPrivacyControl || (navigator.doNotTrack as any) > 0 || /footfall_optout=1/.test(document.cookie);

/** Keeps the opt-out cookie for this long, s, and ends the counting until the next page load. */
export const remember = (age: number) =>
  safely(() => {
    forget();
    document.cookie = "footfall_optout=1;path=/;max-age=" + age;
  });
