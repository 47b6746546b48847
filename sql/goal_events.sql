-- The events that meet goals, or can be steps of a funnel, each with the visit in which it happened. Reports that name goal_events in braces read
-- this in its place. Bit n of `met`, from 0, says whether the event meets goal n, or can be step n. src/report/goals fills in words in braces
-- without a type.
SELECT
    visit.day AS day,
    event.visitor AS visitor,
    event.is_bot AS is_bot,
    visit.start AS visit_start,
    visit.value AS row_value,
    visit.detail AS row_detail,
    event.page_load AS page_load,
    event.moment AS moment,
    event.is_left AS is_left,
    event.met AS met
FROM
(
    SELECT
        visitor,
        bot != '' AS is_bot,
        time,
        page_load,
        kind = 'leave' AS is_left,
        -- Time, page load and number of the event; events are ordered by them.
        bitShiftLeft(toUInt128(toUnixTimestamp(events.time)), 96) + bitShiftLeft(toUInt128(page_load), 32) + seq
            AS moment,
        {met} AS met
    FROM {all_events} AS events
    WHERE site = {site:String}
        AND toDate(events.time) BETWEEN {from:Date} - 1 AND {to:Date} + 1
        AND events.time >= toDateTime({from:Date}, {timezone:String})
        AND events.time < toDateTime({to:Date} + 1, {timezone:String})
        AND (bot = '' OR {bots:Bool})
        AND met != 0
) AS event
ASOF JOIN
(
    SELECT visitor, bot != '' AS is_bot, start, end, day, {value} AS value, {detail} AS detail
    FROM visits
    WHERE site = {site:String}
        AND day BETWEEN {from:Date} AND {to:Date}
        AND (bot = '' OR {bots:Bool})
) AS visit
ON event.visitor = visit.visitor AND event.is_bot = visit.is_bot AND event.time >= visit.start
WHERE event.time <= visit.end
