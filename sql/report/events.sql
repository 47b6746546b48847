-- title: Events
-- order: 190
-- purpose: audience
-- dimension: total, event
-- about: The site's own events by name. Visitors are the sum of daily visitors. For properties, see props.
-- columns:
--   event           text      name of the event
--   events          events    times the event happened
--   visitors        visitors  sum of daily visitors with the event
--   per_visitor     ratio     mean events per visitor with the event
--   conversion      %         share of all visitors who had the event
WITH
    (
        SELECT sum(day_visitors)
        FROM
        (
            SELECT uniqMerge(daily.visitors) AS day_visitors
            FROM daily
            WHERE site = {site:String}
                AND day BETWEEN {from:Date} AND {to:Date}
                AND dimension = 'total'
                AND (bot = '' OR {bots:Bool})
            GROUP BY day
        )
    ) AS all_visitors
SELECT
    if(few, '(other)', value) AS event,
    sum(row_events) AS events,
    sum(row_visitors) AS visitors,
    round(events / visitors, 2) AS per_visitor,
    if(few, NULL, least(round(100 * visitors / all_visitors, 2), 100)) AS conversion
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
            AND dimension = 'event'
            AND (bot = '' OR {bots:Bool})
        GROUP BY day, value
    )
    GROUP BY value
)
GROUP BY event, few
ORDER BY events DESC, event
LIMIT {limit:UInt32}
