-- title: Scroll depth
-- order: 45
-- purpose: audience
-- about: How far down visitors read each page. It is known of page loads that were left: each counts once, with the
--   deepest point that was seen. Pages without one have no row. A page that fewer than k visitors left on each day is
--   folded.
-- columns:
--   path         text      path of the page
--   host         text      host of the page
--   views        views     times the page was viewed
--   loads        loads     page loads of which the depth is known
--   depth        %         mean of the deepest point of a page load, from the top of the page
--   reached_25   %         share of page loads that reached a quarter of the page
--   reached_50   %         share of page loads that reached half of the page
--   reached_75   %         share of page loads that reached three quarters of the page
--   reached_100  %         share of page loads that reached the end of the page
--   visitors     visitors  sum of daily visitors who left the page
SELECT
    if(few, '(other)', row_path) AS path,
    if(few, '', row_host) AS host,
    sum(row_views) AS views,
    sum(row_loads) AS loads,
    round(sum(row_depth) / loads, 1) AS depth,
    round(100 * sum(row_25) / loads, 2) AS reached_25,
    round(100 * sum(row_50) / loads, 2) AS reached_50,
    round(100 * sum(row_75) / loads, 2) AS reached_75,
    round(100 * sum(row_100) / loads, 2) AS reached_100,
    sum(row_visitors) AS visitors
FROM
(
    SELECT
        any(day_path) AS row_path,
        any(day_host) AS row_host,
        max(day_visitors) < {k:UInt32} AS few,
        sum(day_visitors) AS row_visitors,
        sum(day_views) AS row_views,
        sum(day_loads) AS row_loads,
        sum(day_depth) AS row_depth,
        sum(day_25) AS row_25,
        sum(day_50) AS row_50,
        sum(day_75) AS row_75,
        sum(day_100) AS row_100
    FROM
    (
        SELECT
            day,
            page,
            any(load_path) AS day_path,
            any(load_host) AS day_host,
            uniqExactIf(load_visitor, is_left) AS day_visitors,
            sum(load_views) AS day_views,
            countIf(is_left) AS day_loads,
            sum(deepest) AS day_depth,
            countIf(is_left AND deepest >= 25) AS day_25,
            countIf(is_left AND deepest >= 50) AS day_50,
            countIf(is_left AND deepest >= 75) AS day_75,
            countIf(is_left AND deepest >= 100) AS day_100
        FROM
        (
            -- A page load may show several pages, one after the other. It belongs to one visitor and one day, because its number is theirs.
            -- To group by a hash of the page takes less than half the time.
            SELECT
                page_load,
                cityHash64(events.path, events.host) AS page,
                any(events.path) AS load_path,
                any(events.host) AS load_host,
                toDate(min(events.time), {timezone:String}) AS day,
                any(visitor) AS load_visitor,
                countIf(kind = 'view') AS load_views,
                max(kind = 'leave') AS is_left,
                maxIf(scroll_depth, kind = 'leave') AS deepest
            FROM events
            WHERE site = {site:String}
                AND toDate(events.time) BETWEEN {from:Date} - 1 AND {to:Date} + 1
                AND events.time >= toDateTime64({from:Date}, 3, {timezone:String})
                AND events.time < toDateTime64({to:Date} + 1, 3, {timezone:String})
                AND kind IN ('view', 'leave')
                AND (bot = '' OR {bots:Bool})
            GROUP BY page_load, page
        )
        GROUP BY day, page
    )
    GROUP BY page
    HAVING row_loads > 0
)
GROUP BY few, path, host
ORDER BY loads DESC, views DESC, path, host
LIMIT {limit:UInt32}
