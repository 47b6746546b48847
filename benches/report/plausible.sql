-- Tables with the columns, types, codecs and order of Plausible's `events_v2` and `sessions_v2`, after `priv/ingest_repo/structure.sql` of
-- https://github.com/plausible/analytics as of 2025-09. Aliases take no space and are left out. Plausible computes `acquisition_channel`
-- with dictionaries; here it is stored. Its `session_id` comes from a cache of sessions; here the generator knows the visit. Its sessions
-- are in a VersionedCollapsingMergeTree, where later states replace earlier ones; here each session has its last state only.
CREATE TABLE IF NOT EXISTS plausible_events_v2
(
    timestamp DateTime CODEC(Delta(4), LZ4),
    name LowCardinality(String),
    site_id UInt64,
    user_id UInt64,
    session_id UInt64,
    hostname String CODEC(ZSTD(3)),
    pathname String CODEC(ZSTD(3)),
    referrer String CODEC(ZSTD(3)),
    referrer_source String CODEC(ZSTD(3)),
    country_code FixedString(2),
    screen_size LowCardinality(String),
    operating_system LowCardinality(String),
    browser LowCardinality(String),
    utm_medium String CODEC(ZSTD(3)),
    utm_source String CODEC(ZSTD(3)),
    utm_campaign String CODEC(ZSTD(3)),
    `meta.key` Array(String) CODEC(ZSTD(3)),
    `meta.value` Array(String) CODEC(ZSTD(3)),
    browser_version LowCardinality(String),
    operating_system_version LowCardinality(String),
    subdivision1_code LowCardinality(String),
    subdivision2_code LowCardinality(String),
    city_geoname_id UInt32,
    utm_content String CODEC(ZSTD(3)),
    utm_term String CODEC(ZSTD(3)),
    revenue_reporting_amount Nullable(Decimal(18, 3)),
    revenue_reporting_currency FixedString(3),
    revenue_source_amount Nullable(Decimal(18, 3)),
    revenue_source_currency FixedString(3),
    channel LowCardinality(String),
    click_id_param LowCardinality(String),
    scroll_depth UInt8,
    acquisition_channel LowCardinality(String),
    engagement_time UInt32,
    batch UInt64,
    INDEX minmax_batch batch TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
PRIMARY KEY (site_id, toDate(timestamp), name, user_id)
ORDER BY (site_id, toDate(timestamp), name, user_id, timestamp)
SAMPLE BY user_id;

CREATE TABLE IF NOT EXISTS plausible_sessions_v2
(
    session_id UInt64,
    sign Int8,
    site_id UInt64,
    user_id UInt64,
    hostname String CODEC(ZSTD(3)),
    timestamp DateTime CODEC(Delta(4), LZ4),
    start DateTime CODEC(Delta(4), LZ4),
    is_bounce UInt8,
    entry_page String CODEC(ZSTD(3)),
    exit_page String CODEC(ZSTD(3)),
    pageviews Int32,
    events Int32,
    duration UInt32,
    referrer String CODEC(ZSTD(3)),
    referrer_source String CODEC(ZSTD(3)),
    country_code LowCardinality(FixedString(2)),
    screen_size LowCardinality(String),
    operating_system LowCardinality(String),
    browser LowCardinality(String),
    utm_medium String CODEC(ZSTD(3)),
    utm_source String CODEC(ZSTD(3)),
    utm_campaign String CODEC(ZSTD(3)),
    browser_version LowCardinality(String),
    operating_system_version LowCardinality(String),
    subdivision1_code LowCardinality(String),
    subdivision2_code LowCardinality(String),
    city_geoname_id UInt32,
    utm_content String CODEC(ZSTD(3)),
    utm_term String CODEC(ZSTD(3)),
    transferred_from String,
    `entry_meta.key` Array(String) CODEC(ZSTD(3)),
    `entry_meta.value` Array(String) CODEC(ZSTD(3)),
    exit_page_hostname String CODEC(ZSTD(3)),
    channel LowCardinality(String),
    click_id_param LowCardinality(String),
    acquisition_channel LowCardinality(String),
    batch UInt64,
    INDEX minmax_timestamp timestamp TYPE minmax GRANULARITY 1,
    INDEX minmax_batch batch TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(start)
PRIMARY KEY (site_id, toDate(start), user_id, session_id)
ORDER BY (site_id, toDate(start), user_id, session_id)
SAMPLE BY user_id;

-- The same events as in `events`. Loading times and errors have no columns; their rows are events without properties.
INSERT INTO plausible_events_v2
SELECT
    event.time AS timestamp,
    multiIf(
        kind = 'view', 'pageview',
        kind = 'leave', 'engagement',
        kind = 'event', name,
        kind = 'outbound', 'Outbound Link: Click',
        kind = 'download', 'File Download',
        kind = 'missing', '404',
        kind = 'ad', concat('ad ', name),
        toString(kind)) AS name,
    toUInt64(substring(site, 6)) AS site_id,
    visitor AS user_id,
    intHash64(visitor + visit_number) AS session_id,
    host AS hostname,
    path AS pathname,
    if(referrer_host IN ('', host), '', concat(referrer_host, referrer_path)) AS referrer,
    if(source = 'Direct', '', source) AS referrer_source,
    country AS country_code,
    multiIf(device = 'mobile', 'Mobile', device = 'tablet', 'Tablet', 'Desktop') AS screen_size,
    os AS operating_system,
    browser,
    utm_medium,
    utm_source,
    utm_campaign,
    multiIf(kind IN ('outbound', 'download'), ['url'], kind = 'missing', ['path'], mapKeys(props)) AS `meta.key`,
    multiIf(kind IN ('outbound', 'download'), [event.name], kind = 'missing', [path], mapValues(props)) AS `meta.value`,
    browser_version,
    os_version AS operating_system_version,
    replace(region, ' region ', '-') AS subdivision1_code,
    '' AS subdivision2_code,
    toUInt32(cityHash64(city) % 10000000) AS city_geoname_id,
    '' AS utm_content,
    '' AS utm_term,
    NULL AS revenue_reporting_amount,
    '' AS revenue_reporting_currency,
    NULL AS revenue_source_amount,
    '' AS revenue_source_currency,
    channel,
    click_id AS click_id_param,
    scroll_depth,
    channel AS acquisition_channel,
    engaged_ms AS engagement_time,
    segment AS batch
FROM ({generate}) AS event;

INSERT INTO plausible_sessions_v2
SELECT * EXCEPT (acquisition)
FROM
(
    SELECT
        session_id,
        1 AS sign,
        site_id,
        user_id,
        any(event.hostname) AS hostname,
        max(event.timestamp) AS timestamp,
        min(event.timestamp) AS start,
        pageviews = 1 AND min(event.name IN (
            'pageview', 'engagement', 'vitals', 'error', 'resource', 'ad impression', 'ad viewable')) AS is_bounce,
        argMinIf(event.pathname, event.timestamp, event.name = 'pageview') AS entry_page,
        argMaxIf(event.pathname, event.timestamp, event.name = 'pageview') AS exit_page,
        countIf(event.name = 'pageview') AS pageviews,
        countIf(event.name != 'engagement') AS events,
        max(event.timestamp) - min(event.timestamp) AS duration,
        argMin((
            event.referrer, event.referrer_source, event.utm_medium, event.utm_source, event.utm_campaign, event.acquisition_channel,
            event.click_id_param), event.timestamp) AS acquisition,
        acquisition.1 AS referrer,
        acquisition.2 AS referrer_source,
        any(event.country_code) AS country_code,
        any(event.screen_size) AS screen_size,
        any(event.operating_system) AS operating_system,
        any(event.browser) AS browser,
        acquisition.3 AS utm_medium,
        acquisition.4 AS utm_source,
        acquisition.5 AS utm_campaign,
        any(event.browser_version) AS browser_version,
        any(event.operating_system_version) AS operating_system_version,
        any(event.subdivision1_code) AS subdivision1_code,
        '' AS subdivision2_code,
        any(event.city_geoname_id) AS city_geoname_id,
        '' AS utm_content,
        '' AS utm_term,
        '' AS transferred_from,
        [] AS `entry_meta.key`,
        [] AS `entry_meta.value`,
        any(event.hostname) AS exit_page_hostname,
        acquisition.6 AS channel,
        acquisition.7 AS click_id_param,
        acquisition.6 AS acquisition_channel,
        max(event.batch) AS batch
    FROM plausible_events_v2 AS event
    WHERE toDate(event.timestamp) BETWEEN {day:Date} - 1 AND {day:Date} AND toDate(event.timestamp, {zone:String}) = {day:Date}
    GROUP BY site_id, user_id, session_id
)
