-- A report's day is a day of the operator's time zone (`timezone` in footfall.toml). `footfall migrate` and `footfall serve`
-- write the zone's IANA name into `settings`; every view that needs a day asks `zone`, so that a closed day, the open day and
-- an analyst's own query cannot disagree about where a day begins:
--   SELECT toDate(time, (SELECT timezone FROM zone)) AS day, count() FROM events …
-- Views say `ifNull(nullIf((SELECT timezone FROM zone), ''), 'UTC')`, for while a view is created its subqueries are empty.
-- When the zone changes, `footfall serve` closes every day again (store/visits.rs): `days` tells under which zone each was.

-- cluster: everywhere
CREATE TABLE IF NOT EXISTS settings
(
    name LowCardinality(String),
    value String,
    changed DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(changed)
ORDER BY name;

-- cluster: as it is
CREATE OR REPLACE VIEW zone AS
SELECT if(count() = 0, 'UTC', argMax(value, changed)) AS timezone
FROM settings
WHERE name = 'timezone';
