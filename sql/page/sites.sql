-- What the list of sites shows of the audience of each: visitors by day, and those of today and of the same day a week ago up to this
-- time of the day. Both come from visits, so that today's are those of the daily figures.
SELECT site, toString(day) AS date, 'day' AS figure, toUInt64(sum(visitors)) AS number
FROM daily
WHERE site IN {sites:Array(String)}
    AND day BETWEEN {from:Date} AND {today:Date}
    AND dimension = 'total'
    AND NOT bots
GROUP BY site, date
UNION ALL
SELECT site, toString(day) AS date, 'so_far', uniqExact(visitor)
FROM visits
WHERE site IN {sites:Array(String)}
    AND (day = {today:Date} OR (day = {week_ago:Date} AND start < toDateTime64({until:Int64}, 3)))
    AND bot = ''
GROUP BY site, date
