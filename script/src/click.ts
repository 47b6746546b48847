// What visitors follow and press: links to elsewhere, files, elements with `data-footfall-event`, advertising blocks.

import { marks, tellAd } from "./ad";
import { tell } from "./queue";
import { later, on } from "./safely";

/** Ends of paths of files that are downloaded rather than viewed: any extension but those of pages. */
const FILE = /\.(?!html|php)\w{2,4}$/i;

/** Counts an event of the site's own. */
export const tellEvent = (n?: string, p?: unknown): void => {
  if (n) tell("event", { n, p });
};

/** Listens for clicks. */
export const watchClicks = (): void => {
  on("click auxclick", ({ target, button }) => {
    // The second button opens a menu.
    if (button > 1) return;
    tellAd("click", target);
    const { footfallEvent, footfallProps } = marks(target, "event");
    tellEvent(footfallEvent, footfallProps);
    const link = target.closest("[href]");
    const file = FILE.test(link.pathname) || link.closest("[download]");
    if (/^http/.test(link.href) && (file || link.host != location.host))
      tell(file ? "download" : "outbound", { n: link.href });
  });
  // A click inside a frame is the frame's own. What the page sees of it: the focus goes there.
  on("blur", (event) =>
    later(() => {
      const focused = document.activeElement as HTMLIFrameElement;
      if (focused.contentWindow && event.target == self) tellAd("click", focused);
    }),
  );
};
