// Finds the autonomous systems that are data centres, by the rules of `hosting.tsv`.

/**
 * Returns rows `[number, name]`, sorted by number, and the keys of rules that matched nothing.
 *
 * `table` is the text of `hosting.tsv`; `systems` maps each number to the name it is registered under.
 */
export function dataCentreRows(table, systems) {
  const rules = parseRules(table);
  const matched = new Set();
  const rows = [];
  for (const [number, registered] of [...systems].sort(([a], [b]) => a - b)) {
    const rule = rules.never.has(String(number)) ? undefined : findRule(rules, number, normalize(registered));
    if (rule === undefined) continue;
    matched.add(rule);
    // A rule for a trade has no name; the registered name is used.
    rows.push([number, rule.name || registered.replace(/\s+/g, " ").trim()]);
  }
  return { rows, unmatched: rules.all.filter((rule) => !matched.has(rule)).map((rule) => rule.key) };
}

/** Adds the systems of a CSV file to the map. Its columns are first address, last address, number and name. */
export function addSystems(systems, csv) {
  for (const [, number, quoted, bare] of csv.matchAll(/^[^,]*,[^,]*,(\d+),(?:"((?:[^"]|"")*)"|([^\r\n]*))\r?$/gm)) {
    systems.set(Number(number), quoted?.replaceAll('""', '"') ?? bare);
  }
}

function parseRules(table) {
  const rules = { name: [], word: [], not: [], asn: new Map(), never: new Set(), all: [] };
  for (const line of table.split("\n").filter((line) => line !== "" && !line.startsWith("#"))) {
    const [kind, key, name = ""] = line.split("\t");
    const rule = { key, name };
    if (kind === "asn") rules.asn.set(key, rule);
    else if (kind === "never") rules.never.add(key);
    else rules[kind].push(rule);
    if (["name", "word", "asn"].includes(kind)) rules.all.push(rule);
  }
  return rules;
}

function findRule(rules, number, registered) {
  const has = ({ key }) => registered.includes(` ${key} `);
  const numbered = rules.asn.get(String(number));
  return (
    numbered ??
    rules.name.find(({ key }) => registered.startsWith(` ${key} `)) ??
    (rules.not.some(has) ? undefined : rules.word.find(has))
  );
}

/** Returns the words in lower case without punctuation, each with a space on both sides. */
function normalize(text) {
  return ` ${text.toLowerCase().replace(/[^\p{L}\d]+/gu, " ").trim()} `;
}
