// What a crawler is called and what it is for, from the npm package `crawler-user-agents`.

import { isAnchored, literals } from "./literals.mjs";

/**
 * Tags of the package and our categories. A crawler with several tags takes the first of this order: what a site's owner most
 * wants to know about comes first, and what says least last.
 */
const CATEGORIES = [
  ["ai-crawler", "ai"],
  ["search-engine", "search"],
  ["social-preview", "preview"],
  ["feed-reader", "preview"],
  ["monitoring", "monitoring"],
  ["scanner", "monitoring"],
  ["browser-automation", "automation"],
  ["http-library", "library"],
  ["seo", "seo"],
  ["advertising", "seo"],
];

/**
 * The package tags `seo` whatever it has no better tag for: job boards, payment services, spiders of unknown purpose. Only
 * where its name or description speaks of such work is it believed; the others are `other`.
 */
const SPEAKS_OF_SEO = /seo|rank|link|keyword|serp|audit|marketing|sitemap|optimi[sz]ation|competitive/i;

/** Well known for it, although their descriptions do not say so. */
const SEO = new Set(["MJ12bot", "rogerbot", "BLEXBot", "RyteBot", "SiteCheckerBotCrawler", "Caliperbot", "hypestat", "Cocolyzebot"]);

/**
 * The texts to look for where the package's expression is no literal, or so wide that devices and browsers of people have it
 * too: `HTC Butterfly`, `ViewSonic`, the Sogou browser, Amazon's Silk, a build of Android. Without a text it is left out.
 */
const TEXTS = new Map(
  Object.entries({
    "008\\/": [],
    "AdsBot-Google([^-]|$)": ["AdsBot-Google"],
    "AP3A\\.240617\\.008": [],
    "BlogTraffic\\/\\d\\.\\d+ Feed-Fetcher": ["BlogTraffic/"],
    "Butterfly": ["Butterfly/"],
    "BW\\/": ["compatible; BW/"],
    "Chirp|gotosocial": ["gotosocial"],
    "Code\\/1\\.": [],
    "ContextualBot[\\s\\S]*outcomes\\.net": ["ContextualBot"],
    "Current[\\s\\S]*RSS Reader": ["currentreader.app"],
    "Expanse": ["Expanse, a Palo Alto"],
    "Fever": ["Fever/"],
    "Fluid": [],
    "^LCC ": ["LCC (+http"],
    "MetaIAB Facebook": [],
    "Notion\\/": ["Notion/1.0 ("],
    "^Silk\\/": [],
    "Sogou": ["Sogou News Spider", "Sogou Pic Spider", "Sogou web spider"],
    "Sonic": ["RankSonic", " Sonic/"],
    "Viber": [],
    "Y!J": ["Y!J-", "Y!J SearchMonkey"],
  }),
);

/** What is looked for by an address is better called by its own name. */
const NAMES = new Map(
  Object.entries({
    "developers.google.com/+/web/snippet": "Google+ Snippet",
    "https://developers.cloudflare.com/security-center/": "Cloudflare Security Center",
    "pinterest.com/bot": "Pinterestbot",
    "sindresorhus/got": "got",
    "Valve/Steam": "Steam",
    "yandex.com/bots": "YandexBot",
  }),
);

/** A text this short, counted in letters and digits, is found by accident; one whose anchor was dropped more often still. */
const SHORTEST = 3;
const SHORTEST_UNANCHORED = 4;

/** Rows `[text, name, category]` in the order of their texts, and what was left out: `{pattern, why}`. */
export function crawlers(entries) {
  const rows = new Map();
  const skipped = [];
  for (const entry of entries) {
    const { texts, why } = textsOf(entry.pattern);
    if (why !== undefined) skipped.push({ pattern: entry.pattern, why });
    for (const text of texts) {
      if (!rows.has(text)) rows.set(text, [text, name(text, texts, entry), category(text, entry)]);
    }
  }
  return { rows: [...rows.values()].sort(([a], [b]) => (a < b ? -1 : 1)), skipped };
}

/** The texts to look for, or why there is none. */
function textsOf(pattern) {
  const given = TEXTS.get(pattern);
  if (given !== undefined) return given.length > 0 ? { texts: given } : { texts: [], why: "people's programs send it" };
  const texts = literals(pattern);
  if (texts === undefined) return { texts: [], why: "not literal" };
  const shortest = isAnchored(pattern) ? SHORTEST_UNANCHORED : SHORTEST;
  if (texts.some((text) => text.replace(/[^\p{L}\d]/gu, "").length < shortest)) return { texts: [], why: "too short" };
  return { texts };
}

/** Readable: without the slash of a version, an address in parentheses, or a spelling that only a class of letters made up. */
function name(text, texts, entry) {
  if (NAMES.has(text)) return NAMES.get(text);
  const spellings = texts.filter((other) => other.toLowerCase() === text.toLowerCase());
  const seen = spellings.filter((spelling) => entry.instances.some((instance) => instance.includes(spelling)));
  const [spelling = text] = seen.sort((a, b) => capitals(b) - capitals(a));
  const short = spelling.replace(/ \(http.*$/, "").replace(/(?<=.)\/.*$/, "");
  return short.replace(/^[^\p{L}\d]+/u, "").replace(/(?<!\([^()]*)[^\p{L}\d!]+$/u, "") || text;
}

function capitals(text) {
  return text.replace(/\P{Lu}/gu, "").length;
}

function category(text, entry) {
  const isSeo = () => SEO.has(text.replace("/", "")) || SPEAKS_OF_SEO.test(`${text} ${entry.description}`);
  const found = CATEGORIES.find(([tag]) => entry.tags.includes(tag) && (tag !== "seo" || isSeo()));
  return found?.[1] ?? "other";
}
