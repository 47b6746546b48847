// The types of the wire format match its document and the beacons of the script.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const read = (path) => readFile(new URL(path, import.meta.url), "utf8");

/** The names of the fields that `src/wire.ts` declares. Kinds of events are the fields of `EventFields`, but for links. */
async function declared() {
  const text = (await read("../src/wire.ts")).replace(/\/\*\*.*?\*\//gs, "");
  const [common, kinds] = text.split(/export interface EventFields \{/);
  const names = (part) => [...part.matchAll(/(\w+):/g)].map(([, name]) => name);
  const nested = [...kinds.matchAll(/\{([^{}]*)\}/g)].flatMap(([, fields]) => names(fields));
  const named = [...kinds.matchAll(/^  (\w+):/gm)].map(([, kind]) => kind);
  return { fields: [...new Set([...names(common), ...nested])], kinds: named.filter((kind) => kind !== "link") };
}

test("docs/wire.md describes every field and every kind that the script sends", async () => {
  const document = await read("../../docs/wire.md");
  const { fields, kinds } = await declared();
  assert.ok(fields.includes("ck") && fields.includes("slot") && kinds.length === 8, `${fields} ${kinds}`);
  assert.deepEqual([...fields, ...kinds].filter((name) => !document.includes(`\`${name}\``)), []);
});
