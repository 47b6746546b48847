// Looks for the layout of the script with which it compresses best, and writes `layout.json`. `npm run layout -- SECONDS` goes on from the
// layout that is there. It changes names and places at random, and gives up more and more of the changes that make the script larger
// (simulated annealing).

import { readFile, writeFile } from "node:fs/promises";
import { constants, brotliCompressSync, gzipSync } from "node:zlib";
import { BROTLI, bundleStatisticsScript, wrap } from "../build.mjs";
import { fit, readBundle } from "./bundle.mjs";
import { listsOf, reorder, withOrder } from "./lists.mjs";

const LETTERS = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"];
/** A byte of gzip counts less: few browsers ask for it. */
const GZIP_WEIGHT = 0.35;
/** How many bytes the script may grow with a chance of 1/e, at the start. */
const HEAT = 0.8;

const file = new URL("layout.json", import.meta.url);
const random = (count) => Math.floor(Math.random() * count);
const pick = (list) => list[random(list.length)];

function sizeOf({ bundle, names, order }) {
  const text = wrap(bundle.write(names, order));
  return brotliCompressSync(text, { params: { ...BROTLI, [constants.BROTLI_PARAM_SIZE_HINT]: text.length } }).length + GZIP_WEIGHT * gzipSync(text, { level: 9 }).length;
}

/** A copy of a list with up to `most` neighbours elsewhere. */
function shuffled(list, most) {
  const next = [...list];
  const block = next.splice(random(next.length), 1 + Math.floor(Math.random() ** 3 * most));
  next.splice(random(next.length + 1), 0, ...block);
  return next;
}

/** A layout with one to four declarations elsewhere. */
function moved(layout) {
  const order = shuffled(layout.order, 4);
  return layout.bundle.isOrder(order) && { ...layout, order };
}

/** A layout with another order of a list. */
function listed({ bundle, names, order }) {
  const list = pick(listsOf(bundle.code));
  const next = readBundle(withOrder(bundle.code, list, shuffled(list.map(({ key }) => key), 1)));
  const isSame = next.variables.every(({ key }) => names.has(key)) && next.areNames(names) && next.isOrder(order);
  return isSame && { bundle: next, names, order };
}

/** A layout with another name for a variable. One of its scope that has the name gets the old one. */
function renamed({ bundle, names, order }) {
  const next = new Map(names);
  const { key, scope } = pick(bundle.variables);
  const name = Math.random() < 0.8 ? names.get(pick(bundle.variables).key) : pick(LETTERS);
  const holder = scope.variables.find((other) => names.get(other.key) === name);
  if (holder) next.set(holder.key, names.get(key));
  next.set(key, name);
  return bundle.areNames(next) && { bundle, names: next, order };
}

function changed(layout) {
  const chance = Math.random();
  if (chance < 0.15) return listed(layout);
  return chance < 0.35 ? moved(layout) : renamed(layout);
}

const seconds = Number(process.argv[2] ?? 300);
const heat = Number(process.argv[3] ?? HEAT);
const stored = JSON.parse(await readFile(file, "utf8"));
const bundle = readBundle(reorder(await bundleStatisticsScript(), stored.lists));
let current = { bundle, ...fit(bundle, stored) };
let [size, best] = [sizeOf(current), current];
let smallest = size;
const [start, end] = [Date.now(), Date.now() + seconds * 1e3];
while (Date.now() < end) {
  const next = changed(current);
  if (!next) continue;
  const nextSize = sizeOf(next);
  const warmth = (heat * (end - Date.now())) / (end - start);
  if (nextSize > size && Math.random() > Math.exp((size - nextSize) / warmth)) continue;
  [current, size] = [next, nextSize];
  if (size < smallest) [best, smallest] = [current, size];
}
const lists = listsOf(best.bundle.code).map((list) => list.map(({ key }) => key));
const names = Object.fromEntries([...best.names].sort(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(file, `${JSON.stringify({ lists, order: best.order, names }, undefined, 1)}\n`);
console.log(`${smallest.toFixed(1)} bytes after ${seconds} s`);
