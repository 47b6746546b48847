-- title: Missing pages
-- order: 260
-- purpose: diagnostics
-- about: Addresses that answered 404, one row for each page that linked to one. The rows of an address stand together, the
--   most requested address first. Visitors are the sum of daily visitors.
-- columns:
--   path       text      path of the missing page
--   host       text      host of the missing page
--   referrer   text      host and path of the page that linked to it; empty when unknown
--   hits       views     times the page was requested
--   visitors   visitors  sum of daily visitors who requested it
--   last_seen  time      last time in the period, in the zone of reports
--   requests   views     times the missing page was requested from all pages together
SELECT
    path,
    host,
    concat(referrer_host, referrer_path) AS referrer,
    count() AS hits,
    uniq(visitor, toDate(events.time, {timezone:String})) AS visitors,
    formatDateTime(max(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen,
    sum(hits) OVER (PARTITION BY path, host) AS requests
FROM events
WHERE site = {site:String}
    AND events.time >= toDateTime({from:Date}, {timezone:String})
    AND events.time < toDateTime({to:Date} + 1, {timezone:String})
    AND kind = 'missing'
    AND (bot = '' OR {bots:Bool})
GROUP BY path, host, referrer
ORDER BY requests DESC, path, host, hits DESC, referrer
LIMIT {limit:UInt32}
