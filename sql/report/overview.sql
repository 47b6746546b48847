-- title: Overview
-- order: 10
-- purpose: audience
-- dimension: total
-- rows: totals
-- about: Totals of the period, each with the total of the period with which it is compared: the preceding one of the
--   same length, the same dates of the year before, or the same weekdays before. Visitors are the sum of daily
--   visitors: a pseudonym lives for a day, so a person who comes on three days counts three times.
-- example: --from month
-- columns:
--   visitors                visitors  sum of daily visitors
--   visitors_before         visitors  the same in the period of comparison
--   visits                  visits    visits that began in the period
--   visits_before           visits    the same in the period of comparison
--   views                   views     pages viewed
--   views_before            views     the same in the period of comparison
--   views_per_visit         ratio     mean views per visit
--   views_per_visit_before  ratio     the same in the period of comparison
--   bounce_rate             %         share of visits with one view and no action
--   bounce_rate_before      %         the same in the period of comparison
--   visit_duration          s         mean time from the first to the last event of a visit
--   visit_duration_before   s         the same in the period of comparison
--   engaged                 s         mean engaged time per visit: page visible, focused and in use
--   engaged_before          s         the same in the period of comparison
WITH
    -- A period of more than a year shares days with the same dates of the year before.
    day BETWEEN {from:Date} AND {to:Date} AS now,
    day BETWEEN {before:Date} AND {before_to:Date} AS earlier
SELECT
    sumIf(daily.visitors, now) AS visitors,
    sumIf(daily.visitors, earlier) AS visitors_before,
    sumIf(daily.visits, now) AS visits,
    sumIf(daily.visits, earlier) AS visits_before,
    sumIf(daily.views, now) AS views,
    sumIf(daily.views, earlier) AS views_before,
    round(views / visits, 2) AS views_per_visit,
    round(views_before / visits_before, 2) AS views_per_visit_before,
    round(100 * sumIf(daily.bounces, now) / visits, 2) AS bounce_rate,
    round(100 * sumIf(daily.bounces, earlier) / visits_before, 2) AS bounce_rate_before,
    round(sumIf(daily.duration_s, now) / visits, 1) AS visit_duration,
    round(sumIf(daily.duration_s, earlier) / visits_before, 1) AS visit_duration_before,
    round(sumIf(daily.engaged_ms, now) / visits / 1000, 1) AS engaged,
    round(sumIf(daily.engaged_ms, earlier) / visits_before / 1000, 1) AS engaged_before
FROM daily
WHERE site = {site:String}
    AND (now OR earlier)
    AND dimension = 'total'
    AND bots <= {bots:Bool}
