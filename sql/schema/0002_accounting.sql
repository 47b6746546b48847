-- How many events were received and what became of them. `footfall verify` compares these tables with `events`. Each segment of a
-- spool adds its rows after its events, under its own deduplication token, and parts are synced as in 0001_events.sql.

-- For each segment of a spool, day of receipt (UTC) and site: how many events were shipped, and a digest of them. The digest is the
-- sum, modulo 2^64, of intHash64(page_load + seq * 0x9E3779B97F4A7C15) over the events. `verify` uses it to name the segment
-- that is missing in `events`, or stored twice. A segment without events has one row with an empty site, so that a collector's
-- numbers have no gap. Rows of collector 0 name duplicate events that were removed on purpose.
-- Rows are kept for 400 days. For older days `verify` compares counts only.
-- cluster: everywhere
CREATE TABLE IF NOT EXISTS segments
(
    day Date,
    site LowCardinality(String),
    collector UInt64,
    number UInt64,
    events UInt64,
    digest UInt64,
    first DateTime64(3, 'UTC'),
    last DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (day, site, collector, number)
TTL day + INTERVAL 400 DAY
SETTINGS
    non_replicated_deduplication_window = 10000,
    default_compression_codec = 'ZSTD(1)',
    fsync_after_insert = 1,
    fsync_part_directory = 1;

-- For each day of receipt (UTC), site and outcome: how many events. The outcome is `stored`, a reason for which collectors dropped
-- events (`optout`, `bot`, `duplicate`), or `removed_duplicate`: events that were stored and later removed on purpose.
-- Query it with `sum(events)`.
-- cluster: everywhere
CREATE TABLE IF NOT EXISTS event_counts
(
    day Date,
    site LowCardinality(String),
    outcome LowCardinality(String),
    events UInt64,
    -- The last day on which all of these events are retained. After it `events` may have fewer.
    expires SimpleAggregateFunction(min, Date)
)
ENGINE = SummingMergeTree(events)
PARTITION BY toYYYYMM(day)
ORDER BY (site, day, outcome)
SETTINGS
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1;
