// Every number of the page is the one that `footfall report` prints.

import assert from "node:assert/strict";
import { SITE, textsOf } from "./reports.mjs";

/** With so many decimals at most, and at least. */
const number = (value, most, least = 0) =>
  new Intl.NumberFormat("en-US", { maximumFractionDigits: most, minimumFractionDigits: least })
    .format(value)
    .replace(/^-(?=.*[1-9])/, "−")
    .replace(/^-/, "");

function duration(seconds) {
  const whole = Math.round(Math.max(0, seconds));
  const two = (part) => String(part).padStart(2, "0");
  if (seconds < 9.95 && seconds % 1 !== 0) return `${number(seconds, 1)}s`;
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}

/** A figure as the page writes it in English. */
export function written(value, unit) {
  if (value === null || value === undefined) return "–";
  switch (unit) {
    case "%":
      return `${number(value, 1, 1)}%`;
    case "s":
      return duration(value);
    case "ms":
      return `${number(value, 0)} ms`;
    case "ratio":
      return number(value, 2, 2);
    case "unit":
      return number(value, 3);
    default:
      return number(value, 1);
  }
}

const plain = (texts) => texts.map((text) => text.replaceAll("\u00a0", " "));

/** The headline figures of the page that is open. */
export async function checkHeadline(driver, reports, args) {
  const [{ columns }, { rows }] = await Promise.all([
    reports.catalogue().then((list) => list.find(({ name }) => name === "overview")),
    reports.report("overview", ...args),
  ]);
  const shown = await driver.run(() => [...document.querySelectorAll("[data-figure]")].map((figure) => [figure.dataset.figure, figure.textContent.trim()]));
  assert.ok(shown.length >= 5, `${shown}`);
  for (const [name, text] of shown) {
    const { unit } = columns.find((column) => column.name === name);
    assert.equal(text.replaceAll("\u00a0", " "), written(rows[0][name], unit), name);
  }
}

/** The table of a report in detail, all its numbers, in the order in which the command prints them. */
export async function checkReport(driver, reports, report, query) {
  // Funnels show one of several, and realtime has no period.
  if (!report.parameters.includes("from") || report.name === "funnel") return 0;
  const args = [...new URLSearchParams(query)].flatMap(([name, value]) => [`--${name}`, value]);
  const { rows } = await reports.report(report.name, ...args, ...(report.parameters.includes("limit") ? ["--limit", "50"] : []));
  await driver.open(`${reports.origin}/sites/${SITE}/reports/${report.name}?lang=en&${query}`);
  const shown = await driver.run(() => [...document.querySelectorAll("table.sortable tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent.trim())));
  const heads = await driver.run(() => [...document.querySelectorAll("table.sortable thead th")].length);
  const expected = foldedLast(rows).slice(0, 50);
  assert.equal(shown.length, expected.length, `${report.name}: rows`);
  assert.equal(heads, report.columns.length, `${report.name}: columns`);
  let compared = 0;
  for (const [place, row] of expected.entries())
    for (const [at, column] of report.columns.entries()) {
      const value = row[column.name];
      if (typeof value !== "number" && value !== null) continue;
      assert.equal(plain(shown[place])[at], written(value, column.unit), `${report.name}, row ${place}, ${column.name}`);
      compared++;
    }
  return compared;
}

/** The order of the page: rows of few visitors, which are folded into one, come last. */
const foldedLast = (rows) => {
  const isFolded = (row) => Object.values(row).includes("(other)");
  return [...rows.filter((row) => !isFolded(row)), ...rows.filter(isFolded)];
};

/** The rankings of the cards: each figure is one of the report's, in its order. */
export async function checkCards(driver, reports, args) {
  const links = await driver.run(() => [...document.querySelectorAll(".cards .card")].filter((card) => card.querySelector(".ranking")).map((card) => [card.id, card.querySelector("a.more")?.pathname.split("/").at(-1)]));
  assert.ok(links.length >= 4, `${links}`);
  const catalogue = await reports.catalogue();
  for (const [id, name] of links.filter(([, name]) => name && name !== "funnel")) {
    const { columns } = catalogue.find((report) => report.name === name);
    const shown = plain(await textsOf(driver, `#${id} .ranking tbody td.number:not(.share)`));
    const rows = foldedLast((await reports.report(name, ...args, "--limit", "9")).rows);
    const candidates = columns.filter(({ unit }) => unit !== "").map(({ name: column, unit }) => rows.slice(0, shown.length).map((row) => (typeof row[column] === "number" ? written(row[column], unit) : undefined)));
    const all = columns.map(({ name: column, unit }) => rows.slice(0, shown.length).map((row) => (typeof row[column] === "number" ? written(row[column], unit) : undefined)));
    const matches = [...candidates, ...all].some((figures) => JSON.stringify(figures) === JSON.stringify(shown));
    assert.ok(matches, `${id}: ${shown} is no column of ${name}: ${JSON.stringify(all)}`);
  }
}
