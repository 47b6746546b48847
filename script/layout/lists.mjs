// Lists of a bundle whose order means nothing: the properties of an object, the texts of an array, and words of a text.

import { parse } from "acorn";

const isText = (node) => node?.type === "Literal" && typeof node.value === "string";

/** The lists of a bundle, each with its entries as `{ key, start, end }`. No list lies in another one. */
export function listsOf(code) {
  const lists = [];
  const visit = (node) => {
    const entries = entriesOf(node);
    if (entries.length > 1) lists.push(entries);
    for (const part of Object.values(node).flat()) if (typeof part?.type === "string") visit(part);
  };
  visit(parse(code, { ecmaVersion: 2022, sourceType: "module" }));
  return lists;
}

function entriesOf(node) {
  const entry = ({ start, end }, key) => ({ key, start, end });
  if (node.type === "ObjectExpression" && node.properties.every(({ type }) => type === "Property"))
    return node.properties.map((property) => entry(property, property.key.name ?? property.key.value));
  if (node.type === "ArrayExpression" && node.elements.every(isText)) return node.elements.map((element) => entry(element, element.value));
  // Types of events.
  if (isText(node) && /^[a-z]+( [a-z]+)+$/.test(node.value)) {
    let start = node.start + 1;
    return node.value.split(" ").map((key) => {
      const end = start + key.length;
      const word = { key, start, end };
      start = end + 1;
      return word;
    });
  }
  return [];
}

/** Puts the entries of a list in the order of these keys. */
export function withOrder(code, list, keys) {
  const texts = keys.map((key) => list.find((entry) => entry.key === key)).map(({ start, end }) => code.slice(start, end));
  let [text, at] = ["", 0];
  for (const [index, { start, end }] of list.entries()) {
    text += code.slice(at, start) + texts[index];
    at = end;
  }
  return text + code.slice(at);
}

/** Puts every list of a bundle that has the same entries as one of `orders` in that order. */
export function reorder(code, orders) {
  const sorted = (keys) => [...keys].sort().join();
  const known = new Map(orders.map((keys) => [sorted(keys), keys]));
  for (const index of listsOf(code).keys()) {
    const list = listsOf(code)[index];
    const keys = known.get(sorted(list.map(({ key }) => key)));
    if (keys) code = withOrder(code, list, keys);
  }
  return code;
}
