-- title: Hours
-- order: 185
-- purpose: audience
-- dimension: hour, hour_event
-- limit: none
-- about: Activity by hour of the day and weekday, in the zone of reports. Visitors are the sum of the visitors of each
--   such hour. An hour that comes twice when the clocks are set back counts as one. An hour of a weekday in which
--   fewer than k visitors came on each day is folded. Hours without events have no row.
-- example: --from 28d
-- columns:
--   weekday   text      day of the week: 1 is Monday, 7 is Sunday
--   hour      text      hour of the day, from 0 to 23
--   visitors  visitors  sum of the visitors of the hour on each day
--   views     views     pages viewed
--   events    events    the site's own events
SELECT
    if(few, '(other)', toString(row_weekday)) AS weekday,
    if(few, '', toString(row_hour)) AS hour,
    sum(row_visitors) AS visitors,
    sum(row_views) AS views,
    sum(row_events) AS events
FROM
(
    SELECT
        toDayOfWeek(day) AS row_weekday,
        hour_of_day AS row_hour,
        max(day_visitors) < {k:UInt32} AS few,
        sum(day_visitors) AS row_visitors,
        sum(day_views) AS row_views,
        sum(day_events) AS row_events
    FROM
    (
        SELECT
            day,
            toUInt8(value) AS hour_of_day,
            sumIf(daily.visitors, dimension = 'hour') AS day_visitors,
            sumIf(daily.views, dimension = 'hour') AS day_views,
            sumIf(daily.events, dimension = 'hour_event') AS day_events
        FROM daily
        WHERE site = {site:String}
            AND day BETWEEN {from:Date} AND {to:Date}
            AND dimension IN ('hour', 'hour_event')
            AND bots <= {bots:Bool}
        GROUP BY day, hour_of_day
    )
    GROUP BY row_weekday, row_hour
)
GROUP BY few, weekday, hour
ORDER BY few, weekday, min(row_hour)
LIMIT {limit:UInt32}
