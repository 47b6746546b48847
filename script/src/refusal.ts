// The visitor's word, asked before anything is listened to or sent, and again at each view (clause 2.2).

/** Whether the visitor refuses: Global Privacy Control, Do Not Track or the opt-out cookie. */
export const refused = (): boolean =>
  navigator.globalPrivacyControl || (navigator.doNotTrack as any) > 0 || /footfall_optout=1/.test(document.cookie);

/** Keeps the opt-out cookie for this long, s. */
export const remember = (age: number): string => (document.cookie = "footfall_optout=1;path=/;max-age=" + age);
