-- The figures of one or several dimensions of `daily`, row by row. A report whose file in sql/report has no query is this query, for the
-- dimension that its header declares. Its first columns of unit `text` are `value` and `detail`; its other columns have their names here.
-- A row is folded if fewer than `k` visitors were counted in it on each day, bots included if they are counted. Shares are of all visits, of
-- all views of pages, or of all events of the dimension. The rows of dimension `total` serve for shares; they are read besides those of
-- the report.
SELECT
    dimension,
    if(few, '(other)', row_value) AS value,
    if(few, '', row_detail) AS detail,
    sum(row_visitors) AS visitors,
    sum(row_visits) AS visits,
    sum(row_views) AS views,
    sum(row_events) AS events,
    max(if(dimension = 'total', visits, 0)) OVER () AS all_visits,
    max(if(dimension = 'total', visitors, 0)) OVER () AS all_visitors,
    round(100 * multiIf(
        visits > 0, visits / all_visits,
        dimension = 'page', views / sum(views) OVER (PARTITION BY dimension),
        events / sum(events) OVER (PARTITION BY dimension)), 2) AS share,
    round(views / visits, 2) AS views_per_visit,
    round(100 * sum(row_bounces) / visits, 2) AS bounce_rate,
    round(sum(row_duration_s) / visits, 1) AS visit_duration,
    round(sum(row_engaged_ms) / views / 1000, 1) AS engaged,
    round(events / visitors, 2) AS per_visitor,
    if(few, NULL, least(round(100 * visitors / all_visitors, 2), 100)) AS conversion
FROM
(
    SELECT
        dimension,
        value AS row_value,
        detail AS row_detail,
        -- With bots a day has two rows, which must be added up. A map of all days costs ten times as much, so it has only the days that
        -- neither row decides.
        greatest(
            max(daily.visitors),
            arrayMax(mapValues(sumMapIf(map(day, daily.visitors), {bots:Bool} AND daily.visitors < {k:UInt32})))
        ) AS most_visitors,
        dimension != 'total' AND most_visitors < {k:UInt32} AS few,
        sum(daily.visitors) AS row_visitors,
        sum(daily.visits) AS row_visits,
        sum(daily.views) AS row_views,
        sum(daily.events) AS row_events,
        sum(daily.bounces) AS row_bounces,
        sum(daily.duration_s) AS row_duration_s,
        sum(daily.engaged_ms) AS row_engaged_ms
    FROM daily
    WHERE site = {site:String}
        AND day BETWEEN {from:Date} AND {to:Date}
        AND dimension IN ({dimensions})
        AND bots <= {bots:Bool}
    GROUP BY dimension, value, detail
    HAVING dimension != 'page' OR row_views > 0
)
GROUP BY dimension, few, value, detail
ORDER BY dimension, multiIf(visits > 0, visitors, dimension = 'page', views, events) DESC, visits DESC, value, detail
LIMIT {limit:UInt32} BY dimension
