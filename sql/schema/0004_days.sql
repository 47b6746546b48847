-- Settings that views need, and the days that are computed.
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.

CREATE TABLE IF NOT EXISTS {database}.settings
(
    name LowCardinality(String),
    value String,
    changed DateTime64(3, 'UTC')
)
ENGINE = {everywhere ReplacingMergeTree(changed)}
ORDER BY name;

-- The operator's time zone, in which reports count days. `footfall migrate` and `footfall serve` write its IANA name into `settings`.
-- Every view that needs a day reads it here, so that computed days and an analyst's query agree where a day begins:
--   SELECT toDate(time, (SELECT timezone FROM zone)) AS day, count() FROM events …
-- Views write `ifNull(nullIf((SELECT timezone FROM zone), ''), 'UTC')`, because subqueries are empty while a view is created.
-- When the zone changes, `footfall serve` computes every day again; `days` says in which zone each day was computed.
CREATE OR REPLACE VIEW {database}.zone AS
SELECT if(count() = 0, 'UTC', argMax(value, changed)) AS timezone
FROM settings
WHERE name = 'timezone';

-- The days whose visits and daily figures are computed, on a cluster one row for each day and shard, which lies on that shard. Each computation writes
-- its rows of `visits_stored` and `daily_stored` under a new generation, and then a row here. The highest generation of a day and shard is in force:
-- readers see all rows of a computation, or none.
-- A day is open until some minutes after its end, when its last events have left the spools. Open days are computed again while reports
-- are requested. A closed day is computed again when the number of its events changes: rows arrived late, were erased, or passed their
-- retention.
CREATE TABLE IF NOT EXISTS {database}.days{local}
(
    day Date,
    -- Number of the shard whose events it counts. One server is shard 1.
    shard UInt32,
    starts DateTime('UTC'),
    ends DateTime('UTC'),
    timezone LowCardinality(String),
    -- Unix time in ms at which the computation began, times 2^20, plus a random number.
    generation UInt64,
    is_closed Bool,
    -- The shard's events from `starts` to before `ends`. If their number differs now, the day must be computed again.
    events UInt64,
    -- Events that had duplicates, which were removed when the day was closed.
    removed UInt64,
    -- Rows of the generation in `visits_stored` and in `daily_stored` then. If there are fewer within their retention now, a node was lost before
    -- another one had them, and the day must be computed again.
    visits UInt64 DEFAULT 0,
    figures UInt64 DEFAULT 0,
    -- When the computation began, by the collector's clock: the figures have all events that were stored before.
    computed DateTime64(3, 'UTC')
)
ENGINE = {sharded ReplacingMergeTree(generation)}
ORDER BY day;

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.days AS {database}.days_local
ENGINE = Distributed({cluster}, {database}, days_local);
