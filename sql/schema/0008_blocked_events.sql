-- Events of visitors who are blocked while their request is checked (clause 6.2.4). They were moved here from `events`, so no report reads
-- them, and go back when the visitor is unblocked. `removed_events` has each with the reason `blocked` (0002_accounting.sql).
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.
--
-- A row that is inserted twice counts once: read the table with FINAL. Columns are those of `events`, in its order.
CREATE TABLE IF NOT EXISTS {database}.blocked_events{local}
(
    {event_columns seq CODEC(Delta(4), ZSTD(1))},
    event_id UInt64 ALIAS cityHash64(page_load, seq),
    collector UInt64,
    segment UInt64,
    copy_number UInt8
)
ENGINE = {sharded ReplacingMergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (site, toDate(time), visitor, time, page_load, seq, collector, segment, copy_number)
TTL least(expires, toDate('2149-06-05')) + INTERVAL 1 DAY
SETTINGS
    default_compression_codec = 'ZSTD(1)',
    fsync_after_insert = 1,
    fsync_part_directory = 1;

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.blocked_events AS {database}.blocked_events_local
ENGINE = Distributed({cluster}, {database}, blocked_events_local);
