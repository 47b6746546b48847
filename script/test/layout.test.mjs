// Other names and another order leave a bundle what it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { applyLayout, readBundle } from "../layout/bundle.mjs";

const CODE =
  'let count=0,first=2,add=(value,{more=first,...rest})=>{let sum=value+more;for(let key in rest)sum+=rest[key];return count++,sum},second=add(1,{x:3}),options={mode:"a",second},late=()=>last,last=5;out.push(second,options.mode,options.second,late(),count)';

/** What the code puts out. */
function run(code) {
  const out = [];
  new Function("out", code)(out);
  return out;
}

const namesOf = (bundle, change) => new Map(bundle.variables.map(({ key, name }) => [key, change[key] ?? name]));

test("a bundle does the same with the names and the order of a layout, whole, in part or outdated", () => {
  const layouts = [
    { lists: [], order: [], names: {} },
    { lists: [["second", "mode"]], order: ["last", "late", "first", "count", "add", "second", "options"], names: { add: "e", "add.value": "t", "add.sum": "o", gone: "x" } },
    // It would read `add` before it is there, and take one name twice.
    { lists: [], order: ["second", "add", "count"], names: { add: "e", count: "e", first: "out" } },
  ];
  for (const layout of layouts) {
    const written = applyLayout(CODE, layout);
    assert.deepEqual(run(written), run(CODE), written);
    assert.ok(written.length < CODE.length, written);
  }
  assert.match(applyLayout(CODE, layouts[1]), /^let last=5|^let \w=5,\w=\(\)=>\w,.*\{second:\w,mode:"a"\}/);
});

test("a name is refused where another variable or a global name would be meant", () => {
  const bundle = readBundle(CODE);
  assert.ok(bundle.areNames(namesOf(bundle, {})));
  assert.ok(bundle.areNames(namesOf(bundle, { "add.value": "second" })));
  for (const change of [{ first: "count" }, { "add.value": "count" }, { "add.key": "rest" }, { late: "out" }]) {
    assert.ok(!bundle.areNames(namesOf(bundle, change)), JSON.stringify(change));
  }
});

test("a declaration stays behind those that it needs, also through functions that it calls", () => {
  const bundle = readBundle(CODE);
  assert.ok(bundle.isOrder(["first", "count", "add", "second", "options", "last", "late"]));
  for (const needed of ["count", "first", "add"]) {
    assert.ok(!bundle.isOrder([...bundle.order.filter((key) => key !== needed), needed]), needed);
  }
});
