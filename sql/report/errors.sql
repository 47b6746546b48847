-- title: Errors
-- order: 240
-- purpose: diagnostics
-- about: Script errors and unhandled rejections, one row per group of equal errors. Message and source are those of the
--   last occurrence. Visitors are the sum of daily visitors.
-- example: --filter browser=Safari
-- columns:
--   message        text      message, scrubbed
--   errors         errors    times the error happened
--   visitors       visitors  sum of daily visitors who met the error
--   last_seen      time      last time in the period, in the zone of reports
--   group          id        group of the error; filter with error_group=… for one group
--   source         text      host and path of the script, line and column
--   first_seen     time      first time in the period, in the zone of reports
--   pages          text      up to three of the error's most frequent pages
--   browsers       text      up to three of the error's most frequent browsers and their versions
--   releases       text      up to three of the releases in which the error was most frequent
--   first_release  text      release in which it was first seen in the period
--   last_release   text      release in which it was last seen in the period
--   stack          text      stack of the last occurrence that has one, scrubbed
WITH
    -- Up to three most frequent of counted texts. Those that are equally frequent are in the order of their letters.
    counts -> arrayStringConcat(
        arrayMap(
            pair -> pair.2,
            arraySlice(arraySort(arrayMap((text, count) -> (-toInt64(count), text), counts.1, counts.2)), 1, 3)),
        ', ') AS most_frequent,
    if(error_source = '', '', format('{}:{}:{}', error_source, toString(error_line), toString(error_column))) AS place
SELECT
    (argMax((error_message, place), (events.time, error_message, place)) AS last).1 AS message,
    count() AS errors,
    uniq(visitor, toDate(events.time, {timezone:String})) AS visitors,
    formatDateTime(max(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen,
    leftPad(lower(hex(error_group)), 16, '0') AS group,
    last.2 AS source,
    formatDateTime(min(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS first_seen,
    most_frequent(sumMap([toString(path)], [1])) AS pages,
    most_frequent(sumMapIf([trimRight(concat(browser, ' ', browser_version))], [1], browser != '')) AS browsers,
    most_frequent(sumMapIf([toString(release)], [1], release != '')) AS releases,
    argMinIf(toString(release), (events.time, release), release != '') AS first_release,
    argMaxIf(toString(release), (events.time, release), release != '') AS last_release,
    argMaxIf(error_stack, (events.time, error_stack), error_stack != '') AS stack
FROM events
WHERE site = {site:String}
    AND events.time >= toDateTime({from:Date}, {timezone:String})
    AND events.time < toDateTime({to:Date} + 1, {timezone:String})
    AND kind = 'error'
    AND (bot = '' OR {bots:Bool})
GROUP BY error_group
ORDER BY errors DESC, last_seen DESC, group
LIMIT {limit:UInt32}
