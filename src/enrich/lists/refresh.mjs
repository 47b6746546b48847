// Writes the lists of this directory anew: `make lists`.
//
// Each list comes from what others keep; its head says from what, of what version, licence and date. A list is data of the
// repository, so that a build needs no network and a change to it can be read. No package carries hosts of referrer spam:
// that list is only written anew from a copy, `make lists REFERRER_SPAM=spammers.txt`, with REFERRER_SPAM_VERSION, _DATE (else
// the file's) and _NOTE for its head.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { crawlers } from "./crawlers.mjs";
import { addSystems, dataCentres } from "./data-centres.mjs";
import { withPackage } from "./package.mjs";
import { spammers } from "./spam.mjs";

const HERE = import.meta.dirname;

await withPackage("isbot", (source) => {
  const code = readFileSync(join(source.directory, "index.mjs"), "utf8");
  const patterns = JSON.parse(/^var patterns_default = (\[[^]*?^\]);/m.exec(code)[1]);
  write("isbot.txt", source, ["One regular expression a line, to be matched without regard to case."], patterns);
});

await withPackage("crawler-user-agents", (source) => {
  const { rows, skipped } = crawlers(JSON.parse(readFileSync(join(source.directory, "crawler-user-agents.json"), "utf8")));
  const licence = readFileSync(join(source.directory, "LICENSE"), "utf8").trimEnd().split("\n");
  const notes = ["Text of the user agent, case as it is sent; name; category.", "", ...licence];
  write("crawlers.tsv", source, notes, rows.map((row) => row.join("\t")));
  for (const { pattern, why } of skipped) console.log(`  left out, ${why}: ${pattern}`);
  console.log(`  left out: ${skipped.length}`);
});

await withPackage("@ip-location-db/asn", (source) => {
  const systems = new Map();
  for (const file of ["asn-ipv4.csv", "asn-ipv6.csv"]) addSystems(systems, readFileSync(join(source.directory, file), "utf8"));
  const { rows, idle } = dataCentres(readFileSync(join(HERE, "hosting.tsv"), "utf8"), systems);
  const notes = [
    "Number of the autonomous system; name. Chosen by hosting.tsv from the names under which systems are registered:",
    "IP geolocation by DB-IP (https://db-ip.com), RouteViews (routeviews.org) and the NRO (nro.net).",
  ];
  write("data-centres.tsv", { ...source, licence: "CC-BY-4.0" }, notes, rows.map((row) => row.join("\t")));
  for (const key of idle) console.log(`  found nothing: ${key}`);
});

const copy = process.env.REFERRER_SPAM;
if (copy) {
  const { hosts, left } = spammers(readFileSync(copy, "utf8"));
  const source = {
    name: "referrer-spam-list of matomo-org",
    registry: "GitHub",
    version: process.env.REFERRER_SPAM_VERSION || "copy",
    licence: "public domain",
    date: process.env.REFERRER_SPAM_DATE || statSync(copy).mtime.toISOString().slice(0, 10),
  };
  const notes = ["A host a line, which stands for all hosts below it too.", process.env.REFERRER_SPAM_NOTE].filter(Boolean);
  write("referrer-spam.txt", source, notes, hosts);
  for (const host of left) console.log(`  left out: ${host}`);
} else {
  console.log("referrer-spam.txt: kept as it is; give a newer copy with REFERRER_SPAM=spammers.txt");
}

/** Writes one list with its head, and says what became of it. */
function write(file, source, notes, lines) {
  const head = [
    `source: ${source.name} (${source.registry ?? "npm"})`,
    `version: ${source.version}`,
    `licence: ${source.licence}`,
    `date: ${source.date}`,
    "",
    ...notes,
  ];
  const commented = head.map((line) => (line === "" ? "#" : `# ${line}`));
  writeFileSync(join(HERE, file), `${[...commented, ...lines].join("\n")}\n`);
  console.log(`${file}: ${lines.length} from ${source.name} ${source.version} of ${source.date}`);
}
