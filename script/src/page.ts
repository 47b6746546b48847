// The page that is counted now, without what is personal in its address.

import { settings } from "./settings";
import type { PageFields } from "./wire";

/**
 * Matches a parameter of the query that may be sent: a campaign or one that the settings name (group 1), or an id by which an
 * advertising system knows a click (`CLICK_IDS` of the collector).
 */
const allowed = RegExp(
  `^((utm_.+|${settings.query})|rdt_cid|igsh(id)?|gad_source|sccid|tblci|li_fat_id|mc_eid|\\w*cl(k|ick_?)?id|[gw]braid|epik)(=|$)`,
  "i",
);

/** The page. While there is none, no event is accepted and nothing is sent. */
export let page: PageFields | null;
/** Path of the last page that was counted; undefined before the first one. */
export let path: string | undefined;

/** The path of the document, or the route in its fragment (`#/doctors`, `#!/doctors`) if the settings say that fragments are routes. */
export const currentPath = (): string =>
  ("hash" in settings && location.hash.match(/^#!?(\/[^?]*)/)?.[1]) || location.pathname;

/** A text, or nothing as "", without the queries of the addresses in it; `:line:column` of a stack stays. */
export const withoutQueries = (text: unknown): string =>
  ((text || "") + "").replace(/(\/\S*?)\?\S*?(?=(:\d+)*\)?(\s|$))/g, "$1");

/** Stops counting for good. Events that wait stay in the queue. */
export const closePage = (): unknown => (page = null);

/** Starts counting the page that the document shows now. */
export const openPage = (): void => {
  path = currentPath();
  page = {
    u:
      location.origin +
      path +
      "?" +
      // Campaigns may be in the fragment too, and a link may have `&amp;` for `&`.
      (location.search + location.hash)
        .split(/&amp;|[?&#]/)
        .flatMap((part) => {
          const [found, , mayBeSent] = allowed.exec(part) || [];
          // A click id tells the visitor, and its name is enough to tell the channel.
          return found ? (mayBeSent ? part : found + 1) : [];
        })
        .join("&"),
    r: withoutQueries(page ? page.u : document.referrer),
  };
};
