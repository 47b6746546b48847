// What the script sends from pages, in each browser that is installed.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers } from "../../tests/browser/driver/browsers.mjs";
import { ads } from "./behaviour/ads.mjs";
import { clicks } from "./behaviour/clicks.mjs";
import { consent } from "./behaviour/consent.mjs";
import { delivery } from "./behaviour/delivery.mjs";
import { failures } from "./behaviour/failures.mjs";
import { hostile } from "./behaviour/hostile.mjs";
import { views } from "./behaviour/views.mjs";

const TOPICS = { views, clicks, ads, failures, consent, delivery, hostile };

// The tests of a browser wait most of the time, so the browsers take turns.
describe("the script", { concurrency: true }, () => {
  for (const { name, launch } of browsers)
    describe(`in ${name}`, { concurrency: false }, () => {
      const browser = { name, driver: undefined };
      before(async () => (browser.driver = await launch()));
      after(() => browser.driver?.close());
      for (const [topic, register] of Object.entries(TOPICS)) describe(topic, { concurrency: false }, () => register(browser));
    });
});

test("at least one browser is installed", () => assert.ok(browsers.length > 0));
