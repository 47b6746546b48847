-- Published figures: what viewers may read. docs/privacy.md ("Published figures") says how they are made and what they protect.
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.
--
-- They are written by the computation of a day (0004_days.sql), by the query in sql/published.sql, under its generation. A row of `published_days` puts
-- them in force. A closed day is published once, and stays as it is when the day is computed again, unless many visitors came late. Of an open day
-- only totals are published, at most once an hour.
--
-- Query `daily_published`, always by `site`, `filter`, `dimension` and `day`. Without a filter, `filter` is empty, and the row is about all people of the
-- day. Else it is about those with the value `filter_value` and `filter_detail` of the dimension `filter`. Dimensions, values, details and figures are
-- those of `daily` (0006_daily.sql), with noise. `(other)` has what had too few visitors. What is too small even so has no row.

-- The figures of all publications. No exact figure may stand in this table, and the view may read no table that changes between publications: who may
-- read the view learns how many rows it read.
CREATE TABLE IF NOT EXISTS {database}.daily_published_stored{local}
(
    site LowCardinality(String),
    filter LowCardinality(String),
    filter_value String,
    filter_detail String,
    dimension LowCardinality(String),
    day Date,
    value String,
    detail String,
    visitors UInt64,
    visits UInt64,
    bounces UInt64,
    views UInt64,
    events UInt64,
    duration_s UInt64,
    engaged_ms UInt64,
    expires Date,
    generation UInt64,
    is_open Bool
)
ENGINE = {sharded MergeTree}
PARTITION BY (toYYYYMM(day), if(is_open, generation, 0))
ORDER BY (site, filter, filter_value, filter_detail, dimension, day, value, detail)
TTL least(expires, toDate('2149-06-05')) + INTERVAL 1 DAY
SETTINGS default_compression_codec = 'ZSTD(1)';

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.daily_published_stored AS {database}.daily_published_stored_local
ENGINE = Distributed({cluster}, {database}, daily_published_stored_local, cityHash64(site, filter, filter_value));

-- The publications of each site's days, also those of so few visitors that no figure was published. The one with the highest generation counts. It
-- has exact figures, and is not for viewers.
CREATE TABLE IF NOT EXISTS {database}.publications
(
    day Date,
    site LowCardinality(String),
    starts DateTime('UTC'),
    ends DateTime('UTC'),
    -- Selects the noise. Of an open day, the hours that had passed of it; of a closed one, 100 and how often it was published before.
    draw UInt16,
    -- The least number of visitors of a published cell was between this and twice as many.
    k UInt32,
    -- People who visited the site on the day, exactly.
    visitors UInt64,
    generation UInt64,
    expires Date
)
ENGINE = {everywhere ReplacingMergeTree(generation)}
PARTITION BY toYYYYMM(day)
ORDER BY (day, site)
TTL least(expires, toDate('2149-06-05')) + INTERVAL 1 DAY;

-- The publications that have figures. The one with the highest generation is in force. The view reads it, so it has no row of a site's day of which
-- viewers may not know that anybody came.
CREATE TABLE IF NOT EXISTS {database}.published_days
(
    day Date,
    site LowCardinality(String),
    generation UInt64,
    expires Date
)
ENGINE = {everywhere ReplacingMergeTree(generation)}
PARTITION BY toYYYYMM(day)
ORDER BY (day, site)
TTL least(expires, toDate('2149-06-05')) + INTERVAL 1 DAY;

-- It reads its tables as the user who created it, so that a viewer needs no right on them.
CREATE OR REPLACE VIEW {database}.daily_published DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * EXCEPT (expires, generation)
FROM daily_published_stored
WHERE (site, day, generation) {in} (SELECT site, day, max(generation) FROM published_days GROUP BY site, day);
