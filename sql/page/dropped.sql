-- Events of a site that collectors accepted and dropped, by reason. Days are those of their receipt, of UTC.
SELECT outcome, sum(events) AS dropped
FROM segments FINAL
WHERE site = {site:String}
    AND day BETWEEN {from:Date} AND {to:Date}
    AND outcome NOT IN ('', 'stored')
GROUP BY outcome
ORDER BY dropped DESC, outcome
