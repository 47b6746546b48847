-- What a bot is for, whether a client contradicts itself, and whether it sits in a data centre's network: columns of events and
-- visits; the category also of the daily figures, which add up by bot already.
--
-- Rows of before have no category on disk. A bot of theirs reads as `other`, so that `bot_category` is empty where `bot` is and
-- nowhere else; nothing is rewritten, and closed days stay closed. A spool that was filled before is shipped without these
-- columns and gets the same defaults.

-- cluster: sharded by cityHash64(site, visitor)
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS bot_category Enum8('' = 0, 'search' = 1, 'ai' = 2, 'preview' = 3, 'monitoring' = 4, 'seo' = 5,
        'library' = 6, 'automation' = 7, 'other' = 8)
        DEFAULT if(bot = '', '', 'other') AFTER bot,
    ADD COLUMN IF NOT EXISTS spoofed Bool AFTER bot_category,
    ADD COLUMN IF NOT EXISTS data_centre Bool AFTER spoofed;

-- cluster: sharded by cityHash64(site, visitor)
ALTER TABLE visits_closed
    ADD COLUMN IF NOT EXISTS bot_category Enum8('' = 0, 'search' = 1, 'ai' = 2, 'preview' = 3, 'monitoring' = 4, 'seo' = 5,
        'library' = 6, 'automation' = 7, 'other' = 8)
        DEFAULT if(bot = '', '', 'other') AFTER bot,
    ADD COLUMN IF NOT EXISTS spoofed Bool AFTER bot_category,
    ADD COLUMN IF NOT EXISTS data_centre Bool AFTER spoofed;

-- cluster: sharded by cityHash64(site, dimension, value)
ALTER TABLE daily_closed
    ADD COLUMN IF NOT EXISTS bot_category Enum8('' = 0, 'search' = 1, 'ai' = 2, 'preview' = 3, 'monitoring' = 4, 'seo' = 5,
        'library' = 6, 'automation' = 7, 'other' = 8)
        DEFAULT if(bot = '', '', 'other') AFTER bot;

-- The views of 0006_visits.sql and 0007_daily.sql, which describe them, with the new columns.
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

-- cluster: on each shard
CREATE OR REPLACE VIEW daily_between AS
SELECT
    site,
    day,
    pair.1 AS dimension,
    pair.2 AS value,
    pair.3 AS detail,
    toString(bot) AS bot,
    bot_category,
    count() AS visits,
    countIf(bounce) AS bounces,
    sum(visit.views) AS views,
    sum(visit.events) AS events,
    sum(visit.duration_ms) AS duration_ms,
    sum(visit.engaged_ms) AS engaged_ms,
    uniqState(visitor) AS visitors,
    max(visit.expires) AS expires
FROM
(
    SELECT * FROM visits_closed
    WHERE {stored:UInt8} AND start >= {since:DateTime64(3, 'UTC')} AND start < {before:DateTime64(3, 'UTC')}
    UNION ALL
    SELECT * FROM visits_open WHERE NOT {stored:UInt8}
) AS visit
ARRAY JOIN
    [
        ('total', '', ''),
        ('entry', toString(entry_path), toString(entry_host)),
        ('exit', toString(exit_path), toString(exit_host)),
        ('source', toString(source), ''),
        ('channel', toString(channel), ''),
        ('referrer', toString(referrer_host), ''),
        ('campaign', toString(utm_campaign), if(utm_source = '' AND utm_medium = '', '', concat(utm_source, ' / ', utm_medium))),
        ('country', toString(country), ''),
        ('region', toString(country), toString(region)),
        ('city', toString(country), toString(city)),
        ('network', toString(network), toString(asn)),
        ('browser', toString(browser), ''),
        ('browser_version', toString(browser), toString(browser_version)),
        ('os', toString(os), ''),
        ('os_version', toString(os), toString(os_version)),
        ('device', toString(device), ''),
        ('language', toString(language), '')
    ] AS pair
GROUP BY site, day, dimension, value, detail, bot, bot_category
UNION ALL
SELECT
    site,
    toDate(time, ifNull(nullIf((SELECT timezone FROM zone), ''), 'UTC')) AS day,
    multiIf(kind = 'leave', 'page', kind = 'view', 'page', kind = 'ad', concat('ad_', name), toString(kind)) AS dimension,
    multiIf(kind IN ('view', 'leave', 'missing'), toString(path), kind = 'ad', toString(ad), toString(name)) AS value,
    multiIf(kind IN ('view', 'leave', 'missing'), toString(host), kind = 'ad', toString(slot), '') AS detail,
    toString(bot) AS bot,
    bot_category,
    toUInt64(0) AS visits,
    toUInt64(0) AS bounces,
    countIf(kind = 'view') AS views,
    count() AS events,
    toUInt64(0) AS duration_ms,
    sum(event.engaged_ms) AS engaged_ms,
    uniqState(visitor) AS visitors,
    max(event.expires) AS expires
FROM events AS event
WHERE time >= {since:DateTime64(3, 'UTC')} AND time < {before:DateTime64(3, 'UTC')} AND event.expires >= today()
    AND kind IN ('view', 'leave', 'event', 'ad', 'outbound', 'download', 'missing', 'resource')
GROUP BY site, day, dimension, value, detail, bot, bot_category;

-- cluster: on each shard
CREATE OR REPLACE VIEW daily_open AS
SELECT *
FROM {database:Identifier}.daily_between(
    since = (SELECT max(ends) FROM days), before = '2200-01-01 00:00:00', stored = 0);

-- cluster: as it is
CREATE OR REPLACE VIEW daily AS
SELECT * FROM daily_closed WHERE day <= (SELECT max(day) FROM days)
UNION ALL
SELECT * FROM daily_open;
