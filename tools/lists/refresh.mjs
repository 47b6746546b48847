// Updates the lists in src/enrich/lists: `make lists`.
//
// Each list comes from a public source. Its head names the source with version, licence and date. The lists are committed, so
// a build needs no network and a change can be reviewed with `git diff`.
//
// No package has hosts of referrer spam. That list is updated from a local copy: `make lists REFERRER_SPAM=spammers.txt`.
// REFERRER_SPAM_VERSION, REFERRER_SPAM_DATE (by default the date of the file) and REFERRER_SPAM_NOTE go into its head.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { withPackage } from "../npm.mjs";
import { crawlerRows } from "./crawlers.mjs";
import { addSystems, dataCentreRows } from "./data-centres.mjs";
import { spamHosts } from "./referrer-spam.mjs";

const LISTS = join(import.meta.dirname, "../../src/enrich/lists");

await withPackage("isbot", (source) => {
  const code = readFileSync(join(source.directory, "index.mjs"), "utf8");
  const patterns = JSON.parse(/^var patterns_default = (\[[^]*?^\]);/m.exec(code)[1]);
  writeList("isbot.txt", source, ["One regular expression per line, without regard to case."], patterns);
});

await withPackage("crawler-user-agents", (source) => {
  const { rows, skipped } = crawlerRows(JSON.parse(readFileSync(join(source.directory, "crawler-user-agents.json"), "utf8")));
  const licence = readFileSync(join(source.directory, "LICENSE"), "utf8").trimEnd().split("\n");
  const notes = ["Text in the user agent, with its case; name; category.", "", ...licence];
  writeList("crawlers.tsv", source, notes, rows.map((row) => row.join("\t")));
  for (const { pattern, reason } of skipped) console.log(`  skipped, ${reason}: ${pattern}`);
  console.log(`  skipped: ${skipped.length}`);
});

await withPackage("@ip-location-db/asn", (source) => {
  const systems = new Map();
  for (const file of ["asn-ipv4.csv", "asn-ipv6.csv"]) addSystems(systems, readFileSync(join(source.directory, file), "utf8"));
  const { rows, unmatched } = dataCentreRows(readFileSync(join(import.meta.dirname, "hosting.tsv"), "utf8"), systems);
  const notes = [
    "Number of the autonomous system; name. Selected by tools/lists/hosting.tsv from the registered names of:",
    "IP geolocation by DB-IP (https://db-ip.com), RouteViews (routeviews.org) and the NRO (nro.net).",
  ];
  writeList("data-centres.tsv", { ...source, licence: "CC-BY-4.0" }, notes, rows.map((row) => row.join("\t")));
  for (const key of unmatched) console.log(`  rule without a match: ${key}`);
});

const copy = process.env.REFERRER_SPAM;
if (copy) {
  const { hosts, excluded } = spamHosts(readFileSync(copy, "utf8"));
  const source = {
    name: "referrer-spam-list of matomo-org",
    registry: "GitHub",
    version: process.env.REFERRER_SPAM_VERSION || "copy",
    licence: "public domain",
    date: process.env.REFERRER_SPAM_DATE || statSync(copy).mtime.toISOString().slice(0, 10),
  };
  const notes = ["One host per line; it includes all hosts below it.", process.env.REFERRER_SPAM_NOTE].filter(Boolean);
  writeList("referrer-spam.txt", source, notes, hosts);
  for (const host of excluded) console.log(`  excluded: ${host}`);
} else {
  console.log("referrer-spam.txt: unchanged; to update it, pass a newer copy as REFERRER_SPAM=spammers.txt");
}

/** Writes a list with its head and prints its size and source. */
function writeList(file, source, notes, lines) {
  const head = [
    `source: ${source.name} (${source.registry ?? "npm"})`,
    `version: ${source.version}`,
    `licence: ${source.licence}`,
    `date: ${source.date}`,
    "",
    ...notes,
  ];
  const commented = head.map((line) => (line === "" ? "#" : `# ${line}`));
  writeFileSync(join(LISTS, file), `${[...commented, ...lines].join("\n")}\n`);
  console.log(`${file}: ${lines.length} lines from ${source.name} ${source.version} of ${source.date}`);
}
