-- title: Overview
-- order: 10
-- purpose: audience
-- dimension: total
-- rows: totals
-- about: Totals of the period, each with the total of the preceding period of the same length. Visitors are the sum
--   of daily visitors: a pseudonym lives for a day, so a person who comes on three days counts three times.
-- example: --from month
-- columns:
--   visitors                visitors  sum of daily visitors
--   visitors_before         visitors  the same in the preceding period
--   visits                  visits    visits that began in the period
--   visits_before           visits    the same in the preceding period
--   views                   views     pages viewed
--   views_before            views     the same in the preceding period
--   views_per_visit         ratio     mean views per visit
--   views_per_visit_before  ratio     the same in the preceding period
--   bounce_rate             %         share of visits with one view and no action
--   bounce_rate_before      %         the same in the preceding period
--   visit_duration          s         mean time from the first to the last event of a visit
--   visit_duration_before   s         the same in the preceding period
--   engaged                 s         mean engaged time per visit: page visible, focused and in use
--   engaged_before          s         the same in the preceding period
WITH day >= {from:Date} AS now
SELECT
    sumIf(daily.visitors, now) AS visitors,
    sumIf(daily.visitors, NOT now) AS visitors_before,
    sumIf(daily.visits, now) AS visits,
    sumIf(daily.visits, NOT now) AS visits_before,
    sumIf(daily.views, now) AS views,
    sumIf(daily.views, NOT now) AS views_before,
    round(views / visits, 2) AS views_per_visit,
    round(views_before / visits_before, 2) AS views_per_visit_before,
    round(100 * sumIf(daily.bounces, now) / visits, 2) AS bounce_rate,
    round(100 * sumIf(daily.bounces, NOT now) / visits_before, 2) AS bounce_rate_before,
    round(sumIf(daily.duration_s, now) / visits, 1) AS visit_duration,
    round(sumIf(daily.duration_s, NOT now) / visits_before, 1) AS visit_duration_before,
    round(sumIf(daily.engaged_ms, now) / visits / 1000, 1) AS engaged,
    round(sumIf(daily.engaged_ms, NOT now) / visits_before / 1000, 1) AS engaged_before
FROM daily
WHERE site = {site:String}
    AND day BETWEEN {before:Date} AND {to:Date}
    AND dimension = 'total'
    AND bots <= {bots:Bool}
