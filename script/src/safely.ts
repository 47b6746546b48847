// The fence between the script and the page: what is thrown in here never gets out.

/** `work`, with everything it throws swallowed. */
export const safely =
  <Args extends unknown[]>(work: (...args: Args) => unknown) =>
  (...args: Args): void => {
    try {
      work(...args);
    } catch {}
  };

/** Listens for events of these types anywhere in the page, before the page's own listeners. */
export const on = (types: string, work: (event: any) => unknown): unknown =>
  types.split(" ").map((type) => addEventListener(type, safely(work), true));

/** Does this after so many s, or as soon as the page has nothing else to do. */
export const later = (work: () => unknown, s?: number): number => setTimeout(safely(work), s! * 1e3);
