// Clicks on links to other hosts, on files, on elements with `data-footfall-event` and on advertising blocks.

import { listen, schedule } from "../guard";
import { enqueue } from "../queue";
import { trackAd } from "./ads";

/** The event of the last click in this task. A click on a label is followed by one on its control. */
let clicked: unknown;

/** Enqueues an event of the site's own. Properties that JSON cannot hold are dropped, and so are lists and objects. */
export const trackEvent = (name?: unknown, given?: any): void => {
  const props: any = {};
  for (const key of Object.keys(Object(given)))
    try {
      const value = JSON.parse(JSON.stringify(given[key]));
      if (value !== Object(value)) props[key] = value;
    } catch {}
  if (name) enqueue({ n: name + "", p: props });
};

/** Starts to listen for clicks. */
export const observeClicks = (): void => {
  listen("click auxclick", (event) => {
    // The second button opens a menu.
    if (event.button > 1) return;
    const find = (selector: string) => event.composedPath().find((element: any) => element.matches?.(selector));
    trackAd("click", find("[data-footfall-ad]"));
    const { footfallEvent, footfallProps } = find("[data-footfall-event]")?.dataset || {};
    if (footfallEvent && footfallEvent != clicked) enqueue({ n: (clicked = footfallEvent), p: footfallProps });
    schedule(() => (clicked = 0));
    const link = find("a[*|href],area");
    const n = (link.href.baseVal ?? link.href).split(/[?#]/)[0];
    const isWeb = /^http/.test(n);
    const dl = link.matches("[download]");
    // A file that the page has made has no address, and its name may be personal.
    if (dl || (isWeb && (/\.\w+$/.test(n) || n.split("/")[2] != location.host))) enqueue({ n: isWeb ? n : link.protocol, dl });
  });
  // The page gets no event for a click inside a frame. It only sees that the focus moves into the frame.
  listen("blur", (event) =>
    schedule(() => {
      const focused = document.activeElement as HTMLIFrameElement;
      if (event.target == self && focused.contentWindow) trackAd("click", focused.closest("[data-footfall-ad]"));
    }),
  );
};
