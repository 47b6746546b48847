// An analyst's walk: open, compare, filter by country, open pages, search, sort, export, share. By mouse and by keyboard alone.

import assert from "node:assert/strict";
import { SITE, has, textOf, textsOf, until } from "./reports.mjs";

export const KEYS = { tab: "\ue004", enter: "\ue007", escape: "\ue00c", down: "\ue015", up: "\ue013" };

const parameter = async (driver, name) => new URL(await driver.url()).searchParams.get(name);
/** The name of a new link; each link of the list has a hidden field of this name. */
const FIELD = "main .fields input[name=name]";
const isOpen = (driver) => has(driver, "dialog#detail[open], main .detail");

/** What both walks must see at each step; the whole page is there then. */
const steps = (driver) =>
  Object.fromEntries(Object.entries(checks(driver)).map(([name, check]) => [name, async (...given) => {
    await check(...given);
    if (name !== "shared") await until(async () => !(await has(driver, "#page[aria-busy]")), `${name}: the page is whole`);
  }]));

const checks = (driver) => ({
  opened: async () => {
    await until(async () => new URL(await driver.url()).pathname === `/sites/${SITE}`, "the site is in the address");
    await until(() => has(driver, ".controls summary[data-key=v]"), "the site is open");
  },
  compared: () => until(async () => (await parameter(driver, "compare")) === "weekdays", "weekdays are compared"),
  filtered: async () => {
    await until(() => has(driver, ".pill"), "a filter is set");
    assert.match(await parameter(driver, "filter"), /^country=/);
  },
  detail: () => until(() => isOpen(driver), "the pages are open"),
  searched: async () => {
    await until(async () => (await parameter(driver, "search")) === "doctors", "the search is in the address");
    await until(async () => !(await has(driver, "#page[aria-busy]")), "the rows are there");
    const found = await textsOf(driver, ".detail table.sortable tbody th");
    assert.ok(found.length && found.every((path) => path.includes("doctors")), `${found}`);
  },
  sorted: async () => {
    await until(() => parameter(driver, "sort"), "the sort is in the address");
    await until(() => has(driver, ".detail th[aria-sort]"), "the column says how it is sorted");
  },
  exported: async () => {
    const href = await driver.run(() => document.querySelector(".detail a[download]").href);
    const answer = await fetch(href);
    assert.match(answer.headers.get("content-type"), /^text\/csv/);
    assert.ok((await answer.text()).split("\n").length > 2);
  },
  shared: async (name) => {
    // A script that the form's answer replaces never ends, so the document is read from outside.
    const row = async () => (await driver.source()).split("<tr>").find((row) => row.includes(`<th scope="row">${name}</th>`));
    const link = (await until(row, "the link is in the list")).match(/href="([^"]+)"/)[1];
    const page = await fetch(link);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /data-figure/);
  },
});

export async function walkByMouse(driver, origin, name) {
  const seen = steps(driver);
  await driver.open(`${origin}/?lang=en`);
  await driver.click(`main a[href^="/sites/${SITE}"]`);
  await seen.opened();
  await driver.click(".controls summary[data-key=v]");
  await driver.click('.controls a[href*="compare=weekdays"]');
  await seen.compared();
  await driver.click('#places .tabs a[href*="tab=countries"]');
  await until(async () => !(await has(driver, "#page[aria-busy]")) && (await has(driver, "#places .tabs [aria-current][href*=\"tab=countries\"]")), "the countries are there");
  await driver.click("#places .ranking tbody tr:first-child a");
  await seen.filtered();
  await driver.click("#pages a.more");
  await seen.detail();
  await driver.click(".detail input[type=search]");
  await driver.type(`doctors${KEYS.enter}`);
  await seen.searched();
  await driver.click(".detail thead th:nth-child(2) a");
  await seen.sorted();
  await seen.exported();
  await driver.click(".detail a.back");
  await until(() => has(driver, "main [data-figure]"), "the site is back");
  await driver.click('.views a[href*="/share"]');
  await until(() => has(driver, FIELD), "the form of links");
  await driver.click(FIELD);
  await driver.type(name);
  await driver.click("main form.fields button");
  await seen.shared(name);
}

/** Moves the focus by Tab until it is on an element that matches. */
async function tabTo(driver, selector) {
  const isThere = () => driver.run((selector) => document.activeElement?.matches(selector) ?? false, selector);
  for (let step = 0; step < 150; step++) {
    if (await isThere()) return;
    await driver.type(KEYS.tab);
  }
  throw new Error(`the keyboard does not reach ${selector}`);
}

export async function walkByKeyboard(driver, origin, name) {
  const seen = steps(driver);
  await driver.open(`${origin}/?lang=en`);
  await tabTo(driver, `main a[href^="/sites/${SITE}"]`);
  await driver.type(KEYS.enter);
  await seen.opened();
  await driver.type("v");
  await tabTo(driver, 'a[href*="compare=weekdays"]');
  await driver.type(KEYS.enter);
  await seen.compared();
  await tabTo(driver, '#places .tabs a[href*="tab=countries"]');
  await driver.type(KEYS.enter);
  await until(async () => !(await has(driver, "#page[aria-busy]")) && (await has(driver, "#places .tabs [aria-current][href*=\"tab=countries\"]")), "the countries are there");
  await tabTo(driver, "#places .ranking tbody a");
  await driver.type(`${KEYS.down}${KEYS.up}`);
  await driver.type(KEYS.enter);
  await seen.filtered();
  await tabTo(driver, "#pages a.more");
  await driver.type(KEYS.enter);
  await seen.detail();
  await driver.type("/");
  await driver.type(`doctors${KEYS.enter}`);
  await seen.searched();
  await tabTo(driver, ".detail thead th:nth-child(2) a");
  await driver.type(KEYS.enter);
  await seen.sorted();
  await tabTo(driver, ".detail a[download]");
  await seen.exported();
  await driver.type(KEYS.escape);
  await until(() => has(driver, "main [data-figure]").then(async (site) => site && !(await has(driver, "dialog#detail[open]"))), "the dialog is closed");
  await driver.type("?");
  await until(() => has(driver, "dialog#keys[open]"), "the keys are listed");
  assert.match(await textOf(driver, "dialog#keys"), /Share/);
  await driver.type(KEYS.escape);
  await until(async () => !(await has(driver, "dialog#keys[open]")), "the list is closed");
  await driver.type("h");
  await until(() => has(driver, FIELD), "the form of links");
  await tabTo(driver, FIELD);
  await driver.type(name);
  await driver.type(KEYS.enter);
  await seen.shared(name);
}
