// Fetches npm packages with the npm client, so that the user's registry and proxy settings apply.
//
// No code of a package runs: `npm pack` downloads the archive, and only its files are read.
//
//   node tools/npm.mjs PACKAGE DIRECTORY    unpacks the package below DIRECTORY and prints what it is as JSON

import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** The largest output accepted from npm: `npm view` prints the time of every version that was ever published. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * Downloads and unpacks a package below `directory`.
 *
 * `spec` is a name, which means the newest version, or a name with a range such as `ua-parser-js@1`. Returns
 * `{name, version, licence, date, directory}`: the date of publication as YYYY-MM-DD and the directory of the unpacked files.
 */
export function fetchPackage(spec, directory) {
  const [{ name, version, filename }] = JSON.parse(npm("pack", spec, "--pack-destination", directory, "--json"));
  const { license, time } = JSON.parse(npm("view", `${name}@${version}`, "license", "time", "--json"));
  const unpacked = join(directory, name);
  mkdirSync(unpacked, { recursive: true });
  execFileSync("tar", ["-xf", join(directory, filename), "-C", unpacked]);
  return { name, version, licence: license, date: time[version].slice(0, 10), directory: join(unpacked, "package") };
}

/** Calls `use` with a package as `fetchPackage` returns it, and deletes its files afterwards. */
export async function withPackage(spec, use) {
  const directory = mkdtempSync(join(tmpdir(), "footfall-npm-"));
  try {
    return await use(fetchPackage(spec, directory));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function npm(...args) {
  return execFileSync("npm", [...args, "--loglevel=error"], {
    encoding: "utf8",
    maxBuffer: MAX_OUTPUT_BYTES,
    stdio: ["ignore", "pipe", "inherit"],
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [spec, directory] = process.argv.slice(2);
  if (!directory) throw new Error("usage: node tools/npm.mjs PACKAGE DIRECTORY");
  console.log(JSON.stringify(fetchPackage(spec, directory)));
}
