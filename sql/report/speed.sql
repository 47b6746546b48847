-- title: Speed
-- order: 270
-- purpose: diagnostics
-- about: Web Vitals and navigation phases for the whole site, or by page, browser, system, device, country,
--   network or release. Percentiles are exact: the smallest sample that so many samples do not exceed, of all page loads of the
--   period. `good` is the share of samples within the threshold of Google's Web Vitals: LCP 2500 ms, INP 200 ms, CLS
--   0.1, FCP 1800 ms, TTFB 800 ms. A measure is poor above LCP 4000 ms, INP 500 ms, CLS 0.25, FCP 3000 ms, TTFB 1800 ms.
--   Phases have no threshold.
-- credit: places
-- by: site, page, browser, system, device, country, network, release
-- example: --by page --from 30d
-- columns:
--   group    text     page, browser, …; empty for the whole site
--   vital    text     the measure: LCP, INP, CLS, FCP, TTFB, or a phase: DNS, connect, TLS, load
--   unit     text     ms, or score for CLS
--   samples  samples  page loads that measured the vital
--   p50      unit     median
--   p75      unit     75 % of samples are at most this
--   p95      unit     95 % of samples are at most this
--   good     %        share of samples within the threshold
--   rating   text     what p75 is: good, needs improvement or poor; empty for phases
SELECT
    group,
    vital,
    if(vital = 'CLS', 'score', 'ms') AS unit,
    count() AS samples,
    -- From the counts of each measure, so their memory does not grow with the samples, and their result has no chance in it.
    (quantilesExactWeighted(0.5, 0.75, 0.95)(round(measure, if(vital = 'CLS', 3, 0)), 1) AS percentiles)[1] AS p50,
    percentiles[2] AS p75,
    percentiles[3] AS p95,
    round(100 * countIf(measure <= threshold) / nullIf(countIf(threshold IS NOT NULL), 0), 2) AS good,
    multiIf(any(threshold) IS NULL, '', p75 <= any(threshold), 'good', p75 <= any(poor), 'needs improvement', 'poor') AS rating
FROM
(
    SELECT
        group,
        tupleElement(sample, 1) AS position,
        tupleElement(sample, 2) AS vital,
        tupleElement(sample, 3) AS measure,
        tupleElement(sample, 4) AS threshold,
        tupleElement(sample, 5) AS poor
    FROM
    (
        SELECT
            multiIf(
                {by:String} = 'page', path,
                {by:String} = 'browser', toString(browser),
                {by:String} = 'system', toString(os),
                {by:String} = 'device', toString(device),
                {by:String} = 'country', toString(country),
                {by:String} = 'network', toString(network),
                {by:String} = 'release', toString(release),
                '') AS group,
            lcp_ms, inp_ms, cls, fcp_ms, ttfb_ms, dns_ms, connect_ms, tls_ms, load_ms
        FROM events
        WHERE site = {site:String}
            AND events.time >= toDateTime64({from:Date}, 3, {timezone:String})
            AND events.time < toDateTime64({to:Date} + 1, 3, {timezone:String})
            AND kind = 'vitals'
            AND (bot = '' OR {bots:Bool})
    )
    ARRAY JOIN
        CAST([
            (1, 'LCP', lcp_ms, 2500, 4000),
            (2, 'INP', inp_ms, 200, 500),
            -- As the column has it: 0.1 itself is within.
            (3, 'CLS', cls, toFloat32(0.1), 0.25),
            (4, 'FCP', fcp_ms, 1800, 3000),
            (5, 'TTFB', ttfb_ms, 800, 1800),
            (6, 'DNS', dns_ms, NULL, NULL),
            (7, 'connect', connect_ms, NULL, NULL),
            (8, 'TLS', tls_ms, NULL, NULL),
            (9, 'load', load_ms, NULL, NULL)
        ], 'Array(Tuple(UInt8, String, Nullable(Float64), Nullable(Float64), Nullable(Float64)))') AS sample
    WHERE measure IS NOT NULL
)
GROUP BY group, position, vital
ORDER BY max(samples) OVER (PARTITION BY group) DESC, group, position
LIMIT {limit:UInt32}
