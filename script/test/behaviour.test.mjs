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

// The tests wait most of the time, so several groups run side by side, but not more than a small machine can give their time.
const GROUPS = [{ views, clicks, failures }, { ads, consent, delivery, hostile }];

describe("the script", { concurrency: 3 }, () => {
  for (const { name, launch } of browsers)
    for (const topics of GROUPS)
      describe(`in ${name}: ${Object.keys(topics).join(", ")}`, { concurrency: false }, () => {
        const browser = { name, driver: undefined };
        before(async () => (browser.driver = await launch()));
        after(() => browser.driver?.close());
        for (const [topic, register] of Object.entries(topics)) describe(topic, { concurrency: false }, () => register(browser));
      });
});

test("at least one browser is installed", () => assert.ok(browsers.length > 0));
