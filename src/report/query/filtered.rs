//! The query of a report under filters.
//!
//! A report's query reads `daily` (figures summed by day), `visits` and `events`. Without filters it runs unchanged, and a report over a
//! year reads few rows of `daily`. But `daily` cannot tell which visits of a dimension had a given browser. So under filters the
//! same text gets common table expressions *of the same names* before it:
//!
//! ```sql
//! WITH events AS (SELECT * FROM footfall.events WHERE site = {site:String} AND … AND country = {f0:String}),
//!      visits AS (SELECT * FROM footfall.visits WHERE site = {site:String} AND … AND country = {f0:String}),
//!      daily AS (the query of sql/daily.sql, for the dimensions that the report reads)
//! SELECT … FROM daily …          -- the file, unchanged
//! ```
//!
//! So each report has one text, and filters cannot change what it computes, only what it computes it from. A filter on what a visit or
//! its visitor is keeps whole visits and their events. A filter on what an event is keeps those events, and the visits of
//! the visitors (of that day) who caused them. ClickHouse reads only the tables that the query uses: figures of visits under a filter on
//! visits read no events.

use crate::report::filter::{Filter, FilterScope};
use crate::store::Client;
use crate::store::schema::{self, Dimension};

/// A table that filters narrow.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) enum FilteredTable {
    Events,
    Visits,
}

impl FilteredTable {
    pub(in crate::report) const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Visits => "visits",
        }
    }

    /// The condition that keeps the rows of the site and the period, and of the period of comparison if the query `compares`.
    pub(in crate::report) fn period(self, compares: bool) -> String {
        let days = |from: &str, to: &str| {
            match self {
            // `time` alone would not find the days in the table's order, which has `toDate(time)`, in UTC.
            Self::Events => format!(
                "time >= toDateTime({{{from}:Date}}, {{timezone:String}}) AND time < toDateTime({{{to}:Date}} + 1, {{timezone:String}})
        AND toDate(time) BETWEEN {{{from}:Date}} - 1 AND {{{to}:Date}} + 1"
            ),
            Self::Visits => format!("day BETWEEN {{{from}:Date}} AND {{{to}:Date}}"),
        }
        };
        let mut days_of_both = days("from", "to");
        if compares {
            days_of_both = format!("(({days_of_both}) OR ({}))", days("before", "before_to"));
        }
        format!("site = {{site:String}}\n        AND {days_of_both}")
    }
}

/// The query `sql`, which reads these dimensions, over what passes `filters`, and the values of the filters' parameters. `without_few` leaves out the days
/// on which fewer than `k` visitors pass, so that no sum over days is of few visitors on each.
pub(in crate::report) fn filtered(
    sql: &str,
    dimensions: &[Dimension],
    filters: &[Filter],
    without_few: bool,
    client: &Client,
) -> (String, Vec<(String, String)>) {
    let mut parameters = Vec::new();
    if filters.is_empty() {
        return (sql.to_owned(), parameters);
    }
    let database = client.database();
    // On a cluster the set is computed once and sent to the shards.
    let is_in = if client.cluster().is_some() { "GLOBAL IN" } else { "IN" };
    let (mut both, mut of_visits, mut of_events) = (Vec::new(), Vec::new(), Vec::new());
    for filter in filters {
        let condition = filter.condition(&mut parameters);
        match filter.scope() {
            FilterScope::Both => both.push(condition),
            FilterScope::Visits => of_visits.push(condition),
            FilterScope::Events => of_events.push(condition),
        }
    }
    let compares = sql.contains("{before:");
    let [days, times] = [FilteredTable::Visits, FilteredTable::Events].map(|table| table.period(compares));
    // A report without bots takes no account of what bots did.
    let people = if sql.contains("{bots:") { " AND (bot = '' OR {bots:Bool})" } else { "" };
    // All conditions on events must hold for the same event, so there is one set of visitors for all of them.
    let all = |range: &str, own: &[String], foreign: &[String], table: &str, foreign_range: &str| {
        let mut conditions = [&[range.to_owned()], &both[..], own].concat();
        if !foreign.is_empty() {
            let condition = foreign.join(" AND ");
            conditions.push(format!(
                "visitor {is_in} (SELECT visitor FROM {database}.{table} WHERE {foreign_range}\n        AND {condition}{people})"
            ));
        }
        conditions.join("\n        AND ")
    };
    let events = all(&times, &of_events, &of_visits, "visits", &days);
    let visits = all(&days, &of_visits, &of_events, "events", &times);
    let mut tables = format!(
        "WITH\n    events AS (SELECT * FROM {database}.events WHERE {events}),\n    \
         visits AS (SELECT * FROM {database}.visits WHERE {visits})"
    );
    if !dimensions.is_empty() {
        let daily = schema::daily_query(dimensions);
        let many = "sum(if(bots <= {bots:Bool}, visitors, 0)) OVER (PARTITION BY day) >= {k:UInt32}";
        tables.push_str(&match without_few {
            true => format!(",\n    daily AS (\nSELECT * FROM (\n{daily}) QUALIFY {many})"),
            false => format!(",\n    daily AS (\n{daily})"),
        });
    }
    let body = body(sql);
    let sql = match body.strip_prefix("WITH") {
        Some(rest) => format!("{tables},{rest}"),
        None => format!("{tables}\n{body}"),
    };
    (sql, parameters)
}

/// A file without its header.
pub(in crate::report) fn body(sql: &str) -> &str {
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
        let client = Client::new(&crate::config::StoreConfig::embedded(([127, 0, 0, 1], 1).into()));
        let filters = [Filter::parse("country=RU").unwrap(), Filter::parse("path=/x").unwrap()];
        for report in catalogue::all() {
            let (sql, parameters) = filtered(&report.sql, &report.dimensions, &filters, true, &client);
            let text = body(&report.sql).trim_start_matches("WITH");
            assert!(sql.starts_with("WITH\n    events AS") && sql.ends_with(text), "{}", report.name);
            for (name, _) in parameters {
                assert!(sql.contains(&format!("{{{name}:")), "{}: {name} in {sql}", report.name);
            }
        }
    }
}
