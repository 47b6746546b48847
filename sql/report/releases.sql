-- title: Releases
-- order: 245
-- purpose: diagnostics
-- about: The releases of the site's pages (`data-release` of the script element), the latest first. The row without a name
--   is of pages that name none. Visitors are those who met an error, the sum of daily visitors.
-- columns:
--   release          text      name of the release
--   views            views     pages viewed
--   errors           errors    script errors and unhandled rejections
--   errors_per_1000  ratio     errors per 1,000 views
--   visitors         visitors  sum of daily visitors who met an error of the release
--   first_seen       time      first time in the period, in the zone of reports
--   last_seen        time      last time in the period, in the zone of reports
SELECT
    release,
    countIf(kind = 'view') AS views,
    countIf(kind = 'error') AS errors,
    round(1000 * errors / nullIf(views, 0), 2) AS errors_per_1000,
    uniqExactIf((visitor, toDate(events.time, {timezone:String})), kind = 'error') AS visitors,
    formatDateTime(min(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS first_seen,
    formatDateTime(max(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen
FROM events
WHERE site = {site:String}
    AND events.time >= toDateTime({from:Date}, {timezone:String})
    AND events.time < toDateTime({to:Date} + 1, {timezone:String})
    AND kind IN ('view', 'error')
    AND (bot = '' OR {bots:Bool})
GROUP BY release
ORDER BY release = '', max(events.time) DESC, release
LIMIT {limit:UInt32}
