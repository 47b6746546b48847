-- Settings that views need, and the days that are closed.
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.

CREATE TABLE IF NOT EXISTS {database}.settings{on_cluster}
(
    name LowCardinality(String),
    value String,
    changed DateTime64(3, 'UTC')
)
ENGINE = {everywhere ReplacingMergeTree(changed)}
ORDER BY name;

-- The operator's time zone, in which reports count days. `footfall migrate` and `footfall serve` write its IANA name into `settings`.
-- Every view that needs a day reads it here, so that closed days, the open day and an analyst's query agree where a day begins:
--   SELECT toDate(time, (SELECT timezone FROM zone)) AS day, count() FROM events …
-- Views write `ifNull(nullIf((SELECT timezone FROM zone), ''), 'UTC')`, because subqueries are empty while a view is created.
-- When the zone changes, `footfall serve` closes every day again; `days` says which zone each day was closed in.
CREATE OR REPLACE VIEW {database}.zone{on_cluster} AS
SELECT if(count() = 0, 'UTC', argMax(value, changed)) AS timezone
FROM settings
WHERE name = 'timezone';

-- One row for each closed day. A day is closed some minutes after its end, when its last events have left the spools. It is closed again
-- when the number of its events changes: rows arrived late, were erased, or passed their retention. The open day begins at the `ends` of
-- the last closed day.
CREATE TABLE IF NOT EXISTS {database}.days{on_cluster}
(
    day Date,
    starts DateTime('UTC'),
    ends DateTime('UTC'),
    timezone LowCardinality(String),
    -- Events from `starts` to before `ends` when the day was closed. If their number differs now, the day must be closed again.
    events UInt64,
    -- Events that had duplicates, which were removed when the day was closed.
    removed UInt64,
    closed DateTime64(3, 'UTC')
)
ENGINE = {everywhere ReplacingMergeTree(closed)}
ORDER BY day;
