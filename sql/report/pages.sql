-- title: Pages
-- order: 40
-- purpose: audience
-- dimension: page
-- about: Pages by views. Visitors are the sum of daily visitors.
-- example: --from 30d --limit 50
-- columns:
--   path           text      path of the page
--   host           text      host of the page
--   views          views     times the page was viewed
--   share          %         share of all views
--   visitors       visitors  sum of daily visitors
--   engaged        s         mean engaged time per view: page visible, focused and in use
SELECT
    if(few, '(other)', value) AS path,
    if(few, '', detail) AS host,
    sum(row_views) AS views,
    round(100 * views / sum(views) OVER (), 2) AS share,
    sum(row_visitors) AS visitors,
    round(sum(row_engaged_ms) / views / 1000, 1) AS engaged
FROM
(
    SELECT
        value,
        detail,
        sum(day_visitors) AS row_visitors,
        max(day_visitors) < {k:UInt32} AS few,
        sum(day_views) AS row_views,
        sum(day_engaged_ms) AS row_engaged_ms
    FROM
    (
        SELECT
            day,
            value,
            detail,
            uniqMerge(daily.visitors) AS day_visitors,
            sum(daily.views) AS day_views,
            sum(daily.engaged_ms) AS day_engaged_ms
        FROM daily
        WHERE site = {site:String}
            AND day BETWEEN {from:Date} AND {to:Date}
            AND dimension = 'page'
            AND (bot = '' OR {bots:Bool})
        GROUP BY day, value, detail
    )
    GROUP BY value, detail
)
GROUP BY path, host
ORDER BY views DESC, path, host
LIMIT {limit:UInt32}
