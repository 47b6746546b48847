-- title: Advertising blocks
-- order: 230
-- purpose: audience
-- dimension: ad_impression, ad_viewable, ad_click
-- about: Advertising blocks by campaign and slot. A block is viewable when half of its pixels were on screen for a
--   second (30 % for a block over 242,500 px²). Visitors are the sum of daily visitors who were shown the block.
-- columns:
--   ad             text         campaign
--   slot           text         place on the page
--   impressions    impressions  times the block was shown
--   viewable       impressions  times the block was viewable
--   viewable_rate  %            share of impressions that were viewable
--   clicks         clicks       clicks on the block
--   click_rate     %            clicks per impression
--   visitors       visitors     sum of daily visitors who were shown the block
SELECT
    if(few, '(other)', value) AS ad,
    if(few, '', detail) AS slot,
    sum(row_impressions) AS impressions,
    sum(row_viewable) AS viewable,
    round(100 * viewable / impressions, 2) AS viewable_rate,
    sum(row_clicks) AS clicks,
    round(100 * clicks / impressions, 2) AS click_rate,
    sum(row_visitors) AS visitors
FROM
(
    SELECT
        value,
        detail,
        sum(day_visitors) AS row_visitors,
        max(day_visitors) < {k:UInt32} AS few,
        sum(day_impressions) AS row_impressions,
        sum(day_viewable) AS row_viewable,
        sum(day_clicks) AS row_clicks
    FROM
    (
        SELECT
            day,
            value,
            detail,
            uniqMergeIf(daily.visitors, dimension = 'ad_impression') AS day_visitors,
            sumIf(daily.events, dimension = 'ad_impression') AS day_impressions,
            sumIf(daily.events, dimension = 'ad_viewable') AS day_viewable,
            sumIf(daily.events, dimension = 'ad_click') AS day_clicks
        FROM daily
        WHERE site = {site:String}
            AND day BETWEEN {from:Date} AND {to:Date}
            AND dimension IN ('ad_impression', 'ad_viewable', 'ad_click')
            AND (bot = '' OR {bots:Bool})
        GROUP BY day, value, detail
    )
    GROUP BY value, detail
)
GROUP BY ad, slot
ORDER BY impressions DESC, ad, slot
LIMIT {limit:UInt32}
