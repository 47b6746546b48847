// Clicks on links to other hosts, on files, on elements with `data-footfall-event` and on advertising blocks.

import { listen, schedule } from "../guard";
import { enqueue } from "../queue";
import { closestDataset, trackAd } from "./ads";

/** Matches paths that end in a file extension, except the extensions of pages. */
const FILE = /\.(?!html|php)\w{2,4}$/i;

/** Enqueues an event of the site's own. */
export const trackEvent = (n?: string, p?: unknown): void => {
  if (n) enqueue("event", { n, p });
};

/** Starts to listen for clicks. */
export const observeClicks = (): void => {
  listen("click auxclick", ({ target, button }) => {
    // The second button opens a menu.
    if (button > 1) return;
    trackAd("click", target);
    const { footfallEvent, footfallProps } = closestDataset(target, "event");
    trackEvent(footfallEvent, footfallProps);
    const link = target.closest("[href]");
    const isFile = FILE.test(link.pathname) || link.closest("[download]");
    if (/^http/.test(link.href) && (isFile || link.host != location.host))
      enqueue(isFile ? "download" : "outbound", { n: link.href });
  });
  // The page gets no event for a click inside a frame. It only sees that the focus moves into the frame.
  listen("blur", (event) =>
    schedule(() => {
      const focused = document.activeElement as HTMLIFrameElement;
      if (event.target == self && focused.contentWindow) trackAd("click", focused);
    }),
  );
};
