-- What was done to the data and its keys, by whom and on what ground. The collector writes it through its spool, as it does events.
-- cluster: everywhere
CREATE TABLE IF NOT EXISTS audit
(
    time DateTime64(3, 'UTC'),
    action LowCardinality(String),
    -- A JSON object.
    detail String
)
ENGINE = MergeTree
ORDER BY (time, action)
SETTINGS
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1;
