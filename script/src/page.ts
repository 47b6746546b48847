// The page that is counted now. Every event carries its address and its referrer.

import { settings } from "./settings";

/** Address of the page. While it is empty, no event is accepted and nothing is sent. */
export let url: string | undefined;
/** Address of the page before, or the referrer of the document. */
export let referrer: string;
/** Path of the last page that was counted; undefined before the first one. */
export let path: string | undefined;

/** The path of the document, or the route in its fragment (`#/doctors`) if the settings say that fragments are routes. */
export const currentPath = (): string =>
  "hash" in settings && location.hash ? "/" + location.hash.slice(2) : location.pathname;

/** Stops counting until `openPage`. Events that wait stay in the queue. */
export const closePage = (): void => {
  referrer = url || document.referrer;
  url = "";
};

/** Starts counting the page that the document shows now. */
export const openPage = (): void => {
  path = currentPath();
  url = location.origin + path + location.search;
};
