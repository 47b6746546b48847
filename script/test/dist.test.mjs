// What is committed is what the source makes, and it is small.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { build } from "../build.mjs";

const kept = (name) => readFile(new URL(`../dist/${name}`, import.meta.url));

test("dist is what the source makes", async () => {
  const made = await build();
  assert.equal((await kept("s.js")).toString(), made["s.js"].toString(), "run `npm run build`");
});

test("the compressed files hold the script", async () => {
  const plain = await kept("s.js");
  assert.deepEqual(brotliDecompressSync(await kept("s.js.br")), plain);
  assert.deepEqual(gunzipSync(await kept("s.js.gz")), plain);
});

// The aim for gzip is 2,200 (CHANGELOG.md, known limits); until then it must not grow.
test("the script is at most 2,000 bytes in brotli and 2,240 in gzip", async () => {
  const [brotli, gzip] = [(await kept("s.js.br")).length, (await kept("s.js.gz")).length];
  assert.ok(brotli <= 2_000, `brotli has ${brotli} bytes`);
  assert.ok(gzip <= 2_240, `gzip has ${gzip} bytes`);
});
