// Keeps errors of the script away from the page. Every callback that the browser calls goes through here.

/** Returns `callback` without its errors and without its result. */
export const guard =
  <Args extends unknown[]>(callback: (...args: Args) => unknown) =>
  (...args: Args): void => {
    try {
      callback(...args);
    } catch {}
  };

/** Listens for events of these types anywhere in the page, before the page's own listeners. */
export const listen = (types: string, callback: (event: any) => unknown): unknown =>
  types.split(" ").map((type) => addEventListener(type, guard(callback), true));

/** Calls `callback` after this many seconds, or in the next task. Returns the id of the timer. */
export const schedule = (callback: () => unknown, seconds?: number): number => setTimeout(guard(callback), seconds! * 1e3);

/** The page's clock, in ms. It is also the function for a rejection that must not reach the page. */
export const now = Date.now;
