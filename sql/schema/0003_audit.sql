-- What was done to the data and its keys, by whom and on what ground. Written through the collector's spool like events.
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
SETTINGS non_replicated_deduplication_window = 10000;
