-- The events, one row each. docs/fields.md describes each column; `Row` in src/event/mod.rs writes them in this order.
--
-- Order and codecs were measured on 1.3 million rows of `footfall demo` (merged into one part, bytes of data per event):
--   (site, day, kind, visitor, time), LZ4                 56.4
--   (site, day, kind, visitor, time), ZSTD(1)             35.8
--   (site, day, visitor, time), LZ4                       43.0
--   (site, day, visitor, time), ZSTD(1)                   22.9
--   the same, paths and names as LowCardinality           20.0
-- Events of one visitor repeat each other in most columns, so they are stored side by side; visits are computed from them, too.
-- A report on one kind also reads the column `kind` of its days, 0.2 bytes an event. Delta, DoubleDelta, T64 and ZSTD(3) made the
-- table larger: what is left is random (page_load) or measured (times), and ZSTD finds that `received` repeats within a beacon.
--
-- Deduplication: a segment of the spool is one insert with its name as the token. For clusters see src/store/schema/render.rs.
-- The projection counts events by quarter of an hour without reading them. Closing of days uses it to find days that changed
-- (0004_days.sql). In every time zone a day begins at a quarter of an hour UTC.
-- Parts are synced when they are written, because the spool deletes what the store has confirmed. That costs a few milliseconds
-- for each insert, that is for each segment. The embedded store syncs every table.
-- cluster: sharded by cityHash64(site, visitor)
CREATE TABLE IF NOT EXISTS events
(
    page_load UInt64,
    seq UInt32,
    time DateTime64(3, 'UTC'),
    received DateTime64(3, 'UTC'),
    expires Date,
    site LowCardinality(String),
    host LowCardinality(String),
    path LowCardinality(String),
    query LowCardinality(String),
    kind Enum8('view' = 1, 'leave' = 2, 'event' = 3, 'ad' = 4, 'outbound' = 5, 'download' = 6, 'error' = 7,
               'resource' = 8, 'vitals' = 9, 'missing' = 10),
    name LowCardinality(String),
    props Map(LowCardinality(String), String),
    visitor UInt64,
    address UInt64,
    epoch UInt32,
    policy LowCardinality(String),
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
    cookies Map(LowCardinality(String), String),
    ad LowCardinality(String),
    slot LowCardinality(String),
    engaged_ms UInt32,
    scroll_depth UInt8,
    error_message String,
    error_source String,
    error_line UInt32,
    error_column UInt32,
    error_stack String,
    error_group UInt64,
    lcp_ms Nullable(UInt32),
    inp_ms Nullable(UInt32),
    cls Nullable(Float32),
    fcp_ms Nullable(UInt32),
    ttfb_ms Nullable(UInt32),
    dns_ms Nullable(UInt32),
    connect_ms Nullable(UInt32),
    tls_ms Nullable(UInt32),
    load_ms Nullable(UInt32),
    -- 0 for every shipped event. When a power cut makes the store forget an insert's token, it may hold identical copies of an event;
    -- then one more copy is written with a higher number, and the others are deleted (src/store/days/duplicates.rs).
    copy_number UInt8,
    PROJECTION quarters
    (
        SELECT expires, toStartOfFifteenMinutes(time) AS quarter, count()
        GROUP BY expires, quarter
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (site, toDate(time), visitor, time)
TTL expires + INTERVAL 1 DAY
SETTINGS
    non_replicated_deduplication_window = 10000,
    default_compression_codec = 'ZSTD(1)',
    lightweight_mutation_projection_mode = 'rebuild',
    fsync_after_insert = 1,
    fsync_part_directory = 1;
