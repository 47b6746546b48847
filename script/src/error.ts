// What went wrong in the page: script errors, unhandled rejections, elements that failed to load.

import { tell } from "./queue";
import { on } from "./safely";

/** Listens for failures. */
export const watchErrors = (): void => {
  // Images that failed before.
  [...document.images].map((image) => image.complete && !image.naturalWidth && failed(image));
  on("error unhandledrejection", (event) => {
    const cause = event.error || event.reason;
    if (event.target == self)
      tell(
        "error",
        {
          m: event.message || cause + "",
          f: event.filename,
          ln: event.lineno,
          col: event.colno,
          st: cause?.stack,
        },
        1,
      );
    else failed(event.target);
  });
};

/** Counts an element that failed to load. A data or blob address is nobody's to mend. */
const failed = (element: any): void => {
  const n = element.src || element.href;
  if (/^http/.test(n)) tell("resource", { n, tag: element.localName }, 1);
};
