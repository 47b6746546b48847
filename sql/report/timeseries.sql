-- title: Time series
-- order: 20
-- purpose: audience
-- dimension: total
-- rows: totals
-- limit: none
-- about: Totals by hour, day, week (from Monday) or month, including those without events, up to now. By day and longer,
--   visitors are the sum of daily visitors; by hour, they are the visitors with an event in the hour. A visit counts
--   in the period in which it began. Under filters, by day and longer, views are those of the visits that are kept; by
--   hour, those of the events that are kept.
-- by: day, hour, week, month
-- example: --from today --by hour
-- columns:
--   time            time      start of the hour, day, week or month in the zone of reports
--   visitors        visitors  sum of daily visitors; by hour, visitors of the hour
--   visits          visits    visits that began
--   views           views     pages viewed
--   views_per_visit ratio     mean views per visit
--   bounce_rate     %         share of visits with one view and no action
--   visit_duration  s         mean time from the first to the last event of a visit
WITH
    {by:String} = 'hour' AS hourly,
    toDateTime({from:Date}, {timezone:String}) AS period_start,
    least(toDateTime({to:Date} + 1, {timezone:String}), now()) AS period_end,
    least({to:Date}, toDate(now(), {timezone:String})) AS last_day,
    -- Hours have the zone's offset, so that each hour of a day on which the clocks are set back has a row of its own.
    moment -> formatDateTime(moment, '%Y-%m-%d %H:00 %z', {timezone:String}) AS hour_of,
    date -> toString(multiIf({by:String} = 'week', toMonday(date), {by:String} = 'month', toStartOfMonth(date), date)) AS period_of
SELECT
    bucket AS time,
    sum(bucket_visitors) AS visitors,
    sum(bucket_visits) AS visits,
    sum(bucket_views) AS views,
    round(sum(bucket_visit_views) / visits, 2) AS views_per_visit,
    round(100 * sum(bucket_bounces) / visits, 2) AS bounce_rate,
    round(sum(bucket_duration_s) / visits, 1) AS visit_duration
FROM
(
    -- Days, weeks and months, from the daily figures, with a row of zeros for every day, so that empty periods are shown.
    SELECT
        period_of(date) AS bucket,
        toDateTime(min(date), {timezone:String}) AS starts,
        sum(visitors) AS bucket_visitors,
        sum(visits) AS bucket_visits,
        sum(views) AS bucket_views,
        bucket_views AS bucket_visit_views,
        sum(bounces) AS bucket_bounces,
        sum(duration_s) AS bucket_duration_s
    FROM
    (
        SELECT day AS date, visitors, visits, views, bounces, duration_s
        FROM daily
        WHERE NOT hourly
            AND site = {site:String}
            AND day BETWEEN {from:Date} AND {to:Date}
            AND dimension = 'total'
            AND bots <= {bots:Bool}
        UNION ALL
        SELECT {from:Date} + number, 0, 0, 0, 0, 0
        FROM numbers(if(hourly, 0, greatest(last_day - {from:Date} + 1, 0)))
    )
    GROUP BY bucket
    -- by hour: begin
    UNION ALL
    -- Hours, from the events, and from the visits, each in the hour in which it began. A visit under filters may begin with an event that
    -- the filters do not keep; its visitor counts in the hour, too.
    SELECT
        hour, min(moment), uniqExact(visitor), sum(is_visit), sum(is_view), sum(visit_views), sum(is_bounce), sum(duration)
    FROM
    (
        SELECT
            hour_of(events.time) AS hour,
            toDateTime(events.time) AS moment,
            visitor,
            0 AS is_visit,
            kind = 'view' AS is_view,
            0 AS visit_views,
            false AS is_bounce,
            0 AS duration
        FROM events
        WHERE hourly
            AND site = {site:String}
            AND events.time >= toDateTime({from:Date}, {timezone:String})
            AND events.time < toDateTime({to:Date} + 1, {timezone:String})
            AND (bot = '' OR {bots:Bool})
        UNION ALL
        SELECT hour_of(visits.start), visits.start, visitor, 1, false, visits.views, bounce, duration_s
        FROM visits
        WHERE hourly
            AND site = {site:String}
            AND day BETWEEN {from:Date} AND {to:Date}
            AND (bot = '' OR {bots:Bool})
    )
    GROUP BY hour
    UNION ALL
    -- A row of zeros for every hour. It has at least one quarter.
    SELECT hour_of(quarter) AS hour, min(quarter), 0, 0, 0, 0, 0, 0
    FROM (SELECT period_start + number * 900 AS quarter FROM numbers(if(hourly, greatest(intDiv(dateDiff('second', period_start, period_end) + 899, 900), 0), 0)))
    GROUP BY hour
    -- by hour: end
)
GROUP BY bucket
ORDER BY min(starts), bucket
LIMIT {limit:UInt32}
