// Names and categories of crawlers, from the npm package `crawler-user-agents`.

import { isAnchored, literals } from "./literals.mjs";

/**
 * Tags of the package and our categories, the most informative first. A crawler with several tags gets the category of the
 * first one in this order.
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
 * The package also uses the tag `seo` for crawlers without a better tag: job boards, payment services, spiders of unknown
 * purpose. The tag counts only if the name or the description matches this; otherwise the category is `other`.
 */
const SEO_WORDS = /seo|rank|link|keyword|serp|audit|marketing|sitemap|optimi[sz]ation|competitive/i;

/** Known SEO crawlers whose names and descriptions do not match `SEO_WORDS`. */
const SEO_CRAWLERS = new Set(["MJ12bot", "rogerbot", "BLEXBot", "RyteBot", "SiteCheckerBotCrawler", "Caliperbot", "hypestat", "Cocolyzebot"]);

/**
 * The texts to search for in place of an expression that is not literal, or that also matches people's devices and browsers:
 * `HTC Butterfly`, `ViewSonic`, the Sogou browser, Amazon's Silk, a build of Android. An empty list skips the expression.
 */
const TEXT_OVERRIDES = new Map(
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

/** Names for texts that are addresses. */
const NAME_OVERRIDES = new Map(
  Object.entries({
    "developers.google.com/+/web/snippet": "Google+ Snippet",
    "https://developers.cloudflare.com/security-center/": "Cloudflare Security Center",
    "pinterest.com/bot": "Pinterestbot",
    "sindresorhus/got": "got",
    "Valve/Steam": "Steam",
    "yandex.com/bots": "YandexBot",
  }),
);

/** Letters and digits that a text needs at least: shorter ones match by accident, and more so if their anchor was dropped. */
const MIN_LENGTH = 3;
const MIN_LENGTH_UNANCHORED = 4;

/** Returns rows `[text, name, category]`, sorted by text, and the skipped expressions as `{pattern, reason}`. */
export function crawlerRows(entries) {
  const rows = new Map();
  const skipped = [];
  for (const entry of entries) {
    const { texts, reason } = searchTexts(entry.pattern);
    if (reason !== undefined) skipped.push({ pattern: entry.pattern, reason });
    for (const text of texts) {
      if (!rows.has(text)) rows.set(text, [text, displayName(text, texts, entry), category(text, entry)]);
    }
  }
  return { rows: [...rows.values()].sort(([a], [b]) => (a < b ? -1 : 1)), skipped };
}

/** Returns the texts to search for, or none and the reason. */
function searchTexts(pattern) {
  const override = TEXT_OVERRIDES.get(pattern);
  if (override !== undefined) return override.length > 0 ? { texts: override } : { texts: [], reason: "matches people's programs" };
  const texts = literals(pattern);
  if (texts === undefined) return { texts: [], reason: "not literal" };
  const minLength = isAnchored(pattern) ? MIN_LENGTH_UNANCHORED : MIN_LENGTH;
  if (texts.some((text) => text.replace(/[^\p{L}\d]/gu, "").length < minLength)) return { texts: [], reason: "too short" };
  return { texts };
}

/** Returns a readable name: a spelling that crawlers really send, without a version's slash or an address in parentheses. */
function displayName(text, texts, entry) {
  if (NAME_OVERRIDES.has(text)) return NAME_OVERRIDES.get(text);
  const spellings = texts.filter((other) => other.toLowerCase() === text.toLowerCase());
  const used = spellings.filter((spelling) => entry.instances.some((instance) => instance.includes(spelling)));
  const [spelling = text] = used.sort((a, b) => countCapitals(b) - countCapitals(a));
  const short = spelling.replace(/ \(http.*$/, "").replace(/(?<=.)\/.*$/, "");
  return short.replace(/^[^\p{L}\d]+/u, "").replace(/(?<!\([^()]*)[^\p{L}\d!]+$/u, "") || text;
}

function countCapitals(text) {
  return text.replace(/\P{Lu}/gu, "").length;
}

function category(text, entry) {
  const isSeo = () => SEO_CRAWLERS.has(text.replace("/", "")) || SEO_WORDS.test(`${text} ${entry.description}`);
  const found = CATEGORIES.find(([tag]) => entry.tags.includes(tag) && (tag !== "seo" || isSeo()));
  return found?.[1] ?? "other";
}
