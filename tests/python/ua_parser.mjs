// The second parser for `suites.py`: reads user agents as a JSON array and prints the results of `ua-parser-js`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { UAParser } = createRequire(import.meta.url)(process.argv[2]);

const answers = JSON.parse(readFileSync(0, "utf8")).map((userAgent) => {
  const { browser, os, device } = new UAParser(userAgent).getResult();
  return { family: browser.name, version: browser.version, os: os.name, device: device.type ?? "desktop" };
});
process.stdout.write(JSON.stringify(answers));
