//! The query of a report under filters.
//!
//! A report's file reads `daily` (the rollup of each day), `visits` and `events`. Without filters it runs as it is, and a
//! report over a year reads the few rows of the rollup. A rollup cannot tell which of its visits had a given browser, so
//! under filters the runner puts a common table expression *of the same name* in front of the same text:
//!
//! ```sql
//! WITH events AS (SELECT * FROM footfall.events WHERE country = {f0:String}),
//!      visits AS (SELECT * FROM footfall.visits WHERE country = {f0:String}),
//!      daily  AS (SELECT …, 'channel' AS dimension, channel AS value, … FROM visits GROUP BY …)
//! SELECT … FROM daily …          -- the file, unchanged
//! ```
//!
//! There is one text of each report, and filters cannot change what it computes, only what it computes it from. A filter
//! on what a visit or its visitor is keeps whole visits and their events; a filter on what an event is keeps those events,
//! and the visits of the visitors (of that epoch) who did them.

use super::filter::{Filter, Home};

/// Dimensions of the rollup made of visits: name, value, detail.
const VISIT_DIMENSIONS: &[(&str, &str, &str)] = &[
    ("total", "''", "''"),
    ("entry", "entry_path", "entry_host"),
    ("exit", "exit_path", "exit_host"),
    ("source", "source", "''"),
    ("channel", "channel", "''"),
    (
        "campaign",
        "utm_campaign",
        "if(utm_source = '' AND utm_medium = '', '', concat(utm_source, ' / ', utm_medium))",
    ),
    ("country", "country", "''"),
    ("region", "country", "region"),
    ("city", "country", "city"),
    ("network", "network", "toString(asn)"),
    ("browser", "browser", "''"),
    ("browser_version", "browser", "browser_version"),
    ("os", "os", "''"),
    ("os_version", "os", "os_version"),
    ("device", "toString(device)", "''"),
    ("language", "language", "''"),
];

/// Dimensions of the rollup made of events: name, which events, value, detail.
const EVENT_DIMENSIONS: &[(&str, &str, &str, &str)] = &[
    ("page", "kind IN ('view', 'leave')", "path", "host"),
    ("event", "kind = 'event'", "name", "''"),
    ("ad_impression", "kind = 'ad' AND name = 'impression'", "ad", "slot"),
    ("ad_viewable", "kind = 'ad' AND name = 'viewable'", "ad", "slot"),
    ("ad_click", "kind = 'ad' AND name = 'click'", "ad", "slot"),
    ("outbound", "kind = 'outbound'", "name", "''"),
    ("download", "kind = 'download'", "name", "''"),
];

/// Twice the period: an overview also asks for the one before.
const DAYS: &str = "site = {site:String}
        AND day BETWEEN {from:Date} - dateDiff('day', {from:Date}, {to:Date}) - 1 AND {to:Date}";
const TIMES: &str = "site = {site:String}
        AND time >= toDateTime64({from:Date} - dateDiff('day', {from:Date}, {to:Date}) - 1, 3, {timezone:String})
        AND time < toDateTime64({to:Date} + 1, 3, {timezone:String})";

/// The query `sql` over what passes `filters`, and the values of the parameters that stand in them.
pub(super) fn filtered(sql: &str, filters: &[Filter], database: &str) -> (String, Vec<(String, String)>) {
    let mut parameters = Vec::new();
    if filters.is_empty() {
        return (sql.to_owned(), parameters);
    }
    let (mut both, mut of_visits, mut of_events) = (Vec::new(), Vec::new(), Vec::new());
    for filter in filters {
        let condition = filter.condition(&mut parameters);
        match filter.home() {
            Home::Both => both.push(condition),
            Home::Visits => of_visits.push(condition),
            Home::Events => of_events.push(condition),
        }
    }
    // Conditions on events hold for one and the same event; hence one set of visitors for all of them.
    let whole = |mut conditions: Vec<String>,
                 own: &[String],
                 foreign: &[String],
                 table: &str,
                 range: &str| {
        conditions.extend_from_slice(own);
        if !foreign.is_empty() {
            let condition = foreign.join(" AND ");
            conditions.push(format!(
                "visitor GLOBAL IN (SELECT visitor FROM {database}.{table} WHERE {range}\n        AND {condition})"
            ));
        }
        conditions.join("\n        AND ")
    };
    let events = whole(both.clone(), &of_events, &of_visits, "visits", DAYS);
    let visits = whole(both, &of_visits, &of_events, "events", TIMES);
    let mut tables = format!(
        "WITH\n    events AS (SELECT * FROM {database}.events WHERE {events}),\n    \
         visits AS (SELECT * FROM {database}.visits WHERE {visits})"
    );
    if let Some(daily) = daily(sql) {
        tables.push_str(&format!(",\n    daily AS ({daily})"));
    }
    let body = body(sql);
    let sql = match body.strip_prefix("WITH") {
        Some(rest) => format!("{tables},{rest}"),
        None => format!("{tables}\n{body}"),
    };
    (sql, parameters)
}

/// What the rollup would hold of the dimensions that a query names, made of `visits` and `events`.
fn daily(sql: &str) -> Option<String> {
    let named = |dimension: &str| sql.contains(&format!("'{dimension}'")) && sql.contains("FROM daily");
    let visits = VISIT_DIMENSIONS.iter().filter(|(dimension, ..)| named(dimension)).map(
        |(dimension, value, detail)| {
            format!(
                "SELECT site, day, '{dimension}' AS dimension, {value} AS value, {detail} AS detail, bot, \
                 bot_category, count() AS visits, countIf(bounce) AS bounces, sum(visits.views) AS views, \
                 sum(visits.events) AS events, sum(visits.duration_ms) AS duration_ms, sum(visits.engaged_ms) AS engaged_ms, \
                 uniqState(visitor) AS visitors \
                 FROM visits WHERE {DAYS} GROUP BY site, day, value, detail, bot, bot_category"
            )
        },
    );
    let events = EVENT_DIMENSIONS.iter().filter(|(dimension, ..)| named(dimension)).map(
        |(dimension, which, value, detail)| {
            format!(
                "SELECT site, toDate(time, {{timezone:String}}) AS day, '{dimension}' AS dimension, {value} AS value, \
                 {detail} AS detail, bot, bot_category, 0 AS visits, 0 AS bounces, countIf(kind = 'view') AS views, \
                 count() AS events, 0 AS duration_ms, sum(events.engaged_ms) AS engaged_ms, uniqState(visitor) AS visitors \
                 FROM events WHERE {TIMES} AND {which} GROUP BY site, day, value, detail, bot, bot_category"
            )
        },
    );
    let parts: Vec<String> = visits.chain(events).collect();
    (!parts.is_empty()).then(|| parts.join("\n    UNION ALL "))
}

/// A file without its header.
fn body(sql: &str) -> &str {
    let mut rest = sql;
    while let Some(after) = rest.strip_prefix("--") {
        rest = after.split_once('\n').map_or("", |(_, next)| next);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::catalogue;

    #[test]
    fn every_dimension_that_a_report_reads_can_be_made_under_filters() {
        for report in catalogue::all() {
            for piece in report.sql.split("dimension = '").skip(1) {
                let dimension = piece.split('\'').next().unwrap();
                let known = VISIT_DIMENSIONS.iter().any(|(name, ..)| *name == dimension)
                    || EVENT_DIMENSIONS.iter().any(|(name, ..)| *name == dimension);
                assert!(known, "{} reads {dimension}", report.name);
            }
        }
    }

    #[test]
    fn the_file_s_own_text_follows_the_filtered_tables() {
        let filters = [Filter::parse("country=RU").unwrap(), Filter::parse("path=/x").unwrap()];
        for report in catalogue::all() {
            let (sql, parameters) = filtered(report.sql, &filters, "footfall");
            let text = body(report.sql).trim_start_matches("WITH");
            assert!(sql.starts_with("WITH\n    events AS") && sql.ends_with(text), "{}", report.name);
            assert_eq!(parameters.len(), 2);
        }
    }
}
