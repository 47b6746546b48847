// Writes the lists of this directory anew: `make lists`.
//
// Each list comes from a package that others keep; its head says which, of what version, licence and date. A list is data of
// the repository, so that a build needs no network and a change to it can be read.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { crawlers } from "./crawlers.mjs";
import { withPackage } from "./package.mjs";

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

/** Writes one list with its head, and says what became of it. */
function write(file, source, notes, lines) {
  const head = [
    `source: ${source.name} (npm)`,
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
