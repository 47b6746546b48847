-- Visits: the events of one visitor on one site, with no gap of more than 30 minutes between them. A visit belongs to the day on
-- which it began and is not cut at midnight. It cannot outlive the visitor's pseudonym, which ends with the key's epoch.
--
-- Query `visits`, always by `site` and `day`. It has one row for each visit: stored rows for closed days, and for the open day rows
-- that are computed from `events` by the query. Columns that `events` has, too, have the same names and types here, so that one
-- filter fits both.

-- The visits that begin from `since` to before `before`, computed from the events before `until`. `buckets` and `bucket` select a part
-- of the visitors, so that a day of any size is computed in bounded memory; 1 and 0 select all.
-- The inner query finds the moments at which visits begin, from four narrow columns. Then each event is joined to the last of
-- them before it. That is several times faster than window functions over the wide rows. The half hour before `since` is read as
-- well: a visit may begin there and go on, and it belongs to the day before.
-- cluster: on each shard
CREATE OR REPLACE VIEW visits_between AS
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
    toUInt32(dateDiff('millisecond', start, end)) AS duration_ms,
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
    anyIf(event.screen_width, is_first) AS screen_width,
    anyIf(event.screen_height, is_first) AS screen_height,
    anyIf(event.country, is_first) AS country,
    anyIf(event.region, is_first) AS region,
    anyIf(event.city, is_first) AS city,
    anyIf(event.asn, is_first) AS asn,
    anyIf(event.network, is_first) AS network,
    anyIf(event.ip_version, is_first) AS ip_version,
    anyIf(event.cookies_enabled, is_first) AS cookies_enabled,
    max(event.expires) AS expires
FROM events AS event
ASOF JOIN
(
    SELECT
        site,
        visitor,
        arrayJoin(arrayFilter(
            (moment, i) -> i = 1 OR dateDiff('millisecond', moments[i - 1].1, moment.1) > 30 * 60 * 1000,
            moments,
            arrayEnumerate(moments))) AS first,
        first.1 AS time
    FROM
    (
        SELECT site, visitor, arraySort(groupArray((time, page_load, seq))) AS moments
        FROM events
        WHERE time >= {since:DateTime64(3, 'UTC')} - INTERVAL 30 MINUTE AND time < {until:DateTime64(3, 'UTC')}
            AND expires >= today() AND visitor % {buckets:UInt64} = {bucket:UInt64}
        GROUP BY site, visitor
    )
) AS begin
ON event.site = begin.site AND event.visitor = begin.visitor AND event.time >= begin.time
WHERE event.time >= {since:DateTime64(3, 'UTC')} - INTERVAL 30 MINUTE AND event.time < {until:DateTime64(3, 'UTC')}
    AND event.expires >= today() AND event.visitor % {buckets:UInt64} = {bucket:UInt64}
GROUP BY event.site, event.visitor, begin.first
HAVING start >= {since:DateTime64(3, 'UTC')} AND start < {before:DateTime64(3, 'UTC')};

-- cluster: sharded by cityHash64(site, visitor)
CREATE TABLE IF NOT EXISTS visits_closed
(
    site LowCardinality(String),
    day Date,
    visitor UInt64,
    address UInt64,
    epoch UInt32,
    policy LowCardinality(String),
    start DateTime64(3, 'UTC'),
    end DateTime64(3, 'UTC'),
    duration_ms UInt32,
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
    device Enum8('other' = 0, 'desktop' = 1, 'mobile' = 2, 'tablet' = 3, 'bot' = 4),
    bot LowCardinality(String),
    bot_category Enum8('' = 0, 'search' = 1, 'ai' = 2, 'preview' = 3, 'monitoring' = 4, 'seo' = 5, 'library' = 6,
                       'automation' = 7, 'other' = 8),
    spoofed Bool,
    data_centre Bool,
    language LowCardinality(String),
    timezone LowCardinality(String),
    screen_width UInt16,
    screen_height UInt16,
    country LowCardinality(String),
    region LowCardinality(String),
    city LowCardinality(String),
    asn UInt32,
    network LowCardinality(String),
    ip_version UInt8,
    cookies_enabled Bool,
    expires Date
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY (site, start, visitor)
TTL expires + INTERVAL 1 DAY
SETTINGS default_compression_codec = 'ZSTD(1)';

-- cluster: on each shard
CREATE OR REPLACE VIEW visits_open AS
SELECT *
FROM {database:Identifier}.visits_between(
    since = (SELECT max(ends) FROM days), before = '2200-01-01 00:00:00', until = '2200-01-01 00:00:00',
    buckets = 1, bucket = 0);

-- cluster: as it is
CREATE OR REPLACE VIEW visits AS
SELECT * FROM visits_closed WHERE start < (SELECT max(ends) FROM days)
UNION ALL
SELECT * FROM visits_open;
