-- Daily figures: what most reports need, summed by day and dimension, so that a report over a year reads thousands of rows.
--
-- They are computed when a day closes, into a table beside, whose partition then replaces the day's partition. Incremental
-- materialised views would not do. Such a view sums whatever block arrives: it would count a retried insert twice without
-- `deduplicate_blocks_in_dependent_materialized_views`, it could not subtract duplicates, erased rows and rows past their retention,
-- and it could not know visits, which are known only when they are over. Replacing the partition cannot count anything twice.
-- The price is that the figures of the open day are computed by each query.
--
-- Query `daily`, always by `site`, `day` and `dimension`. `visitors` is a state: `uniqMerge(visitors)`. Visitors of several days are
-- the sum of each day's visitors, because pseudonyms end with the key's epoch.
--
-- | dimension of visits | value | detail |
-- |---|---|---|
-- | total | | |
-- | entry, exit | path | host |
-- | source, channel | name | |
-- | referrer | host | |
-- | campaign | utm_campaign | utm_source / utm_medium |
-- | country | code | |
-- | region, city | code of the country | name |
-- | network | name | AS number |
-- | browser, os | name | |
-- | browser_version, os_version | name | version |
-- | device, language | name | |
--
-- | dimension of events | value | detail |
-- |---|---|---|
-- | page, missing | path | host |
-- | event, outbound, download, resource | name | |
-- | ad_impression, ad_viewable, ad_click | ad | slot |
--
-- Dimensions of events have no visits, bounces and duration.

-- The figures of the events from `since` to before `before`, and of the visits that began in that time: stored visits with
-- `stored` = 1, visits of the open day with 0.
-- A report under filters runs this text over filtered visits and events (src/report/source.rs): it needs one line for each
-- dimension of visits, and the visits before the events.
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

-- cluster: sharded by cityHash64(site, dimension, value)
CREATE TABLE IF NOT EXISTS daily_closed
(
    site LowCardinality(String),
    day Date,
    dimension LowCardinality(String),
    value String,
    detail String,
    bot LowCardinality(String),
    bot_category Enum8('' = 0, 'search' = 1, 'ai' = 2, 'preview' = 3, 'monitoring' = 4, 'seo' = 5, 'library' = 6,
                       'automation' = 7, 'other' = 8),
    visits UInt64,
    bounces UInt64,
    views UInt64,
    events UInt64,
    duration_ms UInt64,
    engaged_ms UInt64,
    visitors AggregateFunction(uniq, UInt64),
    expires Date
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY (site, dimension, bot, value, detail)
TTL expires + INTERVAL 1 DAY
SETTINGS default_compression_codec = 'ZSTD(1)';

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
