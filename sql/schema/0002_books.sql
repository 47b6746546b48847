-- The books: for each day of receipt (UTC) and site, how many events the collectors took (`stored`) and how many they dropped,
-- by reason (`optout`, `bot`, `duplicate`). Each segment of a spool adds its part with the segment's own deduplication token,
-- after its events. Any other entry is a number of events that were taken out of the store again on purpose. `footfall verify` holds them against the events that are here; query them with `sum(events)`.
-- cluster: everywhere
CREATE TABLE IF NOT EXISTS books
(
    day Date,
    site LowCardinality(String),
    entry LowCardinality(String),
    events UInt64,
    -- The last day on which all of these events are kept: past it, the table of events may know less than the books.
    expires SimpleAggregateFunction(min, Date)
)
ENGINE = SummingMergeTree(events)
PARTITION BY toYYYYMM(day)
ORDER BY (site, day, entry)
SETTINGS non_replicated_deduplication_window = 10000;
