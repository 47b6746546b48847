// The settings: the attributes of the script element that the site's owner added to the page.

const script = document.currentScript as HTMLScriptElement;

/** The `data-*` attributes of the script element. */
export const settings = script.dataset;

/** The address of the script. */
export const base = script.src;

/** The address that beacons are sent to: `data-api`, or `b` in the script's directory. */
export const endpoint = settings.api || new URL("b", base);
