// The settings: the attributes of the script element that the site's owner pasted.

const script = document.currentScript as HTMLScriptElement;

/** The `data-*` attributes of the script element. */
export const tag = script.dataset;

/** Where beacons go: `b` beside the script unless the tag says otherwise. */
export const api = tag.api || new URL("b", script.src);
