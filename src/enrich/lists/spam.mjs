// Hosts of referrer spam, from a list of a host a line.

/**
 * Not taken, although the public list has them: under these many sites or shops of people live, or people come from there.
 * What is left out here costs a false referrer; what is wrongly taken costs a true visitor.
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

/** Hosts in order, each once and none below another, and those that were left out on purpose. */
export function spammers(text) {
  const given = text
    .split(/\r?\n/)
    .map((line) => line.trim().toLowerCase())
    .filter((line) => /^[a-z\d][a-z\d.-]*\.[a-z\d-]+$/.test(line));
  const left = [...new Set(given.filter((host) => NOT_SPAM.has(host)))];
  const taken = new Set(given.filter((host) => !NOT_SPAM.has(host)));
  const hosts = [...taken].filter((host) => !parents(host).some((parent) => taken.has(parent)));
  return { hosts: hosts.sort(), left };
}

function parents(host) {
  const labels = host.split(".");
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join("."));
}
