-- title: Properties of events
-- order: 200
-- purpose: audience
-- about: The site's own events by the properties sent with them. An event with two properties counts in two rows.
--   Visitors are the sum of daily visitors. Values of few visitors are folded within their property. A property with no
--   other values is folded with its event.
-- columns:
--   event     text      name of the event
--   property  text      name of the property
--   value     text      value of the property
--   events    events    times the event happened with this value
--   share     %         share of the events that have the property
--   visitors  visitors  sum of daily visitors with the event and this value
SELECT
    event,
    property,
    if(few, '(other)', text) AS value,
    sum(row_events) AS events,
    round(100 * events / sum(events) OVER (PARTITION BY event, property), 2) AS share,
    sum(row_visitors) AS visitors
FROM
(
    SELECT
        max(max(day_visitors)) OVER (PARTITION BY event_name, property_name) < {k:UInt32} AS few_of_all,
        if(few_of_all, '(other)', event_name) AS event,
        if(few_of_all, '', property_name) AS property,
        text,
        sum(day_visitors) AS row_visitors,
        max(day_visitors) < {k:UInt32} AS few,
        sum(day_events) AS row_events
    FROM
    (
        SELECT
            toDate(events.time, {timezone:String}) AS day,
            name AS event_name,
            prop.1 AS property_name,
            prop.2 AS text,
            uniqExact(visitor) AS day_visitors,
            count() AS day_events
        FROM events
        ARRAY JOIN CAST(props, 'Array(Tuple(String, String))') AS prop
        WHERE site = {site:String}
            AND events.time >= toDateTime({from:Date}, {timezone:String})
            AND events.time < toDateTime({to:Date} + 1, {timezone:String})
            AND kind = 'event'
            AND (bot = '' OR {bots:Bool})
        GROUP BY day, event_name, property_name, text
    )
    GROUP BY event_name, property_name, text
)
GROUP BY event, property, value
ORDER BY event, property, events DESC, value
LIMIT {limit:UInt32}
