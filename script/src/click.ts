// What visitors follow and press: links to elsewhere, files, elements with `data-footfall-event`, advertising blocks.

import { tellAd } from "./ad";
import { push } from "./queue";
import { on } from "./safely";

/** Files that are downloaded rather than viewed. */
const FILE = /\.(pdf|zip|rar|docx?|xlsx?|pptx?|csv|exe|apk|mp[34])$/i;

/** Counts an event of the site's own. */
export const tellEvent = (n: string | undefined, p?: object): void => {
  if (n) push({ k: "event", n, p });
};

/** Listens for clicks. */
export const watchClicks = (): void => {
  on("click auxclick", ({ target, button }) => {
    // The second button opens a menu.
    if (button > 1) return;
    tellAd("click", target);
    const named = target.closest("[data-footfall-event]")?.dataset;
    if (named) tellEvent(named.footfallEvent, Object.fromEntries(new URLSearchParams(named.footfallProps) as any));
    const link = target.closest("[href]");
    const file = FILE.test(link.pathname) || link.closest("[download]");
    if (/^http/.test(link.href) && (file || link.host != location.host))
      push({ k: file ? "download" : "outbound", n: link.href });
  });
  // A click inside a frame is the frame's own. What the page sees of it: the focus goes there.
  on("blur", ({ target }) =>
    setTimeout(() => {
      const focused = document.activeElement as HTMLIFrameElement;
      if (target == window && focused.contentWindow) tellAd("click", focused);
    }),
  );
};
