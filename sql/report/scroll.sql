-- title: Scroll depth
-- order: 45
-- purpose: audience
-- dimension: page, scroll, scroll_depth, scroll_25, scroll_50, scroll_75, scroll_100
-- about: How far down visitors read each page. It is known of page loads that were left: each counts once, with the
--   deepest point that was seen. Pages without one have no row. A page that fewer than k visitors left on each day is
--   folded.
-- columns:
--   path         text      path of the page
--   host         text      host of the page
--   views        views     times the page was viewed
--   loads        loads     page loads of which the depth is known
--   depth        %         mean of the deepest point of a page load, from the top of the page
--   reached_25   %         share of page loads that reached a quarter of the page
--   reached_50   %         share of page loads that reached half of the page
--   reached_75   %         share of page loads that reached three quarters of the page
--   reached_100  %         share of page loads that reached the end of the page
--   visitors     visitors  sum of daily visitors who left the page
SELECT
    if(few, '(other)', row_path) AS path,
    if(few, '', row_host) AS host,
    sum(row_views) AS views,
    sum(row_loads) AS loads,
    round(sum(row_depth) / loads, 1) AS depth,
    round(100 * sum(row_25) / loads, 2) AS reached_25,
    round(100 * sum(row_50) / loads, 2) AS reached_50,
    round(100 * sum(row_75) / loads, 2) AS reached_75,
    round(100 * sum(row_100) / loads, 2) AS reached_100,
    sum(row_visitors) AS visitors
FROM
(
    SELECT
        value AS row_path,
        detail AS row_host,
        -- As in sql/breakdown.sql: with bots a day has two rows.
        greatest(
            maxIf(daily.visitors, dimension = 'scroll'),
            arrayMax(mapValues(sumMapIf(
                map(day, daily.visitors), dimension = 'scroll' AND {bots:Bool} AND daily.visitors < {k:UInt32})))
        ) < {k:UInt32} AS few,
        sumIf(daily.visitors, dimension = 'scroll') AS row_visitors,
        sumIf(daily.views, dimension = 'page') AS row_views,
        sumIf(daily.events, dimension = 'scroll') AS row_loads,
        sumIf(daily.events, dimension = 'scroll_depth') AS row_depth,
        sumIf(daily.events, dimension = 'scroll_25') AS row_25,
        sumIf(daily.events, dimension = 'scroll_50') AS row_50,
        sumIf(daily.events, dimension = 'scroll_75') AS row_75,
        sumIf(daily.events, dimension = 'scroll_100') AS row_100
    FROM daily
    WHERE site = {site:String}
        AND day BETWEEN {from:Date} AND {to:Date}
        AND dimension IN
            ('page', 'scroll', 'scroll_depth', 'scroll_25', 'scroll_50', 'scroll_75', 'scroll_100')
        AND bots <= {bots:Bool}
    GROUP BY value, detail
    HAVING row_loads > 0
)
GROUP BY few, path, host
ORDER BY loads DESC, views DESC, path, host
LIMIT {limit:UInt32}
