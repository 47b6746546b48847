// `make screenshots`: pictures of every view of the page of reports, in docs/screenshots.

import { mkdir, writeFile } from "node:fs/promises";
import { launchChromium } from "./driver/browsers.mjs";
import { sleep } from "./footfall.mjs";
import { SITE, startReports, until } from "./page/reports.mjs";

const folder = new URL("../../docs/screenshots/", import.meta.url);
const DESKTOP = [1280, 900];
const PHONE = [390, 844];

/** Name, path, size, theme, language. */
const PICTURES = [
  ["site-light-en", `/sites/${SITE}?from=7d`, DESKTOP, "light", "en"],
  ["site-dark-ru", `/sites/${SITE}?from=7d`, DESKTOP, "dark", "ru"],
  ["site-phone-light-ru", `/sites/${SITE}?from=7d`, PHONE, "light", "ru"],
  ["site-phone-dark-en", `/sites/${SITE}?from=7d`, PHONE, "dark", "en"],
  ["sites-light-en", "/", DESKTOP, "light", "en"],
  ["detail-light-ru", `/sites/${SITE}/reports/pages`, DESKTOP, "light", "ru"],
  ["diagnostics-dark-en", `/sites/${SITE}/diagnostics`, DESKTOP, "dark", "en"],
  ["diagnostics-phone-light-ru", `/sites/${SITE}/diagnostics`, PHONE, "light", "ru"],
  ["realtime-light-en", `/sites/${SITE}/realtime`, DESKTOP, "light", "en"],
  ["share-light-en", `/sites/${SITE}/share`, DESKTOP, "light", "en"],
  ["shared-dark-ru", "shared", DESKTOP, "dark", "ru"],
];

const reports = await startReports({ visitors: 80, hostile: false });
const driver = await launchChromium({ args: ["--hide-scrollbars", "--force-device-scale-factor=1"] });
try {
  const shared = new URL(await reports.share("add", "--site", SITE, "--name", "board", "--expires", "30d")).pathname;
  await until(async () => (await fetch(reports.origin + shared)).status === 200, "the link is known");
  await mkdir(folder, { recursive: true });
  for (const [name, path, [width, height], theme, lang] of PICTURES) {
    await driver.setView(width, height);
    await driver.setTheme(theme);
    const address = new URL(path === "shared" ? `${shared}sites/${SITE}?from=7d` : path, reports.origin);
    address.searchParams.set("lang", lang);
    await driver.open(address.href);
    await sleep(300);
    const picture = await driver.screenshot();
    await writeFile(new URL(`${name}.png`, folder), picture);
    console.log(`${name}.png: ${picture.length} bytes`);
  }
} finally {
  await driver.close();
  await reports.close();
}
