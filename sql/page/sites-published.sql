-- What the list of sites shows of the audience of each to a viewer: published visitors by day.
SELECT site, toString(day) AS date, 'day' AS figure, toUInt64(sum(visitors)) AS number
FROM daily_published
WHERE site IN {sites:Array(String)}
    AND day BETWEEN {from:Date} AND {today:Date}
    AND filter = ''
    AND dimension = 'total'
    AND NOT is_open
GROUP BY site, date
