-- What was done to the data and its keys, by whom and on what ground. The collector writes it through its spool, as it does events.
-- A row that is inserted twice counts once: read the table with FINAL.
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.
CREATE TABLE IF NOT EXISTS {database}.audit{local}
(
    time DateTime64(3, 'UTC'),
    action LowCardinality(String),
    -- A JSON object.
    detail String,
    -- The place in the chain: the collector, a run of it, and the number of the row in that run, from 0.
    collector UInt64,
    run UInt64,
    number UInt64,
    -- SHA-256 of the row before, in hexadecimal digits. `footfall audit verify` checks it.
    previous String
)
ENGINE = {sharded ReplacingMergeTree}
ORDER BY (time, action, collector, run, number)
SETTINGS
    {deduplication},
    fsync_after_insert = 1,
    fsync_part_directory = 1;

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.audit AS {database}.audit_local
ENGINE = Distributed({cluster}, {database}, audit_local, {shard_of toDateTime(time, 'UTC')|cityHash64(collector, run)});
