-- The last half hour of a site: visitors of the last five minutes, and the pages and sources of all. Bots are left out. Rows of few
-- visitors are folded into (other). The source of a visitor is that of the first view.
WITH
    now() - INTERVAL 30 MINUTE AS begin,
    recent AS
    (
        SELECT visitor, time, page_load, seq, kind, toString(path) AS path, toString(source) AS source
        FROM events
        WHERE site = {site:String}
            AND bot = ''
            AND time >= begin
            AND time < now() + INTERVAL 1 MINUTE
            -- The second column of the table's order; it is a day of UTC.
            AND toDate(time) >= toDate(begin) - 1
    )
SELECT 'current' AS figure, '' AS value, uniqExactIf(visitor, time >= now() - INTERVAL 5 MINUTE) AS visitors, toUInt64(0) AS views
FROM recent
UNION ALL
SELECT figure, if(row_visitors < {k:UInt32}, '(other)', row_value) AS value, sum(row_visitors) AS visitors, sum(row_views) AS views
FROM
(
    SELECT 'page' AS figure, path AS row_value, uniqExact(visitor) AS row_visitors, count() AS row_views
    FROM recent
    WHERE kind = 'view'
    GROUP BY row_value
    UNION ALL
    SELECT 'source', first_source, count(), sum(visitor_views)
    FROM
    (
        SELECT visitor, argMin(source, (time, page_load, seq)) AS first_source, count() AS visitor_views
        FROM recent
        WHERE kind = 'view'
        GROUP BY visitor
    )
    GROUP BY first_source
)
GROUP BY figure, value
ORDER BY figure, value = '(other)', visitors DESC, value
