-- The events, one row each. docs/fields.md describes each column. The first columns are those of the row in src/event/row.rs, in its order.
--
-- Words in braces are placeholders, as in all files here. src/store/schema/render.rs lists them. One server gets table `events` and not the
-- statement that begins with {cluster_only}. A cluster gets `events_local`, replicated within each shard, under a Distributed `events`.
--
-- Order and codecs were measured on 1.3 million rows of `footfall demo` (merged into one part, bytes of data per event):
--   (site, day, kind, visitor, time), LZ4                 56.4
--   (site, day, kind, visitor, time), ZSTD(1)             35.8
--   (site, day, visitor, time), LZ4                       43.0
--   (site, day, visitor, time), ZSTD(1)                   22.9
--   the same, paths and names as LowCardinality           20.0
-- Events of one visitor repeat each other in most columns, so they are stored side by side; visits are computed from them, too.
-- A report on one kind also reads the column `kind` of its days, 0.2 bytes an event. Delta, DoubleDelta, T64 and ZSTD(3) made the
-- table larger, except Delta for `seq`, which counts up: what is left is random (page_load) or measured (times), and ZSTD finds
-- that `received` repeats within a beacon.
--
-- Deduplication: a segment of the spool is one insert with its name as the token. On a cluster, each event lies on the shard of its visitor,
-- so that visits are computed where their rows are. The shard depends only on the row, so a repeated insert is divided in the same way, and
-- each shard ignores the part that it has.
-- The projection counts events by quarter of an hour without reading them. Closing of days uses it to find days that changed
-- (0004_days.sql). In every time zone a day begins at a quarter of an hour UTC.
-- Parts are synced when they are written, because the spool deletes what the store has confirmed. That costs a few milliseconds
-- for each insert, that is for each segment. The embedded store syncs every table.
-- A part is compact until it is merged: it has all columns in one file. So a large segment is 13 synced files instead of 270. A merge of more than
-- 10 MiB makes a wide part, which is smaller, and from which a report reads only its columns.
CREATE TABLE IF NOT EXISTS {database}.events{local}
(
    {event_columns seq CODEC(Delta(4), ZSTD(1))},
    -- The identity of the event in one number. Stored, it would be the largest column: eight random bytes.
    event_id UInt64 ALIAS cityHash64(page_load, seq),
    -- The segment that brought the row, the same for all rows of an insert. `segments` says how many events it has (0002_accounting.sql).
    collector UInt64,
    segment UInt64,
    -- 0 for every shipped event. When a power cut makes the store forget an insert's token, it may hold identical copies of an event;
    -- then one more copy is written with a higher number, and the others are deleted (src/store/days/duplicates.rs).
    copy_number UInt8,
    PROJECTION quarters
    (
        SELECT expires, toStartOfFifteenMinutes(time) AS quarter, count()
        GROUP BY expires, quarter
    )
)
ENGINE = {sharded MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (site, toDate(time), visitor, time)
TTL least(expires, toDate('2149-06-05')) + INTERVAL 1 DAY
SETTINGS
    {deduplication},
    default_compression_codec = 'ZSTD(1)',
    lightweight_mutation_projection_mode = 'rebuild',
    min_level_for_wide_part = 1,
    fsync_after_insert = 1,
    fsync_part_directory = 1;

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.events AS {database}.events_local
ENGINE = Distributed({cluster}, {database}, events_local, {shard_of time|cityHash64(site, visitor)});
