-- title: Diagnosis
-- order: 235
-- purpose: diagnostics
-- about: What carries a rise of errors or slowness: a browser, a version of it, a system, device, page, network, country or
--   release. The period is compared with the period of the same length before. A case is a view, or a sample of a vital.
--   It is bad if the page load had an error on the page, or if the sample is over the threshold: LCP 2500 ms, INP 200 ms,
--   CLS 0.1, TTFB 800 ms. Of one visitor, at most 5 page loads with errors count. There is a rise if the share of bad cases
--   grew by a tenth and by three standard errors. The first row is the rise as a whole. Each other row is a value that
--   grew by three standard errors itself, and carries more of the rise than its share of all cases: by three standard
--   errors, and by 10 points. So a country of all visitors is no cause. A row has at least 30 cases, and 5 bad ones of 3
--   visitors. The value that carries most beyond its share of all cases comes first.
-- credit: places
-- by: errors, lcp, inp, cls, ttfb
-- empty: no rise: the share of bad cases did not grow beyond chance against the period before
-- example: --by lcp --from 7d
-- columns:
--   dimension    text      browser, browser_version, os, device, page, network, country, release; all for the whole rise
--   value        text      browser, system, page and so on; empty when unknown
--   detail       text      version of the browser
--   carried      %         share of the rise that the value carries: its excess of the whole excess
--   traffic      %         share of the cases of both periods that the value has
--   excess       cases     bad cases beyond those expected from the period before
--   bad          cases     bad cases
--   cases        cases     views, or samples of the vital
--   rate         %         share of bad cases
--   baseline     %         share of bad cases in the period before
--   lift         ratio     share of bad cases, as a multiple of that of all other values
--   visitors     visitors  sum of daily visitors with a bad case
--   z            ratio     standard errors by which the share of bad cases grew
WITH
    -- The two-proportion test: by how many standard errors a share of bad cases grew.
    (bad_1, cases_1, bad_0, cases_0) ->
        (bad_1 / cases_1 - bad_0 / cases_0)
        / sqrt(
            greatest(1e-9, (bad_1 + bad_0) / (cases_1 + cases_0) * (1 - (bad_1 + bad_0) / (cases_1 + cases_0)))
            * (1 / cases_1 + 1 / cases_0)) AS standard_errors
SELECT
    of_what AS dimension,
    value,
    detail,
    round(100 * share_of_rise, 1) AS carried,
    round(100 * share_of_cases, 1) AS traffic,
    round(excess_cases, 1) AS excess,
    bad_now AS bad,
    cases_now AS cases,
    round(100 * bad_now / cases_now, 2) AS rate,
    round(100 * bad_before / nullIf(cases_before, 0), 2) AS baseline,
    round(bad_now / cases_now / nullIf((all_bad - bad_now) / nullIf(all_cases - cases_now, 0), 0), 2) AS lift,
    bad_visitors AS visitors,
    round(growth, 1) AS z
FROM
(
    SELECT
        *,
        all_bad - all_cases * all_rate_before AS excess_of_all,
        -- Few cases before say little about a value. So 100 cases of the whole site are added to them: a new release is expected
        -- to be as bad as the site was.
        bad_now - cases_now * (bad_before + 100 * all_rate_before) / (cases_before + 100) AS excess_of_value,
        if(of_what = 'all', excess_of_all, excess_of_value) AS excess_cases,
        excess_cases / excess_of_all AS share_of_rise,
        -- Of both periods, so that a new release that has all cases of the period can be told from the period.
        (cases_now + cases_before) / (all_cases + all_cases_before) AS share_of_cases,
        standard_errors(all_bad, all_cases, all_bad_before, all_cases_before) AS growth_of_all,
        if(cases_before >= 30,
            standard_errors(bad_now, cases_now, bad_before, cases_before),
            standard_errors(bad_now, cases_now, all_bad_before, all_cases_before)) AS growth,
        -- By how many standard errors the value carries more than its share of all cases.
        (excess_cases - share_of_cases * excess_of_all)
            / sqrt(
                bad_now
                + pow(cases_now / (cases_before + 100), 2)
                    * (bad_before + pow(100 / all_cases_before, 2) * all_bad_before)) AS surplus
    FROM
    (
        SELECT
            *,
            max(if(of_what = 'all', cases_now, 0)) OVER () AS all_cases,
            max(if(of_what = 'all', cases_before, 0)) OVER () AS all_cases_before,
            max(if(of_what = 'all', bad_now, 0)) OVER () AS all_bad,
            max(if(of_what = 'all', bad_before, 0)) OVER () AS all_bad_before,
            all_bad_before / all_cases_before AS all_rate_before
        FROM
        (
            SELECT
                multiIf(
                    grouping(browser_version) = 0, 'browser_version',
                    grouping(browser) = 0, 'browser',
                    grouping(os) = 0, 'os',
                    grouping(device) = 0, 'device',
                    grouping(path) = 0, 'page',
                    grouping(network) = 0, 'network',
                    grouping(country) = 0, 'country',
                    grouping(release) = 0, 'release',
                    'all') AS of_what,
                -- Columns that are not grouped by are empty.
                concat(browser, os, if(of_what = 'device', toString(device), ''), path, network, country, release) AS value,
                toString(browser_version) AS detail,
                countIf(is_now AND is_case) AS cases_now,
                countIf(NOT is_now AND is_case) AS cases_before,
                countIf(is_now AND is_bad) AS bad_now,
                countIf(NOT is_now AND is_bad) AS bad_before,
                uniqIf(visitor, is_now AND is_bad) AS bad_visitors
            FROM
            (
                SELECT
                    browser, browser_version, os, device, path, network, country, release, visitor, is_now,
                    true AS is_case,
                    assumeNotNull(is_over) AS is_bad
                FROM
                (
                    SELECT
                        browser, browser_version, os, device, path, network, country, release, visitor,
                        events.time >= toDateTime({from:Date}, {timezone:String}) AS is_now,
                        multiIf(
                            {by:String} = 'lcp', lcp_ms > 2500,
                            {by:String} = 'inp', inp_ms > 200,
                            {by:String} = 'cls', cls > toFloat32(0.1),
                            {by:String} = 'ttfb', ttfb_ms > 800,
                            false) AS is_over
                    FROM events
                    WHERE site = {site:String}
                        AND toDate(events.time) BETWEEN {before:Date} - 1 AND {to:Date} + 1
                        AND events.time >= toDateTime({before:Date}, {timezone:String})
                        AND events.time < toDateTime({to:Date} + 1, {timezone:String})
                        -- Pages that are missing can have errors, too.
                        AND if({by:String} = 'errors', kind IN ('view', 'missing'), kind = 'vitals')
                        AND (bot = '' OR {bots:Bool})
                )
                WHERE is_over IS NOT NULL
                UNION ALL
                -- A page load that has errors again and again counts once, and one visitor is not a rise.
                SELECT
                    browser, browser_version, os, device, path, network, country, release, visitor, is_now, false, true
                FROM
                (
                    SELECT DISTINCT
                        browser, browser_version, os, device, path, network, country, release, visitor, page_load,
                        events.time >= toDateTime({from:Date}, {timezone:String}) AS is_now
                    FROM events
                    WHERE site = {site:String}
                        AND toDate(events.time) BETWEEN {before:Date} - 1 AND {to:Date} + 1
                        AND events.time >= toDateTime({before:Date}, {timezone:String})
                        AND events.time < toDateTime({to:Date} + 1, {timezone:String})
                        AND {by:String} = 'errors'
                        AND kind = 'error'
                        AND (bot = '' OR {bots:Bool})
                    ORDER BY visitor, page_load, path, release, browser, browser_version
                    LIMIT 5 BY visitor
                )
            )
            GROUP BY GROUPING SETS
                ((), (browser), (browser, browser_version), (os), (device), (path), (network), (country), (release))
        )
    )
)
WHERE growth_of_all >= 3
    AND all_bad / all_cases >= 1.1 * all_rate_before
    AND bad_now >= 5
    AND cases_now >= 30
    AND bad_visitors >= 3
    AND growth >= 3
    AND (of_what = 'all' OR (surplus >= 3 AND share_of_rise - share_of_cases >= 0.1))
ORDER BY of_what != 'all', share_of_rise - share_of_cases DESC, of_what, value, detail
LIMIT {limit:UInt32}
