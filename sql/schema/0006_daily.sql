-- Daily figures: what most reports need, summed by day and dimension, so that a report over a year reads thousands of rows.
-- Words in braces are placeholders for one server or a cluster: src/store/schema/render.rs.
--
-- They are computed when a day closes, into a table beside, whose partition then replaces the day's partition. Incremental
-- materialised views would not do. Such a view sums whatever block arrives: it would count a retried insert twice without
-- `deduplicate_blocks_in_dependent_materialized_views`, it could not subtract duplicates, erased rows and rows past their retention,
-- and it could not know visits, which are known only when they are over. Replacing the partition cannot count anything twice.
-- The price is that the figures of the open day are computed by each query.
--
-- Query `daily`, always by `site`, `day` and `dimension`. `visitors` is a state: `uniqMerge(visitors)`. Visitors of several days are
-- the sum of each day's visitors, because pseudonyms end with the day.
--
-- | dimension of visits | value | detail |
-- |---|---|---|
-- | total | | |
-- | entry, exit | path | host |
-- | source, channel | name | |
-- | referrer | host | |
-- | campaign | utm_campaign | utm_source / utm_medium |
-- | country | code | |
-- | region, city | code of the country | name |
-- | network | name | AS number |
-- | browser, os | name | |
-- | browser_version, os_version | name | version |
-- | device, language | name | |
--
-- | dimension of events | value | detail |
-- |---|---|---|
-- | page, missing | path | host |
-- | event, outbound, download, resource | name | |
-- | ad_impression, ad_viewable, ad_click | ad | slot |
--
-- Dimensions of events have no visits, bounces and duration.

-- src/store/schema/dimensions.rs lists the dimensions, with the expressions of value and detail of those of visits. A report under filters
-- runs the queries of the next two views over filtered visits and events, for its own dimensions (src/report/filtered_query.rs).
-- On a cluster they read the rows of one shard.

-- Figures of the open day's visits. Closing a day runs the same query over the stored visits of that day, under the name `visits_open`.
CREATE OR REPLACE VIEW {database}.daily_of_visits{on_cluster} AS
SELECT
    site,
    day,
    pair.1 AS dimension,
    pair.2 AS value,
    pair.3 AS detail,
    toString(bot) AS bot,
    bot_category,
    count() AS visits,
    countIf(bounce) AS bounces,
    sum(visit.views) AS views,
    sum(visit.events) AS events,
    sum(visit.duration_s) AS duration_s,
    sum(visit.engaged_ms) AS engaged_ms,
    uniqState(visitor) AS visitors,
    max(visit.expires) AS expires
FROM visits_open{local} AS visit
ARRAY JOIN
    [
        {visit_dimensions}
    ] AS pair
GROUP BY site, day, dimension, value, detail, bot, bot_category;

-- Figures of the events from `since` to before `before`.
CREATE OR REPLACE VIEW {database}.daily_of_events{on_cluster} AS
SELECT
    site,
    toDate(time, ifNull(nullIf((SELECT timezone FROM zone), ''), 'UTC')) AS day,
    multiIf(kind = 'leave', 'page', kind = 'view', 'page', kind = 'ad', concat('ad_', name), toString(kind)) AS dimension,
    multiIf(kind IN ('view', 'leave', 'missing'), toString(path), kind = 'ad', toString(ad), toString(name)) AS value,
    multiIf(kind IN ('view', 'leave', 'missing'), toString(host), kind = 'ad', toString(slot), '') AS detail,
    toString(bot) AS bot,
    bot_category,
    toUInt64(0) AS visits,
    toUInt64(0) AS bounces,
    countIf(kind = 'view') AS views,
    count() AS events,
    toUInt64(0) AS duration_s,
    sum(event.engaged_ms) AS engaged_ms,
    uniqState(visitor) AS visitors,
    max(event.expires) AS expires
FROM events{local} AS event
WHERE toDate(time) >= toDate({since:DateTime('UTC')}) AND time >= {since:DateTime('UTC')} AND time < {before:DateTime('UTC')}
    AND event.expires >= today()
    AND dimension IN ({event_dimensions})
    AND kind IN ('view', 'leave', 'event', 'ad', 'outbound', 'download', 'missing', 'resource')
GROUP BY site, day, dimension, value, detail, bot, bot_category;

CREATE TABLE IF NOT EXISTS {database}.daily_closed{local}{on_cluster}
(
    site LowCardinality(String),
    day Date,
    dimension LowCardinality(String),
    value String,
    detail String,
    bot LowCardinality(String),
    {event_column bot_category},
    visits UInt64,
    bounces UInt64,
    views UInt64,
    events UInt64,
    duration_s UInt64,
    engaged_ms UInt64,
    visitors AggregateFunction(uniq, UInt64),
    expires Date
)
ENGINE = {sharded MergeTree}
PARTITION BY day
ORDER BY (site, dimension, bot, value, detail)
TTL least(expires, toDate('2149-06-05')) + INTERVAL 1 DAY
SETTINGS default_compression_codec = 'ZSTD(1)';

{cluster_only} CREATE TABLE IF NOT EXISTS {database}.daily_closed{on_cluster} AS {database}.daily_closed_local
ENGINE = Distributed({cluster}, {database}, daily_closed_local, cityHash64(site, dimension, value));

CREATE OR REPLACE VIEW {database}.daily_open{local}{on_cluster} AS
SELECT *
FROM daily_of_visits
UNION ALL
SELECT *
FROM {database}.daily_of_events(since = (SELECT max(ends) FROM days), before = '2106-01-01 00:00:00');

-- Holds no rows. It is replaced together with the view, so that it has the view's columns.
{cluster_only} CREATE OR REPLACE TABLE {database}.daily_open{on_cluster} AS {database}.daily_open_local
ENGINE = Distributed({cluster}, {database}, daily_open_local);

CREATE OR REPLACE VIEW {database}.daily{on_cluster} AS
SELECT * FROM daily_closed WHERE day <= (SELECT max(day) FROM days)
UNION ALL
SELECT * FROM daily_open;
