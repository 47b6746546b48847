// Advertising blocks: elements with `data-footfall-ad` (clause 3.3).
//
// An impression is a block that is rendered, once per block. It is viewable, by the definition of the Media Rating
// Council, when half of its pixels (30 % of a block over 242,500 px²) were in a visible page for 1 s without a break.

import { push } from "./queue";
import { safely } from "./safely";

const LARGE = 242_500;
const LONG_ENOUGH = 1e3;

/** Counts what happened to the block that this element is or is in, if any. */
export const tellAd = (n: string, element: Element): void => {
  const block = element.closest<HTMLElement>("[data-footfall-ad]");
  const ad = block?.dataset.footfallAd;
  if (ad) push({ k: "ad", n, ad, slot: block.dataset.footfallSlot });
};

/** Looks for blocks: now, when the page changes, and when it is hidden or shown. */
export const findAds = safely(() => {
  if (document.querySelector("[data-footfall-missing]")) push({ k: "missing" }, true);
  document.querySelectorAll("[data-footfall-ad]").forEach((block: any) => {
    if (!block.$step) {
      block.$step = 1;
      tellAd("impression", block);
    }
    if (document.hidden) block.$timer = clearTimeout(block.$timer);
    // Observed anew, so that a block that was empty and is not any more is noticed.
    observer?.unobserve(block);
    observer?.observe(block);
  });
});

const see = ({ target: block, intersectionRatio }: any): void => {
  const area = block.offsetWidth * block.offsetHeight;
  block.$timer =
    area && intersectionRatio >= (area > LARGE ? 0.3 : 0.5)
      ? block.$timer ||
        setTimeout(() => {
          if (block.$step < 2) tellAd("viewable", block);
          block.$step = 2;
        }, LONG_ENOUGH)
      : clearTimeout(block.$timer);
};

const observer =
  self.IntersectionObserver && new IntersectionObserver((entries) => entries.map(see), { threshold: [0, 0.3, 0.5] });
