-- title: Goals
-- order: 234
-- purpose: audience
-- about: How many visitors met the goals that the configuration names, all or by what their visits are. What happens
--   from the first to the last event of a visit counts for the visit. A goal of scroll depth is met once a page load;
--   any other once an event. Visitors are the sum of daily visitors. Under filters, the visits that are kept count,
--   with all that happened in them: `--filter ad=spring --filter name=click` shows what visitors did who clicked that
--   advertisement. A row that fewer than k visitors met the goal in on each day is folded.
-- credit: places
-- by: site, entry, exit, source, channel, referrer, campaign, utm_source, utm_medium, utm_content, utm_term, country, region, city, network, browser, browser_version, os, os_version, device, language, screen
-- example: --by channel --from 30d
-- columns:
--   goal          text         name of the goal
--   group         text         channel, country, …; empty for the whole site
--   detail        text         what belongs to it: host of a page, region of a country, version
--   visitors      visitors     sum of daily visitors who met the goal
--   conversions   conversions  times the goal was met
--   all_visitors  visitors     sum of daily visitors of the group, or of the site
--   conversion    %            share of these visitors who met the goal; none where several goals are folded
SELECT
    if(few AND {by:String} = 'site', '(other)', {goal_names}[number]) AS goal,
    if(few AND {by:String} != 'site', '(other)', row_value) AS group,
    if(few, '', row_detail) AS detail,
    sum(row_visitors) AS visitors,
    sum(row_conversions) AS conversions,
    -- Several goals that are folded into one row have the same visitors.
    if({by:String} = 'site', max(row_all), sum(row_all)) AS all_visitors,
    if(few AND {by:String} = 'site', NULL, round(100 * visitors / all_visitors, 2)) AS conversion
FROM
(
    SELECT
        number,
        row_value,
        row_detail,
        {k:UInt32} > 1 AND max(day_visitors) < {k:UInt32} AS few,
        sum(day_visitors) AS row_visitors,
        sum(day_conversions) AS row_conversions,
        sum(day_all) AS row_all
    FROM
    (
        SELECT
            number,
            day,
            row_value,
            row_detail,
            sum(some_visitors) AS day_visitors,
            sum(some_conversions) AS day_conversions,
            sum(some_all) AS day_all
        FROM
        (
            -- The visitors, once for each goal.
            SELECT
                arrayJoin(arrayEnumerate({goal_names})) AS number,
                day,
                row_value,
                row_detail,
                0 AS some_visitors,
                0 AS some_conversions,
                came AS some_all
            FROM
            (
                SELECT day, {value} AS row_value, {detail} AS row_detail, uniqExact(visitor) AS came
                FROM visits
                WHERE site = {site:String}
                    AND day BETWEEN {from:Date} AND {to:Date}
                    AND (bot = '' OR {bots:Bool})
                GROUP BY day, row_value, row_detail
            )
            UNION ALL
            -- The visitors who met a goal. A page load is left once, however often it says so.
            SELECT
                number,
                day,
                row_value,
                row_detail,
                uniqExact(visitor),
                countIf(NOT is_left) + uniqExactIf(page_load, is_left),
                0
            FROM
            (
                SELECT
                    day, visitor, row_value, row_detail, page_load, is_left,
                    arrayJoin(bitPositionsToArray(met)) + 1 AS number
                FROM
                (
{goal_events}
                )
            )
            GROUP BY number, day, row_value, row_detail
        )
        GROUP BY number, day, row_value, row_detail
    )
    GROUP BY number, row_value, row_detail
)
GROUP BY few, goal, group, detail
ORDER BY {by:String} = 'site' AND few, if({by:String} = 'site', 0, min(number)), visitors DESC, all_visitors DESC, goal, group, detail
LIMIT {limit:UInt32}
