// Bundles and minifies the script. `npm run build` writes dist/; the tests compare it with the result of `build()`.

import { writeFile, mkdir } from "node:fs/promises";
import { constants, brotliCompressSync } from "node:zlib";
import { gzipAsync } from "@gfx/zopfli";
import * as esbuild from "esbuild";
import { minify } from "terser";

const here = (path) => new URL(path, import.meta.url);

/** Returns the script as the collector serves it: plain, brotli and gzip, by file name. */
export async function build() {
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
  const plain = Buffer.from(`try{${code.replace(/;$/, "")}}catch{}`);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 16,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
  };
  return {
    "s.js": plain,
    "s.js.br": brotliCompressSync(plain, { params }),
    // Zopfli compresses better than zlib.
    "s.js.gz": Buffer.from(await gzipAsync(plain, { numiterations: 500 })),
  };
}

if (process.argv[1] === here("build.mjs").pathname) {
  const files = await build();
  await mkdir(here("dist"), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) {
    await writeFile(here(`dist/${name}`), bytes);
    console.log(`${name.padEnd(8)}${String(bytes.length).padStart(6)} bytes`);
  }
}
