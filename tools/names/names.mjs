// Writes the names of countries and languages in English and Russian, as CLDR has them, for the page of reports:
// `node tools/names/names.mjs`. Node brings CLDR along (full ICU).

import { writeFileSync } from "node:fs";

const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const PAIRS = LETTERS.flatMap((first) => LETTERS.map((second) => first + second));
// Private use, groups of countries and countries that are gone: no address lies in them.
const NO_COUNTRIES = /^(X[ABK]|ZZ|QO|EU|EZ|UN|AC|CP|DG|EA|IC|TA|CQ|AN|BU|CS|DD|FX|NT|SU|TP|YD|YU|ZR|DY|HV|NH|RH|VD|UK)$/;

function table(type, codes) {
  const [english, russian] = ["en", "ru"].map((language) => new Intl.DisplayNames(language, { type, fallback: "none" }));
  const line = (code) => {
    const names = [english.of(code), russian.of(code)];
    return names.every(Boolean) ? [[code, ...names].join("\t")] : [];
  };
  return codes.flatMap(line).join("\n") + "\n";
}

const target = (name) => new URL(`../../src/operator/page/words/${name}.tsv`, import.meta.url);
writeFileSync(target("countries"), table("region", PAIRS.filter((code) => !NO_COUNTRIES.test(code))));
writeFileSync(target("languages"), table("language", PAIRS.map((code) => code.toLowerCase())));
