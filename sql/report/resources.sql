-- title: Failed resources
-- order: 250
-- purpose: diagnostics
-- about: Images, scripts, styles and other elements that failed to load. Visitors are the sum of daily visitors.
-- columns:
--   resource    text      host and path of the element that failed to load
--   element     text      name of the element: img, script, link, …
--   failures    failures  times the element failed to load
--   visitors    visitors  sum of daily visitors who met the failure
--   last_seen   time      last time in the period, in the zone of reports
--   first_seen  time      first time in the period, in the zone of reports
--   pages       text      up to three of the element's most frequent pages
WITH
    -- Up to three most frequent of counted texts. Those that are equally frequent are in the order of their letters.
    counts -> arrayStringConcat(
        arrayMap(
            pair -> pair.2,
            arraySlice(arraySort(arrayMap((text, count) -> (-toInt64(count), text), counts.1, counts.2)), 1, 3)),
        ', ') AS most_frequent
SELECT
    name AS resource,
    props['tag'] AS element,
    count() AS failures,
    uniq(visitor, toDate(events.time, {timezone:String})) AS visitors,
    formatDateTime(max(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen,
    formatDateTime(min(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS first_seen,
    most_frequent(sumMap([toString(path)], [1])) AS pages
FROM events
WHERE site = {site:String}
    AND events.time >= toDateTime({from:Date}, {timezone:String})
    AND events.time < toDateTime({to:Date} + 1, {timezone:String})
    AND kind = 'resource'
    AND (bot = '' OR {bots:Bool})
GROUP BY resource, element
ORDER BY failures DESC, resource, element
LIMIT {limit:UInt32}
