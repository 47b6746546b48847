-- title: Advertising blocks
-- order: 230
-- purpose: audience
-- dimension: ad, ad_impression, ad_viewable, ad_click
-- about: Advertising blocks by campaign and slot. A block is viewable when half of its pixels were on screen for a
--   second (30 % for a block over 242,500 px²). An impression counts as viewable once, and as clicked once, however
--   often it was. Without a known impression, such as after midnight, they count once a page load, and rates are 100 % at
--   most. Visitors are the sum of daily visitors who were shown the block or clicked it.
-- columns:
--   ad             text         campaign
--   slot           text         place on the page
--   impressions    impressions  times the block was shown
--   viewable       impressions  impressions that were viewable
--   viewable_rate  %            share of impressions that were viewable
--   clicks         clicks       impressions that were clicked
--   click_rate     %            share of impressions that were clicked
--   visitors       visitors     sum of daily visitors who were shown the block or clicked it
SELECT
    if(few, '(other)', value) AS ad,
    if(few, '', detail) AS slot,
    sum(row_impressions) AS impressions,
    sum(row_viewable) AS viewable,
    if(impressions = 0, NULL, least(round(100 * viewable / impressions, 2), 100)) AS viewable_rate,
    sum(row_clicks) AS clicks,
    if(impressions = 0, NULL, least(round(100 * clicks / impressions, 2), 100)) AS click_rate,
    sum(row_visitors) AS visitors
FROM
(
    SELECT
        value,
        detail,
        sumIf(daily.visitors, dimension = 'ad') AS row_visitors,
        -- As in sql/breakdown.sql: with bots a day has two rows.
        greatest(
            maxIf(daily.visitors, dimension = 'ad'),
            arrayMax(mapValues(sumMapIf(
                map(day, daily.visitors), dimension = 'ad' AND {bots:Bool} AND daily.visitors < {k:UInt32})))
        ) < {k:UInt32} AS few,
        sumIf(daily.events, dimension = 'ad_impression') AS row_impressions,
        sumIf(daily.events, dimension = 'ad_viewable') AS row_viewable,
        sumIf(daily.events, dimension = 'ad_click') AS row_clicks
    FROM daily
    WHERE site = {site:String}
        AND day BETWEEN {from:Date} AND {to:Date}
        AND dimension IN ('ad', 'ad_impression', 'ad_viewable', 'ad_click')
        AND bots <= {bots:Bool}
    GROUP BY value, detail
)
GROUP BY few, ad, slot
ORDER BY impressions DESC, clicks DESC, ad, slot
LIMIT {limit:UInt32}
