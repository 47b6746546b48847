// Which autonomous systems are data centres: those registered under a name of `hosting.tsv`.

/**
 * Rows `[number, name]` in the order of the numbers, and the keys that found nothing.
 *
 * `table` is the text of `hosting.tsv`; `systems` maps numbers to the names they are registered under.
 */
export function dataCentres(table, systems) {
  const rules = read(table);
  const found = new Set();
  const rows = [];
  for (const [number, registered] of [...systems].sort(([a], [b]) => a - b)) {
    const rule = rules.never.has(String(number)) ? undefined : ruleFor(rules, number, words(registered));
    if (rule === undefined) continue;
    found.add(rule);
    // One that only tells its trade is called as it is registered.
    rows.push([number, rule.name || registered.replace(/\s+/g, " ").trim()]);
  }
  return { rows, idle: rules.all.filter((rule) => !found.has(rule)).map((rule) => rule.key) };
}

/** The systems of a CSV file of ranges: first and last address, number, name. */
export function addSystems(systems, csv) {
  for (const [, number, quoted, bare] of csv.matchAll(/^[^,]*,[^,]*,(\d+),(?:"((?:[^"]|"")*)"|([^\r\n]*))\r?$/gm)) {
    systems.set(Number(number), quoted?.replaceAll('""', '"') ?? bare);
  }
}

function read(table) {
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

function ruleFor(rules, number, registered) {
  const has = ({ key }) => registered.includes(` ${key} `);
  const numbered = rules.asn.get(String(number));
  return (
    numbered ??
    rules.name.find(({ key }) => registered.startsWith(` ${key} `)) ??
    (rules.not.some(has) ? undefined : rules.word.find(has))
  );
}

/** In lower case, words alone, each with a space on both sides. */
function words(text) {
  return ` ${text.toLowerCase().replace(/[^\p{L}\d]+/gu, " ").trim()} `;
}
