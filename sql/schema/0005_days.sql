-- One row for each closed day. A day is closed once no event with one of its visitors' pseudonyms can come any more: after
-- the first turn of the key that follows its end. It is closed again when the number of its events changes: rows came late,
-- were erased, or passed their retention. `ends` of the last closed day is where the open day begins.

-- cluster: everywhere
CREATE TABLE IF NOT EXISTS days
(
    day Date,
    starts DateTime64(3, 'UTC'),
    ends DateTime64(3, 'UTC'),
    -- Events up to here may belong to visits that began on this day.
    until DateTime64(3, 'UTC'),
    timezone LowCardinality(String),
    -- Events from `starts` to `until` when the day was closed: another number means that it must be closed again.
    events UInt64,
    -- Copies of events that were removed when it was closed.
    removed UInt64,
    closed DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(closed)
ORDER BY day;
