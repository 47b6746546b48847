-- Script errors of each site: of today, and of the same day a week ago up to this time of the day. Bots are left out.
SELECT site, toString(if(is_today, {today:Date}, {week_ago:Date})) AS date, 'errors' AS figure, count() AS number
FROM
(
    SELECT site, time >= toDateTime64({today:Date}, 3, {timezone:String}) AS is_today
    FROM events
    WHERE site IN {sites:Array(String)}
        AND kind = 'error'
        AND bot = ''
        AND time >= toDateTime64({week_ago:Date}, 3, {timezone:String})
        AND (is_today OR time < toDateTime64({until:Int64}, 3))
        -- The second column of the table's order; it is a day of UTC.
        AND (toDate(time) <= {week_ago:Date} + 1 OR toDate(time) >= {today:Date} - 1)
)
GROUP BY site, is_today
