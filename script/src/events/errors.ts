// Failures in the page: script errors, unhandled rejections, elements that failed to load.

import { listen } from "../guard";
import { withoutQueries } from "../page";
import { enqueue } from "../queue";

/** Reports images that failed already, and starts to listen for failures. */
export const observeErrors = (): void => {
  [...document.images].map((image) => image.complete && !image.naturalWidth && trackResource(image));
  listen("error unhandledrejection", (event) => {
    const cause = event.error || event.reason;
    if (event.target == self)
      enqueue(
        {
          // The collector refuses an error without a message.
          m: withoutQueries(event.message || cause) || event.type,
          f: withoutQueries(event.filename),
          ln: event.lineno,
          col: event.colno,
          st: withoutQueries(cause?.stack),
        },
        1,
      );
    else trackResource(event.target);
  });
};

/** Enqueues an element that failed to load. Data and blob addresses are skipped: they name no file to repair. */
const trackResource = (element: any): void => {
  const n = withoutQueries(element.currentSrc || element.src || element.href || element.data);
  if (/^http/.test(n)) enqueue({ n, tag: element.localName }, 1);
};
