-- title: Real time
-- order: 30
-- purpose: audience
-- rows: totals
-- about: Activity of the last 30 minutes, minute by minute.
-- columns:
--   time      time      start of the minute in the zone of reports
--   visitors  visitors  visitors with an event in the minute
--   views     views     pages viewed
--   events    events    the site's own events
--   ad_clicks clicks    clicks on advertising blocks
--   errors    errors    script errors and elements that failed to load
SELECT
    formatDateTime(minute, '%H:%i', {timezone:String}) AS time,
    sum(minute_visitors) AS visitors,
    sum(minute_views) AS views,
    sum(minute_events) AS events,
    sum(minute_ad_clicks) AS ad_clicks,
    sum(minute_errors) AS errors
FROM
(
    SELECT
        toStartOfMinute(toDateTime(events.time)) AS minute,
        uniq(visitor) AS minute_visitors,
        countIf(kind = 'view') AS minute_views,
        countIf(kind = 'event') AS minute_events,
        countIf(kind = 'ad' AND name = 'click') AS minute_ad_clicks,
        countIf(kind IN ('error', 'resource')) AS minute_errors
    FROM events
    WHERE site = {site:String}
        AND events.time >= toStartOfMinute(now()) - INTERVAL 29 MINUTE
        AND events.time < toStartOfMinute(now()) + INTERVAL 1 MINUTE
        AND (bot = '' OR {bots:Bool})
    GROUP BY minute
    UNION ALL
    SELECT toStartOfMinute(now()) - INTERVAL number MINUTE, 0, 0, 0, 0, 0 FROM numbers(30)
)
GROUP BY minute
ORDER BY minute
