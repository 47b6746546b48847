import assert from "node:assert/strict";
import { test } from "node:test";

import { crawlerRows } from "./crawlers.mjs";
import { addSystems, dataCentreRows } from "./data-centres.mjs";
import { isAnchored, literals } from "./literals.mjs";
import { spamHosts } from "./referrer-spam.mjs";

const entry = (pattern, tags, instances = [], description = "") => ({ pattern, tags, instances, description });

test("an expression of escapes alone becomes its text", () => {
  assert.deepEqual(literals("Mail\\.RU_Bot\\/"), ["Mail.RU_Bot/"]);
});

test("classes of letters, alternatives and optional parts become several texts", () => {
  assert.deepEqual(literals("[cC]laude[bB]ot"), ["claudebot", "claudeBot", "Claudebot", "ClaudeBot"]);
  assert.deepEqual(literals("Ahrefs(Bot|SiteAudit)"), ["AhrefsBot", "AhrefsSiteAudit"]);
  assert.deepEqual(literals("(^| )sentry\\/"), ["sentry/"]);
  assert.deepEqual(literals("Fetch(?:er)?!"), ["Fetcher!", "Fetch!"]);
});

test("an expression with repetition, negation or look-around is not literal", () => {
  for (const pattern of ["a.b", "a+", "a*", "[^a]b", "\\d", "(?!a)b", "a{2}", "(a", "a)", "a|"]) {
    assert.equal(literals(pattern), undefined, pattern);
  }
});

test("an anchor is distinguished from an escaped sign", () => {
  assert.ok(isAnchored("^curl") && isAnchored("Labs$"));
  assert.ok(!isAnchored("a\\^b") && !isAnchored("[^a]"));
});

test("the first category in order counts, and the tag seo needs a word of SEO", () => {
  const { rows } = crawlerRows([
    entry("Searchy\\/", ["search-engine", "ai-crawler"]),
    entry("RankTool", ["seo"]),
    entry("PaymentHook", ["seo"]),
    entry("Archive-It", ["archiver"]),
  ]);
  assert.deepEqual(rows, [
    ["Archive-It", "Archive-It", "other"],
    ["PaymentHook", "PaymentHook", "other"],
    ["RankTool", "RankTool", "seo"],
    ["Searchy/", "Searchy", "ai"],
  ]);
});

test("a name is the spelling that crawlers send, without a version's slash or an address", () => {
  const { rows } = crawlerRows([
    entry("[cC]laude[bB]ot", ["ai-crawler"], ["claudebot", "ClaudeBot/1.0"]),
    entry("Riddler \\(http:\\/\\/riddler\\.io", ["scanner"]),
    entry("Mediapartners \\(Googlebot\\)", ["advertising"]),
  ]);
  assert.deepEqual([...new Set(rows.map(([, name]) => name))].sort(), ["ClaudeBot", "Mediapartners (Googlebot)", "Riddler"]);
});

test("texts that are too short or that people's programs send are skipped with a reason", () => {
  const { rows, skipped } = crawlerRows([entry("^ab\\/", ["seo"]), entry("^Silk\\/", ["seo"]), entry("a.b", ["seo"])]);
  assert.deepEqual(rows, []);
  assert.deepEqual(skipped.map(({ reason }) => reason), ["too short", "matches people's programs", "not literal"]);
});

test("systems are parsed with quoted names", () => {
  const systems = new Map();
  addSystems(systems, '1.0.0.0,1.0.0.255,13335,"Cloudflare, Inc."\n1.0.4.0,1.0.7.255,7,"""Some"" Ltd"\n::,::1,38803,Gtelecom\n');
  assert.deepEqual([...systems], [[13335, "Cloudflare, Inc."], [7, '"Some" Ltd'], [38803, "Gtelecom"]]);
});

test("a data centre is found by its name, its trade or its number, and a company that sells access is not one", () => {
  const table = ["# head", "name\tacme cloud\tAcme", "word\thosting\t", "not\ttelecom\t", "asn\t5\tFive", "never\t9\tAcme's offices"];
  const systems = new Map([
    [9, "Acme Cloud, Offices"],
    [8, "ACME Cloud, Inc."],
    [7, "Macme Cloud"],
    [6, "Rural Telecom & Hosting"],
    [5, "Some"],
    [4, "Fast   Hosting Ltd."],
    [3, "Webshosting"],
  ]);
  const { rows, unmatched } = dataCentreRows([...table, "name\tgone\tGone"].join("\n"), systems);
  assert.deepEqual(rows, [[4, "Fast Hosting Ltd."], [5, "Five"], [8, "Acme"]]);
  assert.deepEqual(unmatched, ["gone"]);
});

test("spam hosts are sorted and distinct, without hosts below other ones and without shared hosts", () => {
  const { hosts, excluded } = spamHosts("! a comment\n\nb.example\nA.example \nb.example\nwww.b.example\nucoz.ru\nnonsense\n");
  assert.deepEqual(hosts, ["a.example", "b.example"]);
  assert.deepEqual(excluded, ["ucoz.ru"]);
});
