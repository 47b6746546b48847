-- title: Downloads
-- order: 220
-- purpose: audience
-- dimension: download
-- about: Files that were downloaded. Visitors are the sum of daily visitors.
-- columns:
--   file      text      host and path of the file
--   events    events    times the file was downloaded
--   visitors  visitors  sum of daily visitors
SELECT
    if(few, '(other)', value) AS file,
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
            AND dimension = 'download'
            AND (bot = '' OR {bots:Bool})
        GROUP BY day, value
    )
    GROUP BY value
)
GROUP BY file
ORDER BY events DESC, file
LIMIT {limit:UInt32}
