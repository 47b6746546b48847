// Bundles and minifies the script of visitors' pages, and script and stylesheet of the page of reports. `npm run build` writes dist/; the tests
// compare it with the result of `build()`.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { constants, brotliCompressSync } from "node:zlib";
import { gzipAsync } from "@gfx/zopfli";
import * as esbuild from "esbuild";
import { minify } from "terser";

const here = (path) => new URL(path, import.meta.url);

/** Returns all files as the collector serves them: plain, brotli and gzip, by file name. */
export async function build() {
  const [statistics, script, style] = await Promise.all([statisticsScript(), pageScript(), pageStyle()]);
  const files = await Promise.all([encodings("s.js", statistics), encodings("page.js", script), encodings("page.css", style)]);
  return Object.assign({}, ...files);
}

async function statisticsScript() {
  const { outputFiles } = await esbuild.build({
    entryPoints: [here("src/main.ts").pathname],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    mangleProps: /^\$/,
    mangleCache: { $step: "$1", $timer: "$2" },
    legalComments: "none",
  });
  const { code } = await minify(outputFiles[0].text.replace(/^var /gm, "let ").replace(/\bconst /g, "let "), {
    ecma: 2022,
    module: true,
    compress: { passes: 4, unsafe_arrows: true, pure_getters: true, hoist_props: true, keep_fargs: false, booleans_as_integers: true },
    mangle: true,
    format: { semicolons: true },
  });
  // The block keeps the names out of the global scope, and `try` keeps errors away from the page.
  return Buffer.from(`try{${code.replace(/;$/, "")}}catch{}`);
}

async function pageScript() {
  const { outputFiles } = await esbuild.build({
    entryPoints: [here("src/page/main.ts").pathname],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
  });
  const { code } = await minify(outputFiles[0].text, { ecma: 2022, module: true, compress: { passes: 2 }, mangle: true });
  return Buffer.from(code);
}

/** The tokens and rules of the page, then those of its charts. */
async function pageStyle() {
  const page = "../src/operator/page/";
  const sources = await Promise.all([`${page}assets/page.css`, `${page}assets/views.css`, `${page}charts/charts.css`].map((path) => readFile(here(path), "utf8")));
  const { code } = await esbuild.transform(sources.join(""), { loader: "css", minify: true, target: ["chrome123", "firefox120", "safari17.5"] });
  return Buffer.from(code);
}

async function encodings(name, plain) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 16,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
  };
  return {
    [name]: plain,
    [`${name}.br`]: brotliCompressSync(plain, { params }),
    // Zopfli compresses better than zlib.
    [`${name}.gz`]: Buffer.from(await gzipAsync(plain, { numiterations: 500 })),
  };
}

if (process.argv[1] === here("build.mjs").pathname) {
  const files = await build();
  await mkdir(here("dist"), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) {
    await writeFile(here(`dist/${name}`), bytes);
    console.log(`${name.padEnd(12)}${String(bytes.length).padStart(6)} bytes`);
  }
}
