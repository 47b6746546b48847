-- title: Funnel
-- order: 236
-- purpose: audience
-- about: How many visitors took the steps of a funnel of the configuration one after the other within a visit, all or
--   by what their visits are. Other events may lie between two steps. An event is one step only. Visitors are the sum
--   of daily visitors. Under filters, the visits that are kept count, with all that happened in them. Groups whose
--   first step fewer than k visitors took on each day are folded. A step that fewer than k visitors took on each day
--   has no row, nor has one that nobody took.
-- credit: places
-- by: site, entry, exit, source, channel, referrer, campaign, utm_source, utm_medium, utm_content, utm_term, country, region, city, network, browser, browser_version, os, os_version, device, language, screen
-- example: --by device --from 30d
-- columns:
--   step      text      number of the step, from 1
--   name      text      name of the step
--   group     text      channel, country, …; empty for the whole site
--   detail    text      what belongs to it: host of a page, region of a country, version
--   visitors  visitors  sum of daily visitors who took the step, and those before it
--   share     %         share of the visitors of the first step
--   lost      %         share of the visitors of the step before who did not take this one
SELECT
    toString(number) AS step,
    {step_names}[number] AS name,
    row_group AS group,
    row_detail AS detail,
    row_visitors AS visitors,
    round(100 * visitors / max(row_visitors) OVER (PARTITION BY row_group, row_detail), 2) AS share,
    round(
        100 * (1 - visitors / nullIf(lagInFrame(row_visitors) OVER (
            PARTITION BY row_group, row_detail ORDER BY number ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), 0)),
        2) AS lost
FROM
(
    SELECT number, row_group, row_detail, sum(day_visitors) AS row_visitors
    FROM
    (
        SELECT
            day,
            number,
            if(few, '(other)', value) AS row_group,
            if(few, '', detail_of_value) AS row_detail,
            uniqExactMerge(people) AS day_visitors
        FROM
        (
            SELECT
                day,
                number,
                value,
                detail_of_value,
                uniqExactState(visitor) AS people,
                max(if(number = 1, uniqExact(visitor), 0)) OVER (PARTITION BY value, detail_of_value) < {k:UInt32} AS few
            FROM
            (
                SELECT day, visitor, value, detail_of_value, arrayJoin(range(1, taken + 1)) AS number
                FROM
                (
                    SELECT
                        visit.day AS day,
                        visitor,
                        value,
                        detail_of_value,
                        -- From one event to the next, the number of steps that were taken so far.
                        arrayFold(
                            (taken, moment) -> toUInt8(taken + bitTest(moment.4, taken)),
                            arraySort(groupArray((event.time, page_load, seq, can_be))),
                            toUInt8(0)) AS taken
                    FROM
                    (
                        SELECT visitor, bot != '' AS is_bot, time, page_load, seq, {steps} AS can_be
                        FROM {all_events} AS events
                        WHERE site = {site:String}
                            AND toDate(events.time) BETWEEN {from:Date} - 1 AND {to:Date} + 1
                            AND events.time >= toDateTime64({from:Date}, 3, {timezone:String})
                            AND events.time < toDateTime64({to:Date} + 1, 3, {timezone:String})
                            AND (bot = '' OR {bots:Bool})
                            AND can_be != 0
                    ) AS event
                    ASOF JOIN
                    (
                        SELECT
                            visitor, bot != '' AS is_bot, start, end, day, {value} AS value, {detail} AS detail_of_value
                        FROM visits
                        WHERE site = {site:String}
                            AND day BETWEEN {from:Date} AND {to:Date}
                            AND (bot = '' OR {bots:Bool})
                    ) AS visit
                    ON event.visitor = visit.visitor AND event.is_bot = visit.is_bot AND event.time >= visit.start
                    WHERE event.time <= visit.end
                    GROUP BY day, visitor, event.is_bot, visit.start, value, detail_of_value
                )
            )
            GROUP BY day, number, value, detail_of_value
        )
        GROUP BY day, number, row_group, row_detail
    )
    GROUP BY number, row_group, row_detail
    HAVING max(day_visitors) >= {k:UInt32}
)
ORDER BY max(row_visitors) OVER (PARTITION BY row_group, row_detail) DESC, group, detail, number
LIMIT {limit:UInt32}
