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
    {funnel_column}
    toString(number) AS step,
    {step_names}[funnel][number] AS name,
    row_group AS group,
    row_detail AS detail,
    row_visitors AS visitors,
    round(100 * visitors / max(row_visitors) OVER (PARTITION BY funnel, row_group, row_detail), 2) AS share,
    round(
        100 * (1 - visitors / nullIf(lagInFrame(row_visitors) OVER (
            PARTITION BY funnel, row_group, row_detail ORDER BY number ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), 0)),
        2) AS lost
FROM
(
    SELECT funnel, number, row_group, row_detail, sum(day_visitors) AS row_visitors
    FROM
    (
        SELECT
            day,
            funnel,
            number,
            if(few, '(other)', row_value) AS row_group,
            if(few, '', detail_of_value) AS row_detail,
            uniqExactMerge(people) AS day_visitors
        FROM
        (
            SELECT
                day,
                funnel,
                number,
                row_value,
                detail_of_value,
                uniqExactState(visitor) AS people,
                max(if(number = 1, uniqExact(visitor), 0))
                    OVER (PARTITION BY funnel, row_value, detail_of_value) < {k:UInt32} AS few
            FROM
            (
                SELECT day, visitor, row_value, detail_of_value, funnel, arrayJoin(range(1, taken + 1)) AS number
                FROM
                (
                    SELECT
                        day,
                        visitor,
                        row_value,
                        step.row_detail AS detail_of_value,
                        -- The first of many events that can be the first step is the step, so only events that can be others are gathered.
                        arraySort(groupArrayIf((moment, met), bitAnd(met, bitNot({first_steps})) != 0)) AS happened,
                        arrayJoin([{funnels}]) AS one_funnel,
                        one_funnel.1 AS funnel,
                        one_funnel.2 AS place,
                        one_funnel.3 AS length,
                        one_funnel.4 AS first,
                        -- From one event to the next, the number of steps that were taken so far.
                        if(first = 0, 0, arrayFold(
                            (taken, later) -> toUInt8(
                                taken + (later.1 > first AND taken < length AND bitTest(later.2, place + taken))),
                            happened,
                            toUInt8(1))) AS taken
                    FROM
                    (
{goal_events}
                    ) AS step
                    GROUP BY day, visitor, is_bot, visit_start, row_value, detail_of_value
                )
            )
            GROUP BY day, funnel, number, row_value, detail_of_value
        )
        GROUP BY day, funnel, number, row_group, row_detail
    )
    GROUP BY funnel, number, row_group, row_detail
    HAVING max(day_visitors) >= {k:UInt32}
)
ORDER BY funnel, max(row_visitors) OVER (PARTITION BY funnel, row_group, row_detail) DESC, group, detail, number
LIMIT {limit:UInt32} BY funnel
