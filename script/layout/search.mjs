// Looks for the layout of the script with which it compresses best, and writes `layout.json`. `npm run layout -- SECONDS` goes on from the
// layout that is there. It changes names and places at random and goes back more and more often if the script grew (simulated annealing).

import { readFile, writeFile } from "node:fs/promises";
import { constants, brotliCompressSync, gzipSync } from "node:zlib";
import { BROTLI, bundleStatisticsScript, wrap } from "../build.mjs";
import { fit, readBundle } from "./bundle.mjs";

const LETTERS = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"];
/** A byte of gzip counts less: few browsers ask for it. */
const GZIP_WEIGHT = 0.35;
/** How many bytes the script may grow with a chance of 1/e, at the start. */
const HEAT = 1.2;

const file = new URL("layout.json", import.meta.url);
const bundle = readBundle(await bundleStatisticsScript());
const pick = (list) => list[Math.floor(Math.random() * list.length)];

function sizeOf({ names, order }) {
  const text = wrap(bundle.write(names, order));
  return brotliCompressSync(text, { params: { ...BROTLI, [constants.BROTLI_PARAM_SIZE_HINT]: text.length } }).length + GZIP_WEIGHT * gzipSync(text, { level: 9 }).length;
}

/** A layout with one to four declarations elsewhere. */
function moved({ names, order }) {
  const next = [...order];
  const block = next.splice(Math.floor(Math.random() * next.length), 1 + Math.floor(Math.random() ** 3 * 4));
  next.splice(Math.floor(Math.random() * (next.length + 1)), 0, ...block);
  return bundle.isOrder(next) && { names, order: next };
}

/** A layout with another name for a variable. One of its scope that has the name gets the old one. */
function renamed({ names, order }) {
  const next = new Map(names);
  const { key, scope } = pick(bundle.variables);
  const name = Math.random() < 0.8 ? names.get(pick(bundle.variables).key) : pick(LETTERS);
  const holder = scope.variables.find((other) => names.get(other.key) === name);
  if (holder) next.set(holder.key, names.get(key));
  next.set(key, name);
  return bundle.areNames(next) && { names: next, order };
}

const seconds = Number(process.argv[2] ?? 300);
let current = fit(bundle, JSON.parse(await readFile(file, "utf8")));
let [size, best] = [sizeOf(current), current];
let smallest = size;
const heat = process.argv[3] ? Number(process.argv[3]) : HEAT;
const [start, end] = [Date.now(), Date.now() + seconds * 1e3];
while (Date.now() < end) {
  const next = Math.random() < 0.25 ? moved(current) : renamed(current);
  if (!next) continue;
  const nextSize = sizeOf(next);
  const warmth = (heat * (end - Date.now())) / (end - start);
  if (nextSize > size && Math.random() > Math.exp((size - nextSize) / warmth)) continue;
  [current, size] = [next, nextSize];
  if (size < smallest) [best, smallest] = [current, size];
}
const names = Object.fromEntries([...best.names].sort(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(file, `${JSON.stringify({ order: best.order, names }, undefined, 1)}\n`);
console.log(`${smallest.toFixed(1)} bytes after ${seconds} s`);
