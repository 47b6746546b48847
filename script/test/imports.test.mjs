// The modules of the script form layers: no circle, and no import of a higher layer.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

/** The layers from the lowest to the highest; the main module lists them too. Modules of one layer may import each other. */
const LAYERS = [
  ["settings", "guard", "wire"],
  ["page"],
  ["browser", "consent"],
  ["queue"],
  ["events/"],
  ["main"],
  // The script of the page of reports, which no visitor loads.
  ["page/document"],
  ["page/chart", "page/navigation", "page/realtime"],
  ["page/dialog", "page/keys"],
  ["page/main"],
];

const source = new URL("../src/", import.meta.url);

/** The imports of a module, as names of modules: `./page` of `events/views` is `events/page`. Types count too. */
function importsOf(name, text) {
  const paths = text.matchAll(/^\s*(?:import|export)\b[^;]*?["'](\.{1,2}\/[^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm);
  return [...paths].map(([, path, dynamic]) => new URL(path ?? dynamic, `file:///${name}`).pathname.slice(1));
}

/** A circle as a list of modules, each of which imports the next, or nothing. */
function findCircle(graph) {
  const finished = new Set();
  const visit = (name, path) => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (finished.has(name)) return undefined;
    for (const imported of graph.get(name)) {
      const circle = visit(imported, [...path, name]);
      if (circle) return circle;
    }
    finished.add(name);
    return undefined;
  };
  for (const name of graph.keys()) {
    const circle = visit(name, []);
    if (circle) return circle;
  }
  return undefined;
}

const layerOf = (name) => LAYERS.findIndex((layer) => layer.some((entry) => (entry.endsWith("/") ? name.startsWith(entry) : name === entry)));

const files = (await readdir(source, { recursive: true })).filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));
const graph = new Map();
for (const file of files) {
  const name = file.slice(0, -".ts".length);
  graph.set(name, importsOf(name, await readFile(new URL(file, source), "utf8")));
}

test("every module is found and has a layer", () => {
  assert.deepEqual([...graph.keys()].filter((name) => layerOf(name) < 0), []);
  for (const [name, imports] of graph) {
    assert.deepEqual(imports.filter((imported) => !graph.has(imported)), [], name);
  }
  // If the parser missed imports, the other tests would prove nothing.
  assert.ok(graph.get("main").length >= 8 && graph.get("queue").includes("page"));
});

test("no modules import each other in a circle", () => {
  assert.equal(findCircle(graph)?.join(" → "), undefined);
});

test("a module imports from its own layer and lower layers only", () => {
  const upward = [...graph].flatMap(([name, imports]) =>
    imports.filter((imported) => layerOf(imported) > layerOf(name)).map((imported) => `${name} → ${imported}`),
  );
  assert.deepEqual(upward, []);
});

test("the script of the page of reports has nothing of that of visitors", () => {
  const isOfReports = (name) => name.startsWith("page/");
  const foreign = [...graph].filter(([name]) => isOfReports(name)).flatMap(([, imports]) => imports.filter((name) => !isOfReports(name)));
  assert.deepEqual(foreign, []);
});

test("a circle is found however its imports are written", () => {
  const texts = {
    a: 'import {\n  one,\n  two,\n} from "./b";',
    b: "export * from './events/c';",
    "events/c": 'import type { T } from "../d";',
    d: 'const late = () => import("./a");',
    e: 'import "./a";',
  };
  const graph = new Map(Object.entries(texts).map(([name, text]) => [name, importsOf(name, text)]));
  assert.deepEqual(findCircle(graph), ["a", "b", "events/c", "d", "a"]);
  graph.set("d", []);
  assert.equal(findCircle(graph), undefined);
});
