-- Daily figures: what most reports need, as numbers by day and dimension, so that a report over a year reads thousands of rows.
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.
--
-- They are computed with the visits of a day (0004_days.sql), by the query in sql/daily.sql. Incremental materialised views would not do.
-- Such a view sums whatever block arrives: it would count a retried insert twice without
-- `deduplicate_blocks_in_dependent_materialized_views`, it could not subtract duplicates, erased rows and rows past their retention,
-- and it could not know visits, which are known only when they are over.
--
-- Query `daily`, always by `site`, `dimension` and `day`. All figures add up: visitors of several days are the sum of each day's visitors,
-- because pseudonyms end with the day. Rows with `bots` have what bots add to the figures of people: `bots <= false` selects people,
-- `bots <= true` everybody.
--
-- | dimension of visits | value | detail |
-- |---|---|---|
-- | total | | |
-- | entry, exit | path | host |
-- | source, channel | name | |
-- | referrer | host | path |
-- | campaign | utm_campaign | utm_source / utm_medium |
-- | utm_source, utm_medium, utm_content, utm_term | the field | |
-- | country | code | |
-- | region, city | code of the country | name |
-- | network | name | AS number |
-- | browser, os | name | |
-- | browser_version, os_version | name | version |
-- | device, language, screen | name | |
--
-- | dimension of events | value | detail |
-- |---|---|---|
-- | page, missing | path | host |
-- | event, outbound, download, resource | name | |
-- | ad, ad_impression, ad_viewable, ad_click | ad | slot |
-- | hour: all events; hour_event: the site's own | hour of the day, 0 to 23 | |
-- | scroll: page loads that were left; scroll_depth: the sum of their deepest points in % | path | host |
-- | scroll_25, scroll_50, scroll_75, scroll_100: page loads that got so far | path | host |
--
-- Dimensions of events have no visits, bounces and duration. src/store/schema/dimensions.rs lists all dimensions.

-- The figures of all generations, as `visits_stored`.
CREATE TABLE IF NOT EXISTS {database}.daily_stored{local}
(
    site LowCardinality(String),
    dimension LowCardinality(String),
    day Date,
    value String,
    detail String,
    bots Bool,
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
ORDER BY (site, dimension, day, value, detail, bots)
TTL least(expires, toDate('2149-06-05')) + INTERVAL 1 DAY
SETTINGS default_compression_codec = 'ZSTD(1)';

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.daily_stored AS {database}.daily_stored_local
ENGINE = Distributed({cluster}, {database}, daily_stored_local);

{server_only} CREATE OR REPLACE VIEW {database}.daily AS
SELECT * EXCEPT (generation, is_open)
FROM daily_stored
WHERE generation IN (SELECT max(generation) FROM days GROUP BY day, shard);

-- Each shard has the figures of its own visitors, whose sum is that of all.
{cluster_only} CREATE OR REPLACE VIEW {database}.daily AS
SELECT
    site,
    dimension,
    day,
    value,
    detail,
    bots,
    sum(stored.visitors) AS visitors,
    sum(stored.visits) AS visits,
    sum(stored.bounces) AS bounces,
    sum(stored.views) AS views,
    sum(stored.events) AS events,
    sum(stored.duration_s) AS duration_s,
    sum(stored.engaged_ms) AS engaged_ms,
    max(stored.expires) AS expires
FROM daily_stored AS stored
WHERE generation GLOBAL IN (SELECT max(generation) FROM days GROUP BY day, shard)
GROUP BY site, dimension, day, value, detail, bots;
