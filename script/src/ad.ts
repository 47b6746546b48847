// Advertising blocks: elements with `data-footfall-ad` (clause 3.3).
//
// An impression is a block that is rendered, once per block. It is viewable, by the definition of the Media Rating
// Council, when half of its pixels (30 % of a block over 242,500 px²) were in a visible page for 1 s without a break.

import { tell } from "./queue";
import { later, safely } from "./safely";

const LARGE = 242_500;
const LONG_ENOUGH = 1;

/** The attributes of the element nearest to this one that has `data-footfall-` and this name. */
export const marks = (element: Element, name: string): DOMStringMap =>
  element.closest<HTMLElement>(`[data-footfall-${name}]`)?.dataset || {};

let observer: IntersectionObserver;

/** Counts what happened to the block that this element is or is in, if any. */
export const tellAd = (n: string, element: Element): void => {
  const { footfallAd: ad, footfallSlot: slot } = marks(element, "ad");
  if (ad) tell("ad", { n, ad, slot });
};

/** Looks for blocks: now, when the page changes, and when it is hidden or shown. */
export const findAds = safely(() => {
  if (document.querySelector("[data-footfall-missing]")) tell("missing", {}, 1);
  [...document.querySelectorAll("[data-footfall-ad]")].map(
    safely((block: any) => {
      block.$step ||= (tellAd("impression", block), 1);
      if (document.hidden) see({ target: block });
      // Observed anew, so that a block that was empty and is not any more is noticed.
      observer ||= new IntersectionObserver((entries) => entries.map(see), { threshold: [0.3, 0.5] });
      observer.unobserve(block);
      observer.observe(block);
    }),
  );
});

const see = ({ target: block, intersectionRatio }: any): void => {
  const area = block.offsetWidth * block.offsetHeight;
  block.$timer =
    area && intersectionRatio >= (area > LARGE ? 0.3 : 0.5)
      ? block.$timer || later(() => block.$step++ < 2 && tellAd("viewable", block), LONG_ENOUGH)
      : clearTimeout(block.$timer);
};
