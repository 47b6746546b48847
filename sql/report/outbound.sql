-- title: Outbound links
-- order: 210
-- purpose: audience
-- dimension: outbound
-- about: Links to other sites that visitors followed. Visitors are the sum of daily visitors.
-- columns:
--   link      text      host and path of the link
--   events    events    times the link was followed
--   visitors  visitors  sum of daily visitors
SELECT
    if(few, '(other)', value) AS link,
    sum(row_events) AS events,
    sum(row_visitors) AS visitors
FROM
(
    SELECT
        value,
        sum(day_visitors) AS row_visitors,
        max(day_visitors) < {k:UInt32} AS few,
        sum(day_events) AS row_events
    FROM
    (
        SELECT day, value, uniqMerge(daily.visitors) AS day_visitors, sum(daily.events) AS day_events
        FROM daily
        WHERE site = {site:String}
            AND day BETWEEN {from:Date} AND {to:Date}
            AND dimension = 'outbound'
            AND (bot = '' OR {bots:Bool})
        GROUP BY day, value
    )
    GROUP BY value
)
GROUP BY link
ORDER BY events DESC, link
LIMIT {limit:UInt32}
