-- Visits: the events of one visitor on one site, with no gap of more than 30 minutes between them. A visit ends at midnight, because the
-- visitor's pseudonym does: no visit crosses a day.
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.
--
-- Query `visits`, always by `site` and `day`. Columns that `events` has, too, have the same names and types here, so that one filter fits
-- both.

-- The visits of the events from `since` to before `before`, which are the beginning and the end of a day. `buckets` and `bucket` select a
-- part of the visitors, so that a day of any size is computed in bounded memory; 1 and 0 select all.
-- Only a view, the site's own event, an outbound link, a download or a click on an ad opens a visit. An event of another kind belongs to
-- the visit that is under way, and to none after a pause of more than 30 minutes: a tab that is left open is no second visit.
-- Events that count as a bot's (a spammer's referrer, for example) and others of the same visitor are separate visits, so that the views of
-- people's visits are the views of people.
-- The inner query finds the first and the last moment of each visit, from six narrow columns. Then each event is joined to the last
-- visit that began before it. That is several times faster than window functions over the wide rows.
-- `time` alone would not find the day in the table's order, whose second column is `toDate(time)`.
-- On a cluster each shard computes the visits of its own events.
CREATE OR REPLACE VIEW {database}.visits_between AS
WITH
    event.page_load = begin.first.2 AND event.seq = begin.first.3 AS is_first,
    argMinIf((event.host, event.path), (event.time, event.page_load, event.seq), event.kind = 'view') AS entry,
    argMaxIf((event.host, event.path), (event.time, event.page_load, event.seq), event.kind = 'view') AS exit
SELECT
    event.site AS site,
    toDate(start, ifNull(nullIf((SELECT timezone FROM zone), ''), 'UTC')) AS day,
    event.visitor AS visitor,
    any(event.address) AS address,
    any(event.epoch) AS epoch,
    anyIf(event.policy, is_first) AS policy,
    begin.first.1 AS start,
    max(event.time) AS end,
    toUInt32(dateDiff('second', start, end)) AS duration_s,
    toUInt32(countIf(event.kind = 'view')) AS views,
    toUInt32(count()) AS events,
    toUInt32(countIf(event.kind IN ('event', 'outbound', 'download') OR (event.kind = 'ad' AND event.name = 'click')))
        AS actions,
    toUInt32(countIf(event.kind IN ('error', 'resource'))) AS errors,
    views = 1 AND actions = 0 AS bounce,
    toUInt32(sum(event.engaged_ms)) AS engaged_ms,
    if(views > 0, entry.1, anyIf(event.host, is_first)) AS entry_host,
    if(views > 0, entry.2, anyIf(event.path, is_first)) AS entry_path,
    if(views > 0, exit.1, entry_host) AS exit_host,
    if(views > 0, exit.2, entry_path) AS exit_path,
    entry_host AS host,
    anyIf(event.referrer_host, is_first) AS referrer_host,
    anyIf(event.referrer_path, is_first) AS referrer_path,
    anyIf(event.source, is_first) AS source,
    anyIf(event.channel, is_first) AS channel,
    anyIf(event.utm_source, is_first) AS utm_source,
    anyIf(event.utm_medium, is_first) AS utm_medium,
    anyIf(event.utm_campaign, is_first) AS utm_campaign,
    anyIf(event.utm_content, is_first) AS utm_content,
    anyIf(event.utm_term, is_first) AS utm_term,
    anyIf(event.click_id, is_first) AS click_id,
    anyIf(event.browser, is_first) AS browser,
    anyIf(event.browser_version, is_first) AS browser_version,
    anyIf(event.engine, is_first) AS engine,
    anyIf(event.os, is_first) AS os,
    anyIf(event.os_version, is_first) AS os_version,
    anyIf(event.device, is_first) AS device,
    anyIf(event.bot, is_first) AS bot,
    anyIf(event.bot_category, is_first) AS bot_category,
    anyIf(event.spoofed, is_first) AS spoofed,
    anyIf(event.data_centre, is_first) AS data_centre,
    anyIf(event.language, is_first) AS language,
    anyIf(event.timezone, is_first) AS timezone,
    anyIf(event.screen, is_first) AS screen,
    anyIf(event.country, is_first) AS country,
    anyIf(event.region, is_first) AS region,
    anyIf(event.city, is_first) AS city,
    anyIf(event.asn, is_first) AS asn,
    anyIf(event.network, is_first) AS network,
    anyIf(event.ip_version, is_first) AS ip_version,
    anyIf(event.cookies_enabled, is_first) AS cookies_enabled,
    max(event.expires) AS expires
FROM events{local} AS event
ASOF JOIN
(
    SELECT
        site,
        visitor,
        is_bot,
        arrayJoin(arrayFilter(
            visit -> visit.1.4,
            arrayMap(
                run -> (arrayFirst(moment -> moment.4, run), run[-1].1),
                arraySplit(
                    (moment, i) -> i > 1 AND dateDiff('second', moments[i - 1].1, moment.1) > 30 * 60,
                    moments,
                    arrayEnumerate(moments))))) AS visit,
        visit.1 AS first,
        visit.2 AS last,
        first.1 AS time
    FROM
    (
        SELECT
            site,
            visitor,
            bot != '' AS is_bot,
            arraySort(groupArray((
                time,
                page_load,
                seq,
                kind IN ('view', 'event', 'outbound', 'download') OR (kind = 'ad' AND name = 'click')))) AS moments
        FROM events{local}
        WHERE toDate(time) >= toDate({since:DateTime('UTC')}) AND toDate(time) <= toDate({before:DateTime('UTC')})
            AND time >= {since:DateTime('UTC')} AND time < {before:DateTime('UTC')}
            AND expires >= today() AND visitor % {buckets:UInt64} = {bucket:UInt64}
        GROUP BY site, visitor, is_bot
    )
) AS begin
ON event.site = begin.site AND event.visitor = begin.visitor AND (event.bot != '') = begin.is_bot AND event.time >= begin.time
WHERE toDate(event.time) >= toDate({since:DateTime('UTC')}) AND toDate(event.time) <= toDate({before:DateTime('UTC')})
    AND event.time >= {since:DateTime('UTC')} AND event.time < {before:DateTime('UTC')}
    AND event.time <= begin.last AND (event.time, event.page_load, event.seq) >= (begin.first.1, begin.first.2, begin.first.3)
    AND event.expires >= today() AND event.visitor % {buckets:UInt64} = {bucket:UInt64}
GROUP BY event.site, event.visitor, begin.is_bot, begin.first;

-- The visits of all generations. `days` says which generation of a day is in force (0004_days.sql); others are deleted later.
-- Generations of an open day have partitions of their own, so that they are dropped as a whole. On a cluster each shard computes the visits of its own
-- events into its own table, so nothing is inserted through the Distributed one.
CREATE TABLE IF NOT EXISTS {database}.visits_stored{local}
(
    site LowCardinality(String),
    day Date,
    visitor UInt64,
    address UInt64,
    epoch UInt32,
    policy LowCardinality(String),
    start DateTime('UTC'),
    end DateTime('UTC'),
    duration_s UInt32,
    views UInt32,
    events UInt32,
    actions UInt32,
    errors UInt32,
    bounce Bool,
    engaged_ms UInt32,
    entry_host LowCardinality(String),
    entry_path LowCardinality(String),
    exit_host LowCardinality(String),
    exit_path LowCardinality(String),
    host LowCardinality(String),
    referrer_host LowCardinality(String),
    referrer_path LowCardinality(String),
    source LowCardinality(String),
    channel LowCardinality(String),
    utm_source LowCardinality(String),
    utm_medium LowCardinality(String),
    utm_campaign LowCardinality(String),
    utm_content LowCardinality(String),
    utm_term LowCardinality(String),
    click_id LowCardinality(String),
    browser LowCardinality(String),
    browser_version LowCardinality(String),
    engine LowCardinality(String),
    os LowCardinality(String),
    os_version LowCardinality(String),
    {event_column device},
    bot LowCardinality(String),
    {event_column bot_category},
    spoofed Bool,
    data_centre Bool,
    language LowCardinality(String),
    timezone LowCardinality(String),
    {event_column screen},
    country LowCardinality(String),
    region LowCardinality(String),
    city LowCardinality(String),
    asn UInt32,
    network LowCardinality(String),
    ip_version UInt8,
    cookies_enabled Bool,
    expires Date,
    generation UInt64,
    is_open Bool
)
ENGINE = {sharded MergeTree}
PARTITION BY (toYYYYMM(day), if(is_open, generation, 0))
ORDER BY (site, day, visitor, start)
TTL least(expires, toDate('2149-06-05')) + INTERVAL 1 DAY
SETTINGS default_compression_codec = 'ZSTD(1)';

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.visits_stored AS {database}.visits_stored_local
ENGINE = Distributed({cluster}, {database}, visits_stored_local);

CREATE OR REPLACE VIEW {database}.visits AS
SELECT * EXCEPT (generation, is_open)
FROM visits_stored
WHERE generation {in} (SELECT max(generation) FROM days GROUP BY day, shard);
