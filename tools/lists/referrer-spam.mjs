// Hosts of referrer spam, from a list with one host per line.

/**
 * Hosts of the public list that are excluded: many independent sites or shops are below them, or real visitors come from them.
 * An excluded spammer costs one false referrer. A wrongly listed host would cost real visits.
 */
const NOT_SPAM = new Set([
  "adf.ly", "ci.ua", "dailystorm.ru", "delo.fund", "falcoware.com", "free-games-download.falcoware.com",
  "freenode.info", "hexometer.com", "hostiman.ru", "hydranten.net", "hydraulicoilcooler.net", "hydrauliczny.com",
  "insider.pro", "isotoner.com", "kharkov.ua", "krasota.ru", "lolz.guru", "marinetraffic.com", "meteocast.net",
  "myftpupload.com", "nethouse.ru", "ntdtv.ru", "pay.ru", "plagscan.com", "politika.bg", "prlog.ru",
  "research.ifmo.ru", "resellerclub.com", "rspectr.com", "rulate.ru", "rutor.group", "samara-airport.com",
  "scripted.com", "searchencrypt.com", "similarmoviesdb.com", "site5.com", "sneakerfreaker.com", "snip.to",
  "stat.lviv.ua", "stoletie.ru", "sweet.tv", "trieste.io", "tsatu.edu.ua", "ua.tc", "ucoz.ru", "uptime.com",
  "vladtime.ru", "wallabag.malooma.bzh", "weburlopener.com", "workona.com", "ww2awards.info", "yougame.biz",
]);

/** Returns the sorted hosts without duplicates and without hosts below other ones, and the hosts excluded by `NOT_SPAM`. */
export function spamHosts(text) {
  const listed = text
    .split(/\r?\n/)
    .map((line) => line.trim().toLowerCase())
    .filter((line) => /^[a-z\d][a-z\d.-]*\.[a-z\d-]+$/.test(line));
  const excluded = [...new Set(listed.filter((host) => NOT_SPAM.has(host)))];
  const spam = new Set(listed.filter((host) => !NOT_SPAM.has(host)));
  const hosts = [...spam].filter((host) => !parentDomains(host).some((parent) => spam.has(parent)));
  return { hosts: hosts.sort(), excluded };
}

function parentDomains(host) {
  const labels = host.split(".");
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join("."));
}
