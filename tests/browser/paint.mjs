// Measures in Chromium when a site's page is painted and when its parts are in the document:
//   node tests/browser/paint.mjs http://127.0.0.1:8082/sites/demo?from=28d [TIMES]
// Times are ms from the start of the navigation: medians, and the least.

import { launchChromium } from "./driver/browsers.mjs";

const [, , address, times = "9"] = process.argv;

/** The last element of each part of the page. */
const PARTS = { "first figures": "[data-figure]", "cards of daily figures": "#scroll", "goals and funnels": "#funnel-0, #goals" };

const driver = await launchChromium();
try {
  await driver.beforeScripts(`() => {
    const parts = ${JSON.stringify(PARTS)};
    window.partTimes = {};
    new MutationObserver(() => {
      for (const [name, selector] of Object.entries(parts))
        if (!(name in window.partTimes) && document.querySelector(selector)) window.partTimes[name] = performance.now();
    }).observe(document, { childList: true, subtree: true });
  }`);
  const found = {};
  // The first time loads the stylesheet and the script, too.
  for (let time = 0; time <= Number(times); time++) {
    await driver.open(address);
    const measured = await driver.run(() => {
      const paint = performance.getEntriesByType("paint").find(({ name }) => name === "first-contentful-paint");
      const [{ responseEnd }] = performance.getEntriesByType("navigation");
      return { ...window.partTimes, "first contentful paint": paint?.startTime, "whole page": responseEnd };
    });
    if (time > 0) for (const [name, ms] of Object.entries(measured)) (found[name] ??= []).push(ms);
  }
  for (const [name, all] of Object.entries(found)) {
    all.sort((a, b) => a - b);
    console.log(`${name}: ${all[all.length >> 1].toFixed(0)} (${all[0].toFixed(0)})`);
  }
} finally {
  await driver.close();
}
