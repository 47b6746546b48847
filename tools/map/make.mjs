// Makes the world map of the page of reports: src/operator/page/charts/world.tsv.
//
//   npm ci && npm run build
//
// The shapes are Natural Earth's (public domain) at 1:110 million, as the package `world-atlas` has them. Countries that are too small for
// that scale are taken from 1:50 million and become dots. The projection is Natural Earth's own.

import { readFileSync, writeFileSync } from "node:fs";
import { geoArea, geoCentroid, geoNaturalEarth1, geoPath } from "d3-geo";
import isoCountries from "i18n-iso-countries";
import { feature } from "topojson-client";

/** The width of the map in its own units. The height follows. */
const WIDTH = 1000;
/** The map is turned by so many degrees, so that its edge runs through the Bering Strait and divides no country. */
const CENTRE = -11;
/** The radius of the dot of a small country. */
const DOT_RADIUS = 2.4;
/** Parts of a country that are smaller, in square units, are left out where the country has a larger part. */
const SMALLEST_PART = 0.6;
/** Countries that have no number in ISO 3166, and the code that databases of addresses use for them. */
const UNNUMBERED = new Map([["Kosovo", "XK"]]);
/** Land that belongs to no country of the list. */
const NO_CODE = "-";
const OUTPUT = new URL("../../src/operator/page/charts/world.tsv", import.meta.url);

function countriesOf(file) {
  const atlas = JSON.parse(readFileSync(new URL(`node_modules/world-atlas/${file}`, import.meta.url), "utf8"));
  return feature(atlas, atlas.objects.countries)
    .features.map((country) => ({ code: codeOf(country), shape: country }))
    .filter((country) => country.code !== "AQ");
}

function codeOf(country) {
  const code = country.id ? isoCountries.numericToAlpha2(country.id) : UNNUMBERED.get(country.properties.name);
  return code ?? NO_CODE;
}

/** Rings of screen coordinates in tenths of a unit, as relative lines: `M12 34l5-6 7 8z`. */
function compactPath(rings) {
  let path = "";
  for (const ring of rings) {
    let [x, y] = ring[0];
    path += `M${x} ${y}l`;
    let steps = "";
    for (const [nextX, nextY] of ring.slice(1)) {
      const [dx, dy] = [nextX - x, nextY - y];
      [x, y] = [nextX, nextY];
      if (dx === 0 && dy === 0) continue;
      for (const step of [dx, dy]) steps += step < 0 || steps === "" ? step : ` ${step}`;
    }
    path += `${steps}z`;
  }
  return path;
}

/** The rings of a shape as `geoPath` draws them, after clipping at the edge of the map. */
function ringsOf(shape, projection) {
  const rings = [];
  const context = {
    moveTo: (x, y) => rings.push([[tenths(x), tenths(y)]]),
    lineTo: (x, y) => rings.at(-1).push([tenths(x), tenths(y)]),
    arc: () => {},
    closePath: () => {},
  };
  geoPath(projection, context)(shape);
  const bySize = rings.filter((ring) => ring.length > 3).sort((a, b) => areaOf(b) - areaOf(a));
  return bySize.filter((ring, place) => place === 0 || areaOf(ring) >= SMALLEST_PART * 100);
}

function areaOf(ring) {
  let doubled = 0;
  ring.forEach(([x, y], at) => {
    const [nextX, nextY] = ring[(at + 1) % ring.length];
    doubled += x * nextY - nextX * y;
  });
  return Math.abs(doubled) / 2;
}

function tenths(value) {
  return Math.round(value * 10);
}

function dot([x, y]) {
  const radius = tenths(DOT_RADIUS);
  return `M${tenths(x) - radius} ${tenths(y)}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0-${2 * radius} 0z`;
}

const large = countriesOf("countries-110m.json");
const drawn = new Set(large.map((country) => country.code));
const small = countriesOf("countries-50m.json").filter(({ code }) => code !== NO_CODE && !drawn.has(code));

const world = { type: "FeatureCollection", features: large.map((country) => country.shape) };
const projection = geoNaturalEarth1().rotate([CENTRE, 0]).fitWidth(WIDTH, world);
const [[, top], [, bottom]] = geoPath(projection).bounds(world);
const [translateX, translateY] = projection.translate();
projection.translate([translateX, translateY - top]);

// Dots come last, so that they lie on the land.
const lines = [
  ...large.map(({ code, shape }) => [code, compactPath(ringsOf(shape, projection))]).sort(byCode),
  ...largestParts(small).map(({ code, shape }) => [code, dot(projection(geoCentroid(shape)))]).sort(byCode),
];

function byCode([a], [b]) {
  return a < b ? -1 : Number(a > b);
}

/** Of a small country that has several parts in the list, the largest. */
function largestParts(countries) {
  const largest = new Map();
  for (const country of countries) {
    const found = largest.get(country.code);
    if (!found || geoArea(country.shape) > geoArea(found.shape)) largest.set(country.code, country);
  }
  return [...largest.values()];
}

const text = [`${tenths(WIDTH)}\t${Math.ceil(tenths(bottom - top))}`, ...lines.map((line) => line.join("\t"))].join("\n");
writeFileSync(OUTPUT, `${text}\n`);
console.log(`${lines.length} shapes, ${large.length} of land and ${lines.length - large.length} dots, ${text.length} bytes`);
