//! The query of one report, or of several at once, and its rows.
//!
//! | requests | of one query |
//! |---|---|
//! | breakdowns of the same period | each gets the rows of its dimension |
//! | funnels of the same period | each gets the rows of its number |
//! | series by day of two periods, one after the other | each gets the rows of its days |

pub(super) mod filtered;

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;

use crate::report::answer::{QueryCost, lines};
use crate::report::catalogue::{Report, ReportColumn};
use crate::report::error::ReportError;
use crate::report::goals;
use crate::report::protected;
use crate::report::request::ReportRequest;
use crate::report::request::period::Period;
use crate::store::Client;
use crate::store::schema::{self, Dimension};

/// Visits and visitors of this dimension are those of the whole site; shares in a breakdown are shares of them.
const TOTAL: &str = "total";

/// The value of the parameter `by` of series whose rows are days.
const BY_DAY: &str = "day";
/// The column that a query of several funnels has besides those of its report: the number of the funnel, from 1.
const FUNNEL: &str = "funnel";
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

/// Requests whose rows come from one query.
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
        if (&first.site, &first.filters, first.bots) != (&other.site, &other.filters, other.bots) {
            return false;
        }
        let is_same_period = first.period == other.period;
        if first.report.is_breakdown && other.report.is_breakdown {
            return is_same_period;
        }
        if first.funnel.is_some() && other.funnel.is_some() {
            let all = self.requests.iter().map(|(_, request)| request).chain([other]);
            return is_same_period
                && (first.by, first.limit) == (other.by, other.limit)
                && goals::fit_together(all);
        }
        let follows =
            |before: Period, after: Period| before.to().tomorrow().is_ok_and(|day| day == after.from());
        is_whole_series(first)
            && is_whole_series(other)
            && self.requests.len() == 1
            && (follows(first.period, other.period) || follows(other.period, first.period))
    }

    /// The first and the last day of all requests.
    fn days(&self) -> (Date, Date) {
        let first = self.first().period;
        self.requests.iter().fold((first.from(), first.to()), |(from, to), (_, request)| {
            (from.min(request.period.from()), to.max(request.period.to()))
        })
    }

    /// As many rows as the request with the most rows wants. A series has a row for each day.
    fn limit(&self) -> u32 {
        let limits = self.requests.iter().map(|(_, request)| request.limit);
        if is_whole_series(self.first()) { limits.sum() } else { limits.max().unwrap_or(0) }
    }

    pub(super) fn query(&self, context: &QueryContext<'_>) -> ReportQuery {
        let request = self.first();
        let mut dimensions: Vec<Dimension> = Vec::new();
        let of_shares = if request.report.is_breakdown { schema::dimension(TOTAL) } else { None };
        let of_reports =
            self.requests.iter().flat_map(|(_, request)| request.report.dimensions.iter().copied());
        for dimension in of_reports.chain(of_shares) {
            // Under filters, one that is named twice would be counted twice.
            if !dimensions.contains(&dimension) {
                dimensions.push(dimension);
            }
        }
        let names: BTreeSet<String> =
            dimensions.iter().map(|dimension| format!("'{}'", dimension.name)).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let sql = request.report.sql.replace("{dimensions}", &names);
        let sql = if request.by == Some(BY_HOUR) { sql } else { without_hours(&sql) };
        let requests: Vec<&ReportRequest> = self.requests.iter().map(|(_, request)| request).collect();
        let (sql, of_goals) = goals::fill(&sql, &requests, context.client);
        let (sql, bound) = if context.is_protected {
            protected::query(filtered::body(&sql), request, context.client)
        } else {
            // Totals under filters leave out the days of few visitors. With hours they come from events.
            let by_day = request.report.is_totals && request.by != Some(BY_HOUR);
            filtered::filtered(&sql, &dimensions, &request.filters, by_day && context.k > 1, context.client)
        };
        // A query that has these parameters is of a report that compares.
        let before = request.period.compared(request.comparison.unwrap_or_default());
        let (from, to) = self.days();
        // What is published was folded before.
        let k = if context.is_protected { 0 } else { context.k };
        let known = [
            ("site", request.site.clone()),
            ("from", from.to_string()),
            ("to", to.to_string()),
            ("before", before.from().to_string()),
            ("before_to", before.to().to_string()),
            ("timezone", context.timezone.to_owned()),
            // One row more than is shown tells whether there are more.
            ("limit", (self.limit() + 1).to_string()),
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
        let mut table = Table::read(answer)?;
        let report = self.first().report;
        if report.is_breakdown {
            return self
                .requests
                .iter()
                .map(|(_, request)| table.rows_of_breakdown(request.report))
                .collect();
        }
        if let [_] = self.requests[..] {
            return Ok(vec![table.into_rows(report)?]);
        }
        if report.takes("funnel") {
            let funnels = table.take_numbers(FUNNEL)?;
            let rows = table.into_rows(report)?;
            return Ok(divided(
                funnels.into_iter().map(|number| number.checked_sub(1)),
                rows,
                self.requests.len(),
            ));
        }
        let rows = table.into_rows(report)?;
        let day_of =
            |row: &Vec<Value>| row.first().and_then(Value::as_str).and_then(|day| day.parse::<Date>().ok());
        let has = |day: Date| {
            let mut periods = self.requests.iter().map(|(_, request)| request.period);
            periods.position(|period| (period.from()..=period.to()).contains(&day))
        };
        let places: Vec<_> = rows.iter().map(|row| day_of(row).and_then(has)).collect();
        Ok(divided(places, rows, self.requests.len()))
    }
}

/// The rows of each of `count` requests. A place is that of the request to which a row belongs.
fn divided(
    places: impl IntoIterator<Item = Option<usize>>,
    rows: Vec<Vec<Value>>,
    count: usize,
) -> Vec<Vec<Vec<Value>>> {
    let mut divided = vec![Vec::new(); count];
    for (place, row) in places.into_iter().zip(rows) {
        if let Some(rows) = place.and_then(|place| divided.get_mut(place)) {
            rows.push(row);
        }
    }
    divided
}

/// Whether a request is for the days of a series, all of them.
fn is_whole_series(request: &ReportRequest) -> bool {
    let is_by_day =
        request.by == Some(BY_DAY) && request.report.columns.first().is_some_and(ReportColumn::is_time);
    is_by_day && i64::from(request.limit) >= i64::from(request.period.days())
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

    /// Takes a column of numbers away.
    fn take_numbers(&mut self, name: &str) -> Result<Vec<usize>, ReportError> {
        let place = self.names.iter().position(|known| known == name).ok_or_else(|| self.malformed())?;
        self.names.remove(place);
        let take = |row: &mut Vec<Value>| (place < row.len()).then(|| row.remove(place));
        let numbers =
            self.rows.iter_mut().map(|row| take(row).and_then(|number| number.as_u64()).unwrap_or(0));
        Ok(numbers.map(|number| usize::try_from(number).unwrap_or(0)).collect())
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

    fn sizes_of_groups(asked: &[(&str, &str, &str)]) -> Vec<usize> {
        use crate::report::{RawReportRequest, Reports};
        let store = crate::config::StoreConfig::embedded(([127, 0, 0, 1], 1).into());
        let reports = Reports::new(Client::new(&store), jiff::tz::TimeZone::UTC, &["clinic"]).unwrap();
        let request = |(name, from, to): &(&str, &str, &str)| {
            let (from, to) = (Some((*from).to_owned()), Some((*to).to_owned()));
            let raw =
                RawReportRequest { report: (*name).to_owned(), from, to, ..RawReportRequest::default() };
            reports.parse(&raw).unwrap()
        };
        let groups = groups(asked.iter().map(request).collect());
        groups.iter().map(|group| group.requests.len()).collect()
    }

    #[test]
    fn a_series_and_the_days_before_it_are_one_query() {
        let now = ("timeseries", "2026-11-08", "2026-11-14");
        let before = ("timeseries", "2026-11-01", "2026-11-07");
        assert_eq!(sizes_of_groups(&[now, before]), [2]);
        assert_eq!(sizes_of_groups(&[before, now]), [2]);
        // The year before is far away, and a day between would be read for nothing.
        assert_eq!(sizes_of_groups(&[now, ("timeseries", "2025-11-08", "2025-11-14")]), [1, 1]);
        assert_eq!(sizes_of_groups(&[now, ("timeseries", "2026-11-01", "2026-11-06")]), [1, 1]);
        assert_eq!(sizes_of_groups(&[now, ("overview", "2026-11-01", "2026-11-07"), before]), [2, 1]);
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
