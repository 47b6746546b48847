-- title: Networks
-- order: 130
-- purpose: audience
-- dimension: network
-- about: Networks (autonomous systems) of visitors' addresses. Visitors are the sum of daily visitors.
-- credit: places
-- columns:
--   network          text      organisation of the network; empty when unknown
--   asn              text      number of the autonomous system
--   visitors         visitors  sum of daily visitors
--   visits           visits    visits
--   share            %         share of all visits
--   views_per_visit  ratio     mean views per visit
--   bounce_rate      %         share of visits with one view and no action
--   visit_duration   s         mean time from the first to the last event of a visit
SELECT
    if(few, '(other)', value) AS network,
    if(few, '', detail) AS asn,
    sum(row_visitors) AS visitors,
    sum(row_visits) AS visits,
    round(100 * visits / sum(visits) OVER (), 2) AS share,
    round(sum(row_views) / visits, 2) AS views_per_visit,
    round(100 * sum(row_bounces) / visits, 2) AS bounce_rate,
    round(sum(row_duration_s) / visits, 1) AS visit_duration
FROM
(
    SELECT
        value,
        detail,
        sum(day_visitors) AS row_visitors,
        max(day_visitors) < {k:UInt32} AS few,
        sum(day_visits) AS row_visits,
        sum(day_views) AS row_views,
        sum(day_bounces) AS row_bounces,
        sum(day_duration_s) AS row_duration_s
    FROM
    (
        SELECT
            day,
            value,
            detail,
            uniqMerge(daily.visitors) AS day_visitors,
            sum(daily.visits) AS day_visits,
            sum(daily.views) AS day_views,
            sum(daily.bounces) AS day_bounces,
            sum(daily.duration_s) AS day_duration_s
        FROM daily
        WHERE site = {site:String}
            AND day BETWEEN {from:Date} AND {to:Date}
            AND dimension = 'network'
            AND (bot = '' OR {bots:Bool})
        GROUP BY day, value, detail
    )
    GROUP BY value, detail
)
GROUP BY network, asn
ORDER BY visitors DESC, visits DESC, network, asn
LIMIT {limit:UInt32}
