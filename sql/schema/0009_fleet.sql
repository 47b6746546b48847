-- The random numbers from which the members of a fleet compute the keys of coming days. They are public: without the state, which no store has,
-- they give nothing (docs/cluster.md, src/privacy/key/fleet).
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.
--
-- A day of a fleet has one number. All members insert under one deduplication token for the day, so that the first insert wins. Tokens are kept
-- for longer than a day is away. A number is needed up to the beginning of its day.
CREATE TABLE IF NOT EXISTS {database}.fleet_randomness
(
    fleet String,
    day Date,
    -- 64 hexadecimal digits.
    number String
)
ENGINE = {everywhere MergeTree}
ORDER BY (fleet, day)
TTL day + INTERVAL 1 DAY
SETTINGS
    {deduplication},
    fsync_after_insert = 1,
    fsync_part_directory = 1;
