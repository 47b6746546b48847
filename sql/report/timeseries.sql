-- title: Time series
-- order: 20
-- purpose: audience
-- dimension: total
-- rows: totals
-- limit: none
-- about: Totals by hour, day, week (from Monday) or month, including periods without events. By day and longer,
--   visitors are the sum of daily visitors; by hour, they are the visitors with an event in the hour. A visit counts
--   in the period in which it began.
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
    toDateTime({to:Date} + 1, {timezone:String}) AS period_end
SELECT
    if(hourly, formatDateTime(bucket, '%Y-%m-%d %H:%i %z', {timezone:String}),
        formatDateTime(bucket, '%Y-%m-%d', {timezone:String})) AS time,
    sum(bucket_visitors) AS visitors,
    sum(bucket_visits) AS visits,
    sum(bucket_views) AS views,
    round(sum(bucket_visit_views) / visits, 2) AS views_per_visit,
    round(100 * sum(bucket_bounces) / visits, 2) AS bounce_rate,
    round(sum(bucket_duration_s) / visits, 1) AS visit_duration
FROM
(
    -- Days, weeks and months, from the daily figures.
    SELECT
        toDateTime(multiIf({by:String} = 'week', toMonday(day), {by:String} = 'month', toStartOfMonth(day), day),
            {timezone:String}) AS bucket,
        uniqMerge(daily.visitors) AS bucket_visitors,
        sum(daily.visits) AS bucket_visits,
        sum(daily.views) AS bucket_views,
        bucket_views AS bucket_visit_views,
        sum(daily.bounces) AS bucket_bounces,
        sum(daily.duration_s) AS bucket_duration_s
    FROM daily
    WHERE NOT hourly
        AND site = {site:String}
        AND day BETWEEN {from:Date} AND {to:Date}
        AND dimension = 'total'
        AND (bot = '' OR {bots:Bool})
    GROUP BY day
    UNION ALL
    -- Hours: visitors and views, from the events.
    SELECT toStartOfHour(toDateTime(events.time, {timezone:String})), uniq(visitor), 0, countIf(kind = 'view'), 0, 0, 0
    FROM events
    WHERE hourly
        AND site = {site:String}
        AND events.time >= toDateTime64({from:Date}, 3, {timezone:String})
        AND events.time < toDateTime64({to:Date} + 1, 3, {timezone:String})
        AND (bot = '' OR {bots:Bool})
    GROUP BY 1
    UNION ALL
    -- Hours: visits, each in the hour in which it began.
    SELECT toStartOfHour(toDateTime(visits.start, {timezone:String})), 0, count(), 0, sum(visits.views), countIf(bounce), sum(duration_s)
    FROM visits
    WHERE hourly
        AND site = {site:String}
        AND day BETWEEN {from:Date} AND {to:Date}
        AND (bot = '' OR {bots:Bool})
    GROUP BY 1
    UNION ALL
    -- A row of zeros for every period, so that empty ones are shown.
    SELECT
        if(hourly, toStartOfHour(period_start + number * 3600),
            toDateTime(multiIf({by:String} = 'week', toMonday({from:Date} + number),
                {by:String} = 'month', toStartOfMonth({from:Date} + number), {from:Date} + number), {timezone:String})),
        0, 0, 0, 0, 0, 0
    FROM numbers(if(hourly, dateDiff('hour', period_start, period_end), dateDiff('day', {from:Date}, {to:Date}) + 1))
)
GROUP BY bucket
ORDER BY bucket
LIMIT {limit:UInt32}
