-- The daily figures of `visits` and `events`. When a day is computed, these are the day's own. For a report under filters, they are what
-- passes the filters. src/store/schema/columns.rs puts the rows of the other statements into the last one; words in braces without
-- a type are placeholders (src/store/schema/render.rs).

-- A row for each visit and dimension of visits. A visit whose link had no parameters has no campaign, and one without a referrer no
-- referring page.
SELECT
    site,
    day,
    pair.1 AS dimension,
    pair.2 AS value,
    pair.3 AS detail,
    visitor,
    bot != '' AS is_bot,
    true AS counts,
    1 AS visits,
    bounce AS bounces,
    visit.views AS views,
    visit.events AS events,
    visit.duration_s AS duration_s,
    visit.engaged_ms AS engaged_ms,
    visit.expires AS expires
FROM visits AS visit
ARRAY JOIN
    [
        {visit_dimensions}
    ] AS pair
WHERE value != '' OR detail != '' OR dimension NOT IN ('campaign', 'referrer', 'utm_source', 'utm_medium', 'utm_content', 'utm_term');

-- A row for each event in its dimension. A visitor who only left a page has not viewed it, and does not count as its visitor.
SELECT
    site,
    toDate(time, {timezone:String}) AS day,
    multiIf(kind IN ('view', 'leave'), 'page', toString(kind)) AS dimension,
    if(kind IN ('view', 'leave', 'missing'), toString(path), toString(name)) AS value,
    if(kind IN ('view', 'leave', 'missing'), toString(host), '') AS detail,
    visitor,
    bot != '' AS is_bot,
    kind != 'leave' AS counts,
    0 AS visits,
    0 AS bounces,
    kind = 'view' AS views,
    1 AS events,
    0 AS duration_s,
    event.engaged_ms AS engaged_ms,
    event.expires AS expires
FROM events AS event
WHERE dimension IN ({event_dimensions})
    AND kind IN ('view', 'leave', 'event', 'outbound', 'download', 'missing', 'resource');

-- A row for each page load and slot with advertising, in each dimension of ads. An impression is viewable once and clicked once, however
-- often it was; without a known impression, once a page load.
SELECT
    site,
    day,
    pair.1 AS dimension,
    toString(ad) AS value,
    toString(slot) AS detail,
    visitor,
    is_bot,
    true AS counts,
    0 AS visits,
    0 AS bounces,
    0 AS views,
    pair.2 AS events,
    0 AS duration_s,
    0 AS engaged_ms,
    latest AS expires
FROM
(
    SELECT
        site,
        toDate(time, {timezone:String}) AS day,
        ad,
        slot,
        visitor,
        page_load,
        bot != '' AS is_bot,
        countIf(name = 'impression') AS impressions,
        countIf(name = 'viewable') AS viewable,
        countIf(name = 'click') AS clicks,
        max(event.expires) AS latest
    FROM events AS event
    WHERE kind = 'ad'
    GROUP BY site, day, ad, slot, visitor, page_load, is_bot
)
ARRAY JOIN
    [
        ('ad', impressions + viewable + clicks),
        ('ad_impression', impressions),
        ('ad_viewable', least(viewable, greatest(impressions, 1))),
        ('ad_click', least(clicks, greatest(impressions, 1)))
    ] AS pair
WHERE dimension IN ({ad_dimensions}) AND events > 0;

-- A row for each visitor and hour of the day, in each dimension of hours. An hour that comes twice when the clocks are set back counts as one.
SELECT
    site,
    day,
    pair.1 AS dimension,
    toString(hour) AS value,
    '' AS detail,
    visitor,
    is_bot,
    dimension = 'hour' AS counts,
    0 AS visits,
    0 AS bounces,
    if(dimension = 'hour', hour_views, 0) AS views,
    pair.2 AS events,
    0 AS duration_s,
    0 AS engaged_ms,
    latest AS expires
FROM
(
    SELECT
        site,
        toDate(time, {timezone:String}) AS day,
        toHour(time, {timezone:String}) AS hour,
        visitor,
        bot != '' AS is_bot,
        count() AS all_events,
        countIf(kind = 'event') AS own_events,
        countIf(kind = 'view') AS hour_views,
        max(event.expires) AS latest
    FROM events AS event
    GROUP BY site, day, hour, visitor, is_bot
)
ARRAY JOIN [('hour', all_events), ('hour_event', own_events)] AS pair
WHERE dimension IN ({hour_dimensions}) AND events > 0;

-- A row for each page load that left a page, and one for each page in the other dimensions of scroll depth, which have no visitors. A load may show
-- several pages one after the other, and leave each several times: its deepest point counts. `scroll_depth` adds up per cent.
SELECT
    site,
    day,
    cell.1 AS dimension,
    toString(path) AS value,
    toString(host) AS detail,
    cell.2 AS visitor,
    is_bot,
    dimension = 'scroll' AS counts,
    0 AS visits,
    0 AS bounces,
    0 AS views,
    cell.3 AS events,
    0 AS duration_s,
    0 AS engaged_ms,
    latest AS expires
FROM
(
    SELECT
        site,
        day,
        path,
        host,
        is_bot,
        max(load_expires) AS latest,
        arrayConcat(
            arrayMap(visitor -> ('scroll', visitor, toUInt64(1)), groupArray(visitor)),
            [
                ('scroll_depth', toUInt64(0), sum(deepest)),
                ('scroll_25', 0, countIf(deepest >= 25)),
                ('scroll_50', 0, countIf(deepest >= 50)),
                ('scroll_75', 0, countIf(deepest >= 75)),
                ('scroll_100', 0, countIf(deepest >= 100))
            ]) AS cells
    FROM
    (
        SELECT
            site,
            toDate(time, {timezone:String}) AS day,
            path,
            host,
            visitor,
            page_load,
            bot != '' AS is_bot,
            max(scroll_depth) AS deepest,
            max(event.expires) AS load_expires
        FROM events AS event
        WHERE kind = 'leave'
        GROUP BY site, day, path, host, visitor, page_load, is_bot
    )
    GROUP BY site, day, path, host, is_bot
)
ARRAY JOIN cells AS cell
WHERE dimension IN ({scroll_dimensions}) AND events > 0;

-- The figures of people, and what bots add to them: a visitor who counts among people does not count again.
SELECT
    site,
    dimension,
    day,
    value,
    detail,
    figures.1 AS bots,
    figures.2 AS visitors,
    figures.3 AS visits,
    figures.4 AS bounces,
    figures.5 AS views,
    figures.6 AS events,
    figures.7 AS duration_s,
    figures.8 AS engaged_ms,
    latest AS expires
FROM
(
    SELECT
        site,
        dimension,
        day,
        value,
        detail,
        uniqExactStateIf(visitor, counts AND NOT is_bot) AS people,
        finalizeAggregation(people) AS visitors,
        toUInt64(
            arrayReduce('uniqExactMerge', [people, uniqExactStateIf(visitor, counts AND is_bot)]) - visitors) AS visitors_bots,
        [
            (false, visitors, sumIf(visits, NOT is_bot), sumIf(bounces, NOT is_bot), sumIf(views, NOT is_bot),
                sumIf(events, NOT is_bot), sumIf(duration_s, NOT is_bot), sumIf(engaged_ms, NOT is_bot)),
            (true, visitors_bots, sumIf(visits, is_bot), sumIf(bounces, is_bot), sumIf(views, is_bot),
                sumIf(events, is_bot), sumIf(duration_s, is_bot), sumIf(engaged_ms, is_bot))
        ] AS people_and_bots,
        max(expires) AS latest
    FROM
    (
{rows}
    )
    GROUP BY site, dimension, day, value, detail
)
ARRAY JOIN people_and_bots AS figures
WHERE events > 0;
