//! Everything that a viewer may ask: reports from published figures alone (docs/privacy.md, "Published figures").
//!
//! A report's query runs unchanged. The tables that it reads are replaced by common table expressions of the same names: `daily` is
//! `daily_published`, and `events` and `visits` are empty. So no request of a viewer reads a row that is not published. What the queries add,
//! order and cut is computed from published figures.
//!
//! | a viewer may choose | from |
//! |---|---|
//! | the report | those for the audience that read daily figures alone |
//! | the period | whole days; a series by day, week or month |
//! | one filter | `COLUMN=VALUE` with a column of [`FILTER_COLUMNS`] |
//! | the comparison | another period, which is a sum of published days as well |
//! | the limit | any number of rows |

use super::catalogue::{Purpose, Report};
use super::error::{NotPublished, ReportError};
use super::filter::Filter;
use super::query::filtered::FilteredTable;
use super::request::ReportRequest;
use crate::store::Client;
use crate::store::schema::{self, EVENT_FILTERS, VISIT_FILTERS};

/// Columns that viewers may filter by, and the dimensions of `daily_published` that they stand for.
const FILTER_COLUMNS: [(&str, &str); 8] = [
    ("path", "page"),
    ("name", "event"),
    ("source", "source"),
    ("channel", "channel"),
    ("utm_campaign", "campaign"),
    ("country", "country"),
    ("browser", "browser"),
    ("device", "device"),
];
/// The dimension of totals.
const TOTAL: &str = "total";
/// Tables of exact rows, emptied, with the columns that reports for the audience read.
const NO_ROWS: &str = "events AS (SELECT '' AS site, now64(3) AS time, toUInt64(0) AS visitor, '' AS kind, '' AS bot WHERE false),\n    \
                       visits AS (SELECT '' AS site, today() AS day, now() AS start, toUInt64(0) AS visitor, 0 AS views, false AS bounce, \
                       0 AS duration_s, '' AS bot WHERE false)";

/// Whether a report has published figures, at least without a filter.
pub(crate) fn is_published(report: &Report) -> bool {
    report.purpose == Purpose::Audience
        && !report.dimensions.is_empty()
        && report.dimensions.iter().all(|dimension| schema::is_published(dimension.name))
}

/// The columns that viewers may filter by.
pub(crate) fn filter_columns() -> impl Iterator<Item = &'static str> {
    FILTER_COLUMNS.iter().map(|(column, _)| *column)
}

/// Whether a viewer may use a filter, at least for some reports.
pub(crate) fn is_filter(filter: &Filter) -> bool {
    dimension_and_value(filter).is_some()
}

/// Whether a parameter of a report is of use to a viewer.
pub(crate) fn takes(report: &Report, parameter: &str) -> bool {
    report.takes(parameter) && parameter != "bots"
}

/// Refuses a request that is not answered from published figures.
pub(super) fn check(request: &ReportRequest) -> Result<(), ReportError> {
    let ReportRequest { report, filters, by, bots, .. } = request;
    let refuse = |what: NotPublished| Err(what.into());
    if !is_published(report) {
        let is_of = |names: &str| report.dimensions.iter().any(|dimension| dimension.name.starts_with(names));
        return refuse(if is_of("hour") {
            NotPublished::Hours
        } else if report.dimensions.is_empty() || is_of("scroll") {
            NotPublished::OfEvents(report.name)
        } else {
            NotPublished::OfFewVisitors(report.name)
        });
    }
    if *by == Some("hour") {
        return refuse(NotPublished::Hours);
    }
    if *bots {
        return refuse(NotPublished::Bots);
    }
    match &filters[..] {
        [] => Ok(()),
        [filter] => check_filter(report, filter),
        _ => refuse(NotPublished::SeveralFilters),
    }
}

fn check_filter(report: &'static Report, filter: &Filter) -> Result<(), ReportError> {
    let Some((of_filter, _)) = dimension_and_value(filter) else {
        let columns = FILTER_COLUMNS.map(|(column, _)| column).join(", ");
        return Err(NotPublished::FilterForm { columns }.into());
    };
    let is_in_pairs = |dimension: &str| {
        let (of_visits, of_events) = (VISIT_FILTERS.contains(&dimension), EVENT_FILTERS.contains(&dimension));
        dimension == TOTAL || of_visits || (of_events && !EVENT_FILTERS.contains(&of_filter))
    };
    match report
        .dimensions
        .iter()
        .find(|dimension| !is_in_pairs(dimension.name) || dimension.name == of_filter)
    {
        None => Ok(()),
        Some(_) => {
            let others = match EVENT_FILTERS.contains(&of_filter) {
                true => " and those of visits",
                false => ", pages, events and those of visits",
            };
            let (report, filter) = (report.name, filter.to_string());
            Err(NotPublished::UnderFilter { report, filter, others }.into())
        }
    }
}

/// The dimension and the value that a filter keeps, if it is one that a viewer may use.
fn dimension_and_value(filter: &Filter) -> Option<(&'static str, &str)> {
    let (column, value) = filter.only_value()?;
    let (_, dimension) = FILTER_COLUMNS.into_iter().find(|(known, _)| *known == column)?;
    Some((dimension, value))
}

/// The query `body` of a report over published figures, and the values of the filter's parameters. The request was checked.
pub(super) fn query(body: &str, request: &ReportRequest, client: &Client) -> (String, Vec<(String, String)>) {
    let filter = request.filters.first().and_then(dimension_and_value);
    let (filter, value) = filter.unwrap_or_default();
    let days = FilteredTable::Visits.period(body.contains("{before:"));
    // For today only totals are published. In other reports today would raise the totals that shares are computed from, and add no rows.
    let open = if request.report.is_totals { "" } else { "\n        AND NOT is_open" };
    let tables = format!(
        "WITH\n    {NO_ROWS},\n    daily AS (SELECT *, false AS bots FROM {}.daily_published\n        \
         WHERE {days}{open}\n        \
         AND filter = {{filter:String}} AND filter_value = {{filter_value:String}})",
        client.database()
    );
    let sql = match body.strip_prefix("WITH") {
        Some(rest) => format!("{tables},{rest}"),
        None => format!("{tables}\n{body}"),
    };
    (sql, vec![("filter".to_owned(), filter.to_owned()), ("filter_value".to_owned(), value.to_owned())])
}

/// The days of a request that are published, and whether one of them is open.
pub(super) async fn published_days(
    request: &ReportRequest,
    client: &Client,
) -> Result<(u64, bool), ReportError> {
    let filter = request.filters.first().and_then(dimension_and_value);
    let (filter, value) = filter.unwrap_or_default();
    let sql = "SELECT uniqExact(day), max(is_open) FROM daily_published \
               WHERE site = {site:String} AND day BETWEEN {from:Date} AND {to:Date} AND filter = {filter:String} \
               AND filter_value = {value:String} AND dimension = 'total'";
    let query = client.query(sql).param("site", &request.site).param("filter", filter).param("value", value);
    let query =
        query.param("from", request.period.from().to_string()).param("to", request.period.to().to_string());
    Ok(query.fetch_one::<(u64, bool)>().await?)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::report::catalogue;
    use crate::report::{RawReportRequest, Reports};

    fn reports() -> Reports {
        let store = crate::config::StoreConfig::embedded(([127, 0, 0, 1], 1).into());
        Reports::new(Client::new(&store), TimeZone::UTC, &["clinic"]).unwrap().protected()
    }

    fn ask(report: &str, filters: &[&str]) -> RawReportRequest {
        let filters = filters.iter().map(|filter| (*filter).to_owned()).collect();
        RawReportRequest { report: report.to_owned(), filters, ..RawReportRequest::default() }
    }

    #[test]
    fn a_query_of_a_viewer_names_no_table_but_the_published_one() {
        for report in catalogue::all() {
            let Ok(request) = reports().parse(&ask(report.name, &[])) else { continue };
            let (sql, _) = reports().query(&request);
            let tables: Vec<&str> = sql
                .split("FROM ")
                .skip(1)
                .map(|rest| {
                    rest.split(|letter: char| letter.is_whitespace() || letter == ')').next().unwrap()
                })
                .filter(|table| !table.starts_with('('))
                .collect();
            let known = ["footfall.daily_published", "daily", "events", "visits"];
            let is_known = |table: &&str| known.contains(table) || table.starts_with("numbers(");
            assert!(tables.iter().all(is_known), "{}: {tables:?}", report.name);
            assert!(sql.contains("events AS (SELECT '' AS site"), "{sql}");
        }
    }

    #[test]
    fn a_viewer_reads_reports_of_the_audience_by_the_day() {
        let refused: Vec<&str> = catalogue::all()
            .iter()
            .filter(|report| report.purpose == Purpose::Audience)
            .filter(|report| reports().parse(&ask(report.name, &[])).is_err())
            .map(|report| report.name)
            .collect();
        let unpublished = [
            "realtime",
            "scroll",
            "referring-pages",
            "utm-sources",
            "utm-mediums",
            "utm-contents",
            "utm-terms",
            "hours",
            "props",
            "goals",
            "funnel",
        ];
        assert_eq!(refused, unpublished);
        let is_read = |report: &Report| reports().parse(&ask(report.name, &[])).is_ok();
        assert!(
            !catalogue::all().iter().any(|report| report.purpose == Purpose::Diagnostics && is_read(report))
        );
        let hourly = RawReportRequest { by: Some("hour".to_owned()), ..ask("timeseries", &[]) };
        assert!(matches!(reports().parse(&hourly), Err(ReportError::NotPublished(_))));
        for comparison in ["previous", "year", "weekdays"] {
            let compare = RawReportRequest { compare: Some(comparison.to_owned()), ..ask("overview", &[]) };
            reports().parse(&compare).unwrap();
        }
        let bots = RawReportRequest { bots: true, ..ask("pages", &[]) };
        assert!(matches!(reports().parse(&bots), Err(ReportError::NotPublished(_))));
    }

    #[test]
    fn a_viewer_may_use_one_filter_with_one_value_of_a_published_column() {
        for (report, filter) in [
            ("overview", "path=/x"),
            ("timeseries", "name=booking"),
            ("pages", "country=RU"),
            ("events", "utm_campaign=spring"),
            ("browsers", "path=/x"),
            ("devices", "source="),
            ("channels", "device=mobile"),
        ] {
            reports()
                .parse(&ask(report, &[filter]))
                .unwrap_or_else(|error| panic!("{report} {filter}: {error}"));
        }
        for (report, filters) in [
            ("overview", &["country=RU", "browser=Chrome"][..]),
            ("overview", &["country=RU", "country=RU"]),
            ("overview", &["country!=RU"]),
            ("overview", &["country=RU|KZ"]),
            ("overview", &["path~/x"]),
            ("overview", &["city=Moscow"]),
            ("overview", &["visitor=00000000000000ff"]),
            ("overview", &["page_load=00000000000000ff"]),
            ("overview", &["time>=2026-11-22T10:00:00Z"]),
            ("overview", &["props.doctor=Ivanov"]),
            ("overview", &["entry_path=/x"]),
            ("overview", &["engaged_ms>1"]),
            ("overview", &["bot=Googlebot"]),
            ("overview", &["device=bot"]),
            ("pages", &["path=/x"]),
            ("pages", &["name=booking"]),
            ("events", &["path=/x"]),
            ("countries", &["country=RU"]),
            ("cities", &["country=RU"]),
            ("entries", &["source=Google"]),
            ("ads", &["source=Google"]),
        ] {
            let refused = reports().parse(&ask(report, filters));
            assert!(
                matches!(refused, Err(ReportError::NotPublished(_))),
                "{report} {filters:?}: {refused:?}"
            );
        }
    }
}
