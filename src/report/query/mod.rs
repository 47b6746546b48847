//! The query of one report, or of several breakdowns of the same period at once, and its rows.

pub(super) mod filtered;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::report::answer::{QueryCost, lines};
use crate::report::catalogue::{Report, ReportColumn};
use crate::report::error::ReportError;
use crate::report::goals;
use crate::report::protected;
use crate::report::request::ReportRequest;
use crate::store::Client;
use crate::store::schema::{self, Dimension};

/// Visits and visitors of this dimension are those of the whole site; shares in a breakdown are shares of them.
const TOTAL: &str = "total";

/// The value of the parameter `by` for which a query has lines between [`HOURS`].
const BY_HOUR: &str = "hour";
/// The lines around the part of a query that only series by the hour need. To plan it takes ClickHouse longer than all the rest of a series by day.
const HOURS: [&str; 2] = ["-- by hour: begin\n", "-- by hour: end\n"];

/// What does not belong to a request.
pub(super) struct QueryContext<'a> {
    pub(super) timezone: &'a str,
    pub(super) client: &'a Client,
    pub(super) k: u32,
    /// Whether the reader is a viewer, who reads published figures alone.
    pub(super) is_protected: bool,
}

/// A query and the values of its parameters.
pub(super) struct ReportQuery {
    pub(super) sql: String,
    pub(super) parameters: Vec<(String, String)>,
}

/// Requests whose rows come from one query: one report, or breakdowns that differ in nothing but their dimension.
#[derive(Clone)]
pub(super) struct QueryGroup {
    /// At least one; the place of each among all requests, and the request.
    pub(super) requests: Vec<(usize, ReportRequest)>,
}

/// Groups requests by the query that answers them.
pub(super) fn groups(requests: Vec<ReportRequest>) -> Vec<QueryGroup> {
    let mut groups: Vec<QueryGroup> = Vec::new();
    for (place, request) in requests.into_iter().enumerate() {
        match groups.iter_mut().find(|group| group.takes(&request)) {
            Some(group) => group.requests.push((place, request)),
            None => groups.push(QueryGroup { requests: vec![(place, request)] }),
        }
    }
    groups
}

impl QueryGroup {
    fn first(&self) -> &ReportRequest {
        &self.requests[0].1
    }

    fn takes(&self, other: &ReportRequest) -> bool {
        let first = self.first();
        first.report.is_breakdown
            && other.report.is_breakdown
            && (&first.site, first.period, &first.filters, first.limit, first.bots)
                == (&other.site, other.period, &other.filters, other.limit, other.bots)
    }

    pub(super) fn query(&self, context: &QueryContext<'_>) -> ReportQuery {
        let request = self.first();
        let mut dimensions: Vec<Dimension> = Vec::new();
        for (_, request) in &self.requests {
            dimensions.extend(&request.report.dimensions);
        }
        if request.report.is_breakdown {
            dimensions.extend(schema::dimension(TOTAL));
        }
        let names: BTreeSet<String> =
            dimensions.iter().map(|dimension| format!("'{}'", dimension.name)).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let sql = request.report.sql.replace("{dimensions}", &names);
        let sql = if request.by == Some(BY_HOUR) { sql } else { without_hours(&sql) };
        let (sql, of_goals) = goals::fill(&sql, request, context.client);
        let (sql, bound) = if context.is_protected {
            protected::query(filtered::body(&sql), request, context.client)
        } else {
            // Totals under filters leave out the days of few visitors. With hours they come from events.
            let by_day = request.report.is_totals && request.by != Some(BY_HOUR);
            filtered::filtered(&sql, &dimensions, &request.filters, by_day && context.k > 1, context.client)
        };
        // A query that has these parameters is of a report that compares.
        let before = request.period.compared(request.comparison.unwrap_or_default());
        // What is published was folded before.
        let k = if context.is_protected { 0 } else { context.k };
        let known = [
            ("site", request.site.clone()),
            ("from", request.period.from().to_string()),
            ("to", request.period.to().to_string()),
            ("before", before.from().to_string()),
            ("before_to", before.to().to_string()),
            ("timezone", context.timezone.to_owned()),
            // One row more than is shown tells whether there are more.
            ("limit", (request.limit + 1).to_string()),
            ("k", k.to_string()),
            ("by", request.by.unwrap_or("").to_owned()),
            ("bots", request.bots.to_string()),
        ];
        let known = known.into_iter().map(|(name, value)| (name.to_owned(), value));
        let used = known.filter(|(name, _)| sql.contains(&format!("{{{name}:")));
        ReportQuery { parameters: used.chain(of_goals).chain(bound).collect(), sql }
    }

    /// The rows of each request, in the order of its report's columns.
    pub(super) fn rows(&self, answer: &[u8]) -> Result<Vec<Vec<Vec<Value>>>, ReportError> {
        let table = Table::read(answer)?;
        let report = self.first().report;
        if !report.is_breakdown {
            // It is alone in its group.
            return Ok(vec![table.into_rows(report)?]);
        }
        self.requests.iter().map(|(_, request)| table.rows_of_breakdown(request.report)).collect()
    }
}

fn without_hours(sql: &str) -> String {
    let parts = sql.split_once(HOURS[0]).and_then(|(head, rest)| Some((head, rest.split_once(HOURS[1])?.1)));
    parts.map_or_else(|| sql.to_owned(), |(head, tail)| format!("{head}{tail}"))
}

impl ReportQuery {
    /// The answer in `JSONCompactEachRowWithNames`.
    pub(super) async fn run(&self, client: &Client) -> Result<(Vec<u8>, QueryCost), ReportError> {
        // The store sends nothing before the query has ended, so a failure has a status of its own and the cost is complete.
        let query = self
            .parameters
            .iter()
            .fold(client.query(&self.sql), |query, (name, value)| query.param(name, value))
            .with_setting("wait_end_of_query", "1");
        let mut cursor = query.fetch_bytes("JSONCompactEachRowWithNames")?;
        let bytes = cursor.collect().await?;
        let summary = cursor.summary();
        let cost = QueryCost {
            rows: summary.and_then(clickhouse::QuerySummary::read_rows),
            bytes: summary.and_then(clickhouse::QuerySummary::read_bytes),
            ..QueryCost::default()
        };
        Ok((bytes.into(), cost))
    }
}

/// The store's answer: names of columns, and rows.
struct Table {
    names: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    fn read(bytes: &[u8]) -> Result<Self, ReportError> {
        let malformed = |error: serde_json::Error| ReportError::MalformedAnswer(error.to_string());
        let mut lines = lines(bytes);
        let names = serde_json::from_slice(lines.next().unwrap_or(b"[]")).map_err(malformed)?;
        let rows = lines.map(|line| serde_json::from_slice(line).map_err(malformed));
        Ok(Self { names, rows: rows.collect::<Result<_, _>>()? })
    }

    fn malformed(&self) -> ReportError {
        ReportError::MalformedAnswer(format!("columns {}", self.names.join(", ")))
    }

    /// All rows, whose columns must be those of a report.
    fn into_rows(self, report: &Report) -> Result<Vec<Vec<Value>>, ReportError> {
        let is_same =
            self.names.iter().map(String::as_str).eq(report.columns.iter().map(|column| column.name));
        if is_same { Ok(self.rows) } else { Err(self.malformed()) }
    }

    /// The rows of a breakdown's dimension, in the order of its columns.
    fn rows_of_breakdown(&self, report: &Report) -> Result<Vec<Vec<Value>>, ReportError> {
        let place =
            |name: &str| self.names.iter().position(|known| known == name).ok_or_else(|| self.malformed());
        let dimension = place("dimension")?;
        let shown = |column: &ReportColumn| place(report.breakdown_column(column));
        let places = report.columns.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
        let name = report.dimensions[0].name;
        let own = self.rows.iter().filter(|row| row.get(dimension).is_some_and(|value| value == name));
        Ok(own
            .map(|row| places.iter().map(|place| row.get(*place).cloned().unwrap_or_default()).collect())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::catalogue;

    #[test]
    fn an_answer_whose_columns_are_not_those_of_the_header_is_refused() {
        let report = |name| catalogue::find(name).unwrap();
        for answer in [&b"[\"channel\"]\n"[..], b""] {
            let table = || Table::read(answer).unwrap();
            let channels = table().rows_of_breakdown(report("channels"));
            assert!(matches!(channels, Err(ReportError::MalformedAnswer(_))), "{channels:?}");
            let overview = table().into_rows(report("overview"));
            assert!(matches!(overview, Err(ReportError::MalformedAnswer(_))), "{overview:?}");
        }
    }

    #[test]
    fn a_series_by_day_reads_neither_events_nor_visits() {
        let sql = &catalogue::find("timeseries").unwrap().sql;
        assert!(sql.contains("FROM events") && sql.contains("FROM visits"));
        let by_day = without_hours(sql);
        assert!(by_day.contains("FROM daily") && by_day.contains("LIMIT {limit:UInt32}"), "{by_day}");
        assert!(!by_day.contains("FROM events") && !by_day.contains("FROM visits"), "{by_day}");
    }

    #[test]
    fn each_breakdown_gets_the_rows_of_its_dimension_in_its_columns() {
        let answer = b"[\"dimension\",\"value\",\"detail\",\"events\",\"visitors\"]\n[\"outbound\",\"a.example\",\"\",3,2]\n\
                       [\"download\",\"b.pdf\",\"\",1,1]\n";
        let table = Table::read(answer).unwrap();
        let rows = |name| table.rows_of_breakdown(catalogue::find(name).unwrap()).unwrap();
        assert_eq!(rows("outbound"), [["a.example".into(), Value::from(3), Value::from(2)]]);
        assert_eq!(rows("downloads"), [["b.pdf".into(), Value::from(1), Value::from(1)]]);
    }
}
