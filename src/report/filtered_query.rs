//! The query of a report under filters.
//!
//! A report's file reads `daily` (figures summed by day), `visits` and `events`. Without filters it runs unchanged, and a report over a
//! year reads few rows of `daily`. But `daily` cannot tell which visits of a dimension had a given browser. So under filters the
//! same text gets common table expressions *of the same names* before it:
//!
//! ```sql
//! WITH events AS (SELECT * FROM footfall.events WHERE country = {f0:String}),
//!      visits AS (SELECT * FROM footfall.visits WHERE country = {f0:String}),
//!      daily  AS (the query of `daily_between` over these visits and events, for the report's dimensions)
//! SELECT … FROM daily …          -- the file, unchanged
//! ```
//!
//! So each report has one text, and filters cannot change what it computes, only what it computes it from. A filter on what a visit or
//! its visitor is keeps whole visits and their events. A filter on what an event is keeps those events, and the visits of
//! the visitors (of that epoch) who caused them.

use super::catalogue::Report;
use super::filter::{Filter, FilterScope};
use crate::store::schema;

/// Twice the period, because an overview also shows the period before.
const DAYS: &str = "site = {site:String}
        AND day BETWEEN {from:Date} - dateDiff('day', {from:Date}, {to:Date}) - 1 AND {to:Date}";
const SINCE: &str =
    "toDateTime64({from:Date} - dateDiff('day', {from:Date}, {to:Date}) - 1, 3, {timezone:String})";
const BEFORE: &str = "toDateTime64({to:Date} + 1, 3, {timezone:String})";

/// The query of `report` over what passes `filters`, and the values of the filters' parameters.
pub(super) fn filtered(
    report: &Report,
    filters: &[Filter],
    database: &str,
) -> (String, Vec<(String, String)>) {
    let mut parameters = Vec::new();
    if filters.is_empty() {
        return (report.sql.to_owned(), parameters);
    }
    let (mut both, mut of_visits, mut of_events) = (Vec::new(), Vec::new(), Vec::new());
    for filter in filters {
        let condition = filter.condition(&mut parameters);
        match filter.scope() {
            FilterScope::Both => both.push(condition),
            FilterScope::Visits => of_visits.push(condition),
            FilterScope::Events => of_events.push(condition),
        }
    }
    // All conditions on events must hold for the same event, so there is one set of visitors for all of them.
    let all = |own: &[String], foreign: &[String], table: &str, range: &str| {
        let mut conditions = [&both[..], own].concat();
        if !foreign.is_empty() {
            let condition = foreign.join(" AND ");
            conditions.push(format!(
                "visitor GLOBAL IN (SELECT visitor FROM {database}.{table} WHERE {range}\n        AND {condition})"
            ));
        }
        conditions.join("\n        AND ")
    };
    let times = format!("site = {{site:String}}\n        AND time >= {SINCE}\n        AND time < {BEFORE}");
    let events = all(&of_events, &of_visits, "visits", DAYS);
    let visits = all(&of_visits, &of_events, "events", &times);
    let mut tables = format!(
        "WITH\n    events AS (SELECT * FROM {database}.events WHERE {events}),\n    \
         visits AS (SELECT * FROM {database}.visits WHERE {visits})"
    );
    if !report.dimensions.is_empty() {
        let daily = daily(&report.dimensions);
        tables.push_str(&format!(",\n    daily AS (\n{daily})"));
    }
    let body = body(report.sql);
    let sql = match body.strip_prefix("WITH") {
        Some(rest) => format!("{tables},{rest}"),
        None => format!("{tables}\n{body}"),
    };
    (sql, parameters)
}

/// The query of the view `daily_between`, for some dimensions of the period of a report, over the filtered visits and events.
///
/// # Panics
/// When the text of the view has not the expected parts. A test makes the query of every report.
fn daily(dimensions: &[&str]) -> String {
    let view = schema::view("daily_between");
    let (of_visits, of_events) = view.split_once("\nUNION ALL\n").expect("figures of visits, then of events");
    let (rest, tuples, end) = between(of_visits, "ARRAY JOIN\n    [\n", "\n    ] AS pair");
    let name = |tuple: &str| tuple.trim().trim_start_matches("('").split('\'').next().map(str::to_owned);
    let tuples: Vec<&str> = tuples.lines().map(|line| line.trim_end_matches(',')).collect();
    let is_wanted = |tuple: &&&str| name(tuple).is_some_and(|name| dimensions.contains(&name.as_str()));
    let wanted: Vec<&str> = tuples.iter().filter(is_wanted).copied().collect();
    let mut parts = Vec::new();
    if !wanted.is_empty() {
        let (select, _, _) = between(rest, "FROM\n(\n", "\n) AS visit");
        parts.push(format!(
            "{select}FROM\n(\n    SELECT * FROM visits WHERE {DAYS}\n) AS visit\nARRAY JOIN\n    [\n{}\n    ] AS pair{end}",
            wanted.join(",\n")
        ));
    }
    if wanted.len() < dimensions.len() {
        let names: Vec<String> = dimensions.iter().map(|dimension| format!("'{dimension}'")).collect();
        let (select, _, condition) = between(of_events, "FROM events AS event\nWHERE ", "");
        let query = format!(
            "{select}FROM events AS event\nWHERE site = {{site:String}} AND dimension IN ({}) AND {condition}",
            names.join(", ")
        );
        parts.push(
            query
                .replace("{since:DateTime64(3, 'UTC')}", SINCE)
                .replace("{before:DateTime64(3, 'UTC')}", BEFORE)
                .replace("ifNull(nullIf((SELECT timezone FROM zone), ''), 'UTC')", "{timezone:String}"),
        );
    }
    parts.join("\nUNION ALL\n")
}

/// What stands before `start`, between `start` and `end`, and after `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> (&'a str, &'a str, &'a str) {
    let parts = text.split_once(start).and_then(|(before, rest)| {
        let (inside, after) = rest.split_once(end)?;
        Some((before, inside, after))
    });
    parts.unwrap_or_else(|| panic!("the view daily_between lacks {start:?} or {end:?}"))
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
    fn the_text_of_the_file_follows_the_filtered_tables() {
        let filters = [Filter::parse("country=RU").unwrap(), Filter::parse("path=/x").unwrap()];
        for report in catalogue::all() {
            let (sql, parameters) = filtered(report, &filters, "footfall");
            let text = body(report.sql).trim_start_matches("WITH");
            assert!(sql.starts_with("WITH\n    events AS") && sql.ends_with(text), "{}", report.name);
            assert_eq!(parameters.len(), 2);
            assert!(!sql.contains("{since") && !sql.contains("{stored"), "{}: {sql}", report.name);
        }
    }

    #[test]
    fn only_the_dimensions_of_the_report_are_computed() {
        let cities = daily(&["city"]);
        assert!(cities.contains("('city', toString(country), toString(city))"), "{cities}");
        assert!(!cities.contains("'browser'") && !cities.contains("FROM events"), "{cities}");
        let ads = daily(&["ad_click", "ad_impression"]);
        assert!(ads.contains("dimension IN ('ad_click', 'ad_impression')"), "{ads}");
        assert!(!ads.contains("FROM visits"), "{ads}");
        assert_eq!(daily(&["total", "event"]).matches("\nUNION ALL\n").count(), 1);
    }
}
