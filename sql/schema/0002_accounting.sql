-- What was shipped and what was removed on purpose. `footfall verify` compares these tables with `events`. Parts are synced as in
-- 0001_events.sql.
-- On a cluster a segment's rows of `segments` lie on one shard. A row of `removed_events` lies on the shard of its event, where it is inserted.
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.

-- The account of each segment of a spool: what became of its events, by day of receipt (UTC) and site. The outcome is `stored`, or a
-- reason for which collectors dropped events (`optout`, `bot`, `duplicate`, `malformed`, `foreign`, `blocked`, `internal`). A segment's rows are inserted
-- after its events, under their own deduplication token. A segment without any count has one row with empty site and outcome, so that a collector's numbers have no gap.
-- A row that is inserted twice counts once: read the table with FINAL, and add up `events`.
-- Rows are kept for 400 days longer than the events. Without the bound, ClickHouse's Date would begin again at 1970.
CREATE TABLE IF NOT EXISTS {database}.segments{local}
(
    day Date,
    site LowCardinality(String),
    collector UInt64,
    segment UInt64,
    -- 0, or tells apart the parts of a segment that was split.
    part UInt64,
    outcome LowCardinality(String),
    events UInt64,
    -- The last day on which these events are retained. After it `events` may have fewer.
    expires Date
)
ENGINE = {sharded ReplacingMergeTree}
PARTITION BY toYYYYMM(day)
ORDER BY (day, site, collector, segment, part, outcome, expires)
TTL least(greatest(day, expires), toDate('2148-01-01')) + INTERVAL 400 DAY
SETTINGS
    {deduplication},
    default_compression_codec = 'ZSTD(1)',
    fsync_after_insert = 1,
    fsync_part_directory = 1;

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.segments AS {database}.segments_local
ENGINE = Distributed({cluster}, {database}, segments_local, {shard_of toDateTime(day, 'UTC')|cityHash64(collector, segment)});

-- What was stored and later removed on purpose, with the segment that brought it. The reason is `duplicate`, `blocked` (moved to
-- `blocked_events`), `erased` or `retention`. A row stands for one event, or, where a whole site or an hour was removed, for several of a
-- segment. Read it with FINAL and add up `events`, as in `segments`. Rows are kept as long as those of `segments`.
CREATE TABLE IF NOT EXISTS {database}.removed_events{local}
(
    day Date,
    site LowCardinality(String),
    collector UInt64,
    segment UInt64,
    -- The event, or, for several events, a number of the removal.
    event_id UInt64,
    reason LowCardinality(String),
    events UInt64 DEFAULT 1,
    expires Date
)
ENGINE = {sharded ReplacingMergeTree}
PARTITION BY toYYYYMM(day)
ORDER BY (day, site, collector, segment, event_id, reason, expires)
TTL least(greatest(day, expires), toDate('2148-01-01')) + INTERVAL 400 DAY
SETTINGS
    {deduplication},
    default_compression_codec = 'ZSTD(1)',
    fsync_after_insert = 1,
    fsync_part_directory = 1;

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.removed_events AS {database}.removed_events_local
ENGINE = Distributed({cluster}, {database}, removed_events_local);
