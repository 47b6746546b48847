-- title: Errors
-- order: 240
-- purpose: diagnostics
-- about: Script errors and unhandled rejections, one row per group of equal errors. Visitors are the sum of daily
--   visitors.
-- example: --filter browser=Safari
-- columns:
--   message     text      one of the messages of the group, scrubbed
--   errors      errors    times the error happened
--   visitors    visitors  sum of daily visitors who met the error
--   last_seen   time      last time in the period, in the zone of reports
--   group       id        group of the error; filter with error_group=… for one group
--   source      text      host and path of the script, line and column
--   first_seen  time      first time in the period, in the zone of reports
--   pages       text      up to three of the error's most frequent pages
--   browsers    text      up to three of the error's most frequent browsers and their versions
SELECT
    any(error_message) AS message,
    count() AS errors,
    uniq(visitor, toDate(events.time, {timezone:String})) AS visitors,
    formatDateTime(max(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen,
    leftPad(lower(hex(error_group)), 16, '0') AS group,
    any(if(error_source = '', '', format('{}:{}:{}', error_source, toString(error_line), toString(error_column)))) AS source,
    formatDateTime(min(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS first_seen,
    arrayStringConcat(topK(3)(path), ', ') AS pages,
    arrayStringConcat(topKIf(3)(trimRight(concat(browser, ' ', browser_version)), browser != ''), ', ') AS browsers
FROM events
WHERE site = {site:String}
    AND events.time >= toDateTime64({from:Date}, 3, {timezone:String})
    AND events.time < toDateTime64({to:Date} + 1, 3, {timezone:String})
    AND kind = 'error'
    AND (bot = '' OR {bots:Bool})
GROUP BY error_group
ORDER BY errors DESC, last_seen DESC, group
LIMIT {limit:UInt32}
