// Advertising blocks: elements with `data-footfall-ad` (clause 3.3).
//
// An impression is a block that is rendered, once per block. It is viewable, by the definition of the Media Rating
// Council, when half of its pixels (30 % of a block over 242,500 px²) were in a visible page for 1 s without a break.

import { guard, schedule } from "../guard";
import { enqueue } from "../queue";
import type { EventFields } from "../wire";

/** Area in px² above which 30 % of the pixels suffice. */
const LARGE_AREA = 242_500;
const VIEWABLE_SECONDS = 1;

let observer: IntersectionObserver;

/** Enqueues what happened to an advertising block, if there is one. */
export const trackAd = guard((n: EventFields["ad"]["n"], block: any) => {
  const { footfallAd: ad, footfallSlot: slot } = block.dataset;
  if (ad) enqueue({ n, ad, slot });
});

/** Finds advertising blocks and observes them. Called at the start, when the page changes, and when it is hidden or shown. */
export const observeAds = guard(() => {
  const roots: (Document | ShadowRoot)[] = [document];
  // The loop goes on with the roots that it appends.
  for (const root of roots) {
    if (root.querySelector("[data-footfall-missing]")) enqueue({ k: "missing" }, 1);
    root.querySelectorAll("[data-footfall-ad]").forEach(guard(observeBlock));
    root.querySelectorAll("*").forEach((element) => element.shadowRoot && roots.push(element.shadowRoot));
  }
});

const observeBlock = (block: any): void => {
  block.$step ||= (trackAd("impression", block), 1);
  if (document.hidden) updateVisibility({ target: block });
  // Observing it again reports its size again: an empty block may have been filled.
  observer ||= new IntersectionObserver((entries) => entries.map(updateVisibility), { threshold: [0.3, 0.5] });
  observer.unobserve(block);
  observer.observe(block);
};

/** Starts the block's timer when enough of it is visible, and stops the timer otherwise. */
const updateVisibility = ({ target: block, intersectionRatio }: any): void => {
  const area = block.offsetWidth * block.offsetHeight;
  block.$timer =
    area && intersectionRatio >= (area > LARGE_AREA ? 0.3 : 0.5)
      ? block.$timer || schedule(() => block.$step++ < 2 && trackAd("viewable", block), VIEWABLE_SECONDS)
      : clearTimeout(block.$timer);
};
