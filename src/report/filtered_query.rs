//! The query of a report under filters.
//!
//! A report's file reads `daily` (figures summed by day), `visits` and `events`. Without filters it runs unchanged, and a report over a
//! year reads few rows of `daily`. But `daily` cannot tell which visits of a dimension had a given browser. So under filters the
//! same text gets common table expressions *of the same names* before it:
//!
//! ```sql
//! WITH events AS (SELECT * FROM footfall.events WHERE site = {site:String} AND … AND country = {f0:String}),
//!      visits AS (SELECT * FROM footfall.visits WHERE site = {site:String} AND … AND country = {f0:String}),
//!      visits_open AS (SELECT * FROM visits),
//!      daily AS (the queries of `daily_of_visits` and `daily_of_events`, for the dimensions that the report's header declares)
//! SELECT … FROM daily …          -- the file, unchanged
//! ```
//!
//! So each report has one text, and filters cannot change what it computes, only what it computes it from. A filter on what a visit or
//! its visitor is keeps whole visits and their events. A filter on what an event is keeps those events, and the visits of
//! the visitors (of that day) who caused them.

use super::catalogue::Report;
use super::filter::{Filter, FilterScope};
use crate::store::schema;

/// Twice the period, because an overview also shows the period before.
const DAYS: &str = "site = {site:String}
        AND day BETWEEN {from:Date} - dateDiff('day', {from:Date}, {to:Date}) - 1 AND {to:Date}";
/// The same for events. `time` alone would not find the days in the table's order, which has `toDate(time)`, in UTC.
const TIMES: &str = "site = {site:String}
        AND time >= toDateTime64({from:Date} - dateDiff('day', {from:Date}, {to:Date}) - 1, 3, {timezone:String})
        AND time < toDateTime64({to:Date} + 1, 3, {timezone:String})
        AND toDate(time) BETWEEN {from:Date} - dateDiff('day', {from:Date}, {to:Date}) - 2 AND {to:Date} + 1";
/// Parameters of the query of daily figures: the filtered events are those of the period already.
const ALL_TIMES: [(&str, &str); 2] = [("since", "1970-01-01 00:00:00"), ("before", "2106-01-01 00:00:00")];

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
    let all = |range: &str, own: &[String], foreign: &[String], table: &str, foreign_range: &str| {
        let mut conditions = [&[range.to_owned()], &both[..], own].concat();
        if !foreign.is_empty() {
            let condition = foreign.join(" AND ");
            conditions.push(format!(
                "visitor GLOBAL IN (SELECT visitor FROM {database}.{table} WHERE {foreign_range}\n        AND {condition})"
            ));
        }
        conditions.join("\n        AND ")
    };
    let events = all(TIMES, &of_events, &of_visits, "visits", DAYS);
    let visits = all(DAYS, &of_visits, &of_events, "events", TIMES);
    let mut tables = format!(
        "WITH\n    events AS (SELECT * FROM {database}.events WHERE {events}),\n    \
         visits AS (SELECT * FROM {database}.visits WHERE {visits})"
    );
    if !report.dimensions.is_empty() {
        let daily = schema::daily_query(&report.dimensions);
        tables.push_str(&format!(",\n    visits_open AS (SELECT * FROM visits),\n    daily AS (\n{daily})"));
        let used = ALL_TIMES.into_iter().filter(|(name, _)| daily.contains(&format!("{{{name}:")));
        parameters.extend(used.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    let body = body(report.sql);
    let sql = match body.strip_prefix("WITH") {
        Some(rest) => format!("{tables},{rest}"),
        None => format!("{tables}\n{body}"),
    };
    (sql, parameters)
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
            for (name, _) in parameters {
                assert!(sql.contains(&format!("{{{name}:")), "{}: {name} in {sql}", report.name);
            }
        }
    }
}
