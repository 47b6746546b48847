-- The segments: for each segment of a collector's spool, day of receipt (UTC) and site, how many events were shipped, and a
-- fingerprint of which: the sum, modulo 2^64, of intHash64(page_load + seq * 0x9E3779B97F4A7C15) over them. By it
-- `footfall verify` knows which segment is missing or doubled in `events`. Inserted after a segment's events and before its books,
-- under the segment's own token. A segment without events has one row, of no site, so that a collector's numbers have no hole.
-- Collector 0 is none: such a row names events that were taken out again on purpose, as an entry `copy` of the books does.
-- Books stay for ever; past these 400 days `verify` goes by their counts alone.
-- cluster: everywhere
CREATE TABLE IF NOT EXISTS segments
(
    day Date,
    site LowCardinality(String),
    collector UInt64,
    number UInt64,
    events UInt64,
    fingerprint UInt64,
    first DateTime64(3, 'UTC'),
    last DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (day, site, collector, number)
TTL day + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, default_compression_codec = 'ZSTD(1)';
