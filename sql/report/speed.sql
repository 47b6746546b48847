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
WITH
    -- Percentile p is the smallest sample that a share of at least p does not exceed. quantilesExact takes the sample at place
    -- floor(p * samples), from 0, so p is a little less here. To count equal samples instead (quantilesExactWeighted) took twice as long by page and
    -- four times the memory, which is about 18 bytes an event of the site.
    samples -> CAST(quantilesExact(0.4999999999, 0.7499999999, 0.9499999999)(samples), 'Array(Float64)') AS percentiles_of,
    multiIf(
        {by:String} = 'page', path,
        {by:String} = 'browser', browser,
        {by:String} = 'system', os,
        {by:String} = 'device', toLowCardinality(toString(device)),
        {by:String} = 'country', country,
        {by:String} = 'network', network,
        {by:String} = 'release', release,
        toLowCardinality('')) AS group_of_event
SELECT
    group,
    vital,
    if(vital = 'CLS', 'score', 'ms') AS unit,
    samples,
    percentiles[1] AS p50,
    percentiles[2] AS p75,
    percentiles[3] AS p95,
    round(100 * good_samples / samples, 2) AS good,
    multiIf(threshold IS NULL, '', p75 <= threshold, 'good', p75 <= poor, 'needs improvement', 'poor') AS rating
FROM
(
    SELECT
        group,
        position,
        tupleElement(measure, 1) AS vital,
        tupleElement(measure, 2) AS samples,
        tupleElement(measure, 3) AS percentiles,
        tupleElement(measure, 4) AS good_samples,
        tupleElement(measure, 5) AS threshold,
        tupleElement(measure, 6) AS poor
    FROM
    (
        SELECT
            group_of_event AS group,
            CAST([
                ('LCP', count(lcp_ms), percentiles_of(lcp_ms), countIf(lcp_ms <= 2500), 2500, 4000),
                ('INP', count(inp_ms), percentiles_of(inp_ms), countIf(inp_ms <= 200), 200, 500),
                -- As the column has it: 0.1 itself is within.
                ('CLS', count(cls), percentiles_of(round(toFloat64(cls), 3)), countIf(cls <= toFloat32(0.1)), 0.1, 0.25),
                ('FCP', count(fcp_ms), percentiles_of(fcp_ms), countIf(fcp_ms <= 1800), 1800, 3000),
                ('TTFB', count(ttfb_ms), percentiles_of(ttfb_ms), countIf(ttfb_ms <= 800), 800, 1800),
                ('DNS', count(dns_ms), percentiles_of(dns_ms), NULL, NULL, NULL),
                ('connect', count(connect_ms), percentiles_of(connect_ms), NULL, NULL, NULL),
                ('TLS', count(tls_ms), percentiles_of(tls_ms), NULL, NULL, NULL),
                ('load', count(load_ms), percentiles_of(load_ms), NULL, NULL, NULL)
            ], 'Array(Tuple(String, UInt64, Array(Float64), Nullable(UInt64), Nullable(Float64), Nullable(Float64)))') AS measures
        FROM events
        WHERE site = {site:String}
            AND events.time >= toDateTime({from:Date}, {timezone:String})
            AND events.time < toDateTime({to:Date} + 1, {timezone:String})
            AND kind = 'vitals'
            AND (bot = '' OR {bots:Bool})
        GROUP BY group
    )
    ARRAY JOIN measures AS measure, arrayEnumerate(measures) AS position
    WHERE samples > 0
)
ORDER BY max(samples) OVER (PARTITION BY group) DESC, group, position
LIMIT {limit:UInt32}
