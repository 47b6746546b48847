//! What is asked for in, an [`Answer`] out: parses requests, runs the query, and says what the reader must know of the
//! answer. It knows neither terminals nor HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::catalogue::{self, Column, Purpose, Report};
use super::filter::{Filter, FilterError};
use super::period::{Period, PeriodError};
use super::source;
use crate::store::Client;

/// The reports over one store.
#[derive(Clone)]
pub struct Reports {
    client: Client,
    zone: TimeZone,
    zone_name: String,
    k: u32,
    /// The configured sites, in order.
    sites: Vec<String>,
    /// The sites that may be named to who asks; `None` when all may.
    kept_to: Option<Vec<String>>,
    /// For reports that are made at once.
    places: Arc<Semaphore>,
}

/// A request as users write it.
#[derive(Debug, Clone, Default)]
pub struct RawAsk {
    /// Name of the report.
    pub report: String,
    /// Site id; may be absent where there is but one site.
    pub site: Option<String>,
    /// First day: a date or a word.
    pub from: Option<String>,
    /// Last day: a date or a word.
    pub to: Option<String>,
    /// Filters, all of which must hold.
    pub filters: Vec<String>,
    /// What to break the report down by, where it can.
    pub by: Option<String>,
    /// Most rows.
    pub limit: Option<String>,
    /// Count bots too.
    pub bots: bool,
}

/// A request that makes sense.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The report.
    pub report: &'static Report,
    /// Site id.
    pub site: String,
    /// Its days.
    pub period: Period,
    /// Filters, all of which must hold.
    pub filters: Vec<Filter>,
    /// The value of the report's parameter `by`, if it has one.
    pub by: Option<&'static str>,
    /// Most rows.
    pub limit: u32,
    /// Count bots too: asked for, or implied by a filter that only bots pass.
    pub bots: bool,
}

/// A report's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked.
    pub ask: Ask,
    /// The zone of its days and times.
    pub timezone: String,
    /// Rows in the order of the report's columns.
    pub rows: Vec<Vec<Value>>,
    /// What the reader must know: folded rows, cut rows, an unknown site.
    pub notes: Vec<String>,
    /// What it took.
    pub cost: Cost,
}

/// What a query took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// From the question to the last row.
    pub elapsed: Duration,
    /// Rows that ClickHouse read, where it told.
    pub rows: Option<u64>,
    /// Bytes that ClickHouse read, uncompressed, where it told.
    pub bytes: Option<u64>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No report of this name.
    #[error("no report {name:?}{}", .nearest.map_or(String::new(), |known| format!("; did you mean {known}?")))]
    UnknownReport {
        /// The name as given.
        name: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// Several sites to choose from.
    #[error("which site? name one of {0}")]
    NoSite(String),
    /// Days that make no sense.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// A filter that makes no sense.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The report cannot be broken down like that.
    #[error("{0}")]
    By(String),
    /// Not a number of rows.
    #[error("limit {0:?} is not a number of rows from 1 to {MAX_ROWS}")]
    Limit(String),
    /// The configured zone has no name that ClickHouse would know.
    #[error("the configured time zone has no IANA name; set `timezone` to one like Europe/Moscow")]
    NamelessZone,
    /// More filters than any use.
    #[error("at most {MAX_FILTERS} filters")]
    TooManyFilters,
    /// Others are being made, and take long.
    #[error("{MOST_AT_ONCE} other reports are being made; try again in a moment")]
    Busy,
    /// The store did not answer, or refused.
    #[error("the store did not answer")]
    Store(#[from] clickhouse::error::Error),
    /// The store's answer is not what its format promises.
    #[error("the store's answer makes no sense: {0}")]
    Nonsense(String),
}

impl ReportError {
    /// Whether the request was wrong, and not the store.
    pub fn is_request(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Nonsense(_) | Self::NamelessZone | Self::Busy)
    }
}

/// Reports that are made at once: each holds its rows in the memory of the process that takes beacons.
const MOST_AT_ONCE: usize = 4;
/// How long a report waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Rows shown when no limit is given.
const DEFAULT_ROWS: u32 = 20;
/// Most rows of one answer, which is held in memory: a year of hours fits.
const MAX_ROWS: u32 = 100_000;
/// Most filters of one request.
const MAX_FILTERS: usize = 32;
/// What a folded row is called in the reports.
const OTHER: &str = "(other)";

impl Reports {
    /// Reports over `client`, with days in `zone`. `sites` are the configured ones: a single one may be left unnamed.
    ///
    /// # Errors
    /// When the zone has no name that ClickHouse knows.
    pub fn new(client: Client, zone: TimeZone, sites: &[&str]) -> Result<Self, ReportError> {
        let zone_name = zone.iana_name().ok_or(ReportError::NamelessZone)?.to_owned();
        let mut sites: Vec<String> = sites.iter().map(|site| (*site).to_owned()).collect();
        sites.sort_unstable();
        Ok(Self {
            client,
            zone,
            zone_name,
            k: super::K,
            sites,
            kept_to: None,
            places: Arc::new(Semaphore::new(MOST_AT_ONCE)),
        })
    }

    /// The same, folding rows of fewer than `k` visitors.
    #[must_use]
    pub fn with_k(mut self, k: u32) -> Self {
        self.k = k;
        self
    }

    /// The same, for somebody who may see these sites alone. It names no other; that no other is read is the caller's to see to.
    #[must_use]
    pub(crate) fn kept_to(&self, sites: Option<&[String]>) -> Self {
        Self { kept_to: sites.map(<[String]>::to_vec), ..self.clone() }
    }

    /// The sites that reports are offered for: those that the reader is kept to, else the configured ones.
    pub(crate) fn sites(&self) -> &[String] {
        self.kept_to.as_deref().unwrap_or(&self.sites)
    }

    /// The site of a request that names none, when there is only one.
    fn only_site(&self) -> Option<String> {
        match self.sites() {
            [one] => Some(one.clone()),
            _ => None,
        }
    }

    /// The store.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The zone of days and times.
    pub fn timezone(&self) -> &str {
        &self.zone_name
    }

    /// Makes sense of a request.
    ///
    /// # Errors
    /// With the first thing that makes none.
    pub fn parse(&self, raw: &RawAsk) -> Result<Ask, ReportError> {
        let today = jiff::Timestamp::now().to_zoned(self.zone.clone()).date();
        let report = catalogue::find(&raw.report).ok_or_else(|| ReportError::UnknownReport {
            name: raw.report.clone(),
            nearest: catalogue::nearest(&raw.report),
        })?;
        let site = raw.site.clone().filter(|site| !site.is_empty()).or_else(|| self.only_site());
        if raw.filters.len() > MAX_FILTERS {
            return Err(ReportError::TooManyFilters);
        }
        let period = if report.takes("from") {
            Period::parse(raw.from.as_deref(), raw.to.as_deref(), today)?
        } else {
            // Half an hour ago may have been yesterday.
            Period::parse(Some("2d"), None, today)?
        };
        let filters = raw.filters.iter().map(|text| Filter::parse(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(Ask {
            report,
            site: site.ok_or_else(|| ReportError::NoSite("--site, or `site=` in the address".to_owned()))?,
            period,
            by: by(report, raw.by.as_deref())?,
            limit: limit(report, raw.limit.as_deref())?,
            bots: raw.bots || filters.iter().any(Filter::wants_bots),
            filters,
        })
    }

    /// Runs a report.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub async fn run(&self, ask: Ask) -> Result<Answer, ReportError> {
        // It is never closed: an error is that of the time.
        let place = tokio::time::timeout(LONGEST_WAIT, self.places.acquire()).await;
        let _place = place.map_err(|_| ReportError::Busy)?;
        let began = Instant::now();
        let (rows, mut cost) = self.rows(&ask).await?;
        cost.elapsed = began.elapsed();
        let mut answer = Answer { ask, timezone: self.zone_name.clone(), rows, notes: Vec::new(), cost };
        answer.cut();
        self.withhold(&mut answer);
        self.note_folded(&mut answer);
        self.note_unknown_site(&mut answer).await?;
        Ok(answer)
    }

    /// The query of a request and the values of its parameters, to paste into any client.
    pub fn query(&self, ask: &Ask) -> (String, Vec<(String, String)>) {
        let (sql, bound) = source::filtered(ask.report.sql, &ask.filters, self.client.database());
        let known = [
            ("site", ask.site.clone()),
            ("from", ask.period.from().to_string()),
            ("to", ask.period.to().to_string()),
            ("timezone", self.zone_name.clone()),
            // One more than is shown tells whether there are more.
            ("limit", (ask.limit + 1).to_string()),
            ("k", self.k.to_string()),
            ("by", ask.by.unwrap_or("").to_owned()),
            ("bots", ask.bots.to_string()),
        ];
        let known = known.into_iter().map(|(name, value)| (name.to_owned(), value));
        let used = known.filter(|(name, _)| sql.contains(&format!("{{{name}:")));
        let parameters = used.chain(bound).collect();
        (sql, parameters)
    }

    /// The rows that the store answers, at most one over the limit.
    async fn rows(&self, ask: &Ask) -> Result<(Vec<Vec<Value>>, Cost), ReportError> {
        let (sql, parameters) = self.query(ask);
        // With the answer held back until the query ends, a failure comes as one and the cost is whole.
        let query = parameters
            .iter()
            .fold(self.client.query(&sql), |query, (name, value)| query.param(name, value))
            .with_setting("wait_end_of_query", "1");
        let mut cursor = query.fetch_bytes("JSONCompactEachRowWithNames")?;
        let bytes = cursor.collect().await?;
        let summary = cursor.summary();
        let cost = Cost {
            elapsed: Duration::ZERO,
            rows: summary.and_then(clickhouse::QuerySummary::read_rows),
            bytes: summary.and_then(clickhouse::QuerySummary::read_bytes),
        };
        Ok((read_rows(&bytes, &ask.report.columns)?, cost))
    }

    /// Under filters even a total may be of one visitor, and so may an hour of a series: such rows are not shown.
    fn withhold(&self, answer: &mut Answer) {
        let report = answer.ask.report;
        let folds = report.takes("k") || report.purpose == Purpose::Diagnostics;
        if folds || answer.ask.filters.is_empty() || answer.rows.is_empty() {
            return;
        }
        let Some(at) = report.columns.iter().position(|column| column.name == "visitors") else { return };
        let before = answer.rows.len();
        answer.rows.retain(|row| {
            row[at].as_u64().is_none_or(|visitors| visitors == 0 || visitors >= u64::from(self.k))
        });
        let is_empty = answer.rows.iter().all(|row| row[at].as_u64() == Some(0));
        if answer.rows.len() < before && is_empty {
            answer.rows.clear();
            answer.notes.push(format!("fewer than {} visitors pass these filters: nothing is shown", self.k));
        } else if answer.rows.len() < before {
            let of = format!("rows with fewer than {} visitors are not shown under filters", self.k);
            answer.notes.push(of);
        }
    }

    fn note_folded(&self, answer: &mut Answer) {
        let folded = answer.rows.iter().flatten().any(|value| value == OTHER);
        if folded && answer.ask.report.takes("k") {
            let of = format!("what had fewer than {} visitors on each day is folded into {OTHER}", self.k);
            answer.notes.push(of);
        }
    }

    /// An answer of nothing may be a slip in the site's name.
    async fn note_unknown_site(&self, answer: &mut Answer) -> Result<(), ReportError> {
        let empty = answer.rows.iter().flatten().all(|value| value.as_f64().unwrap_or(0.0) == 0.0);
        if !empty {
            return Ok(());
        }
        let sql = "SELECT site FROM events GROUP BY site ORDER BY count() DESC LIMIT 20";
        let bytes = self.client.query(sql).fetch_bytes("JSONCompactEachRow")?.collect().await?;
        let sites: Vec<String> = lines(&bytes)
            .filter_map(|line| serde_json::from_slice::<[String; 1]>(line).ok())
            .map(|[site]| site)
            .filter(|site| self.kept_to.as_ref().is_none_or(|kept| kept.contains(site)))
            .collect();
        if sites.contains(&answer.ask.site) {
            return Ok(());
        }
        answer.notes.push(if sites.is_empty() {
            "the store holds no events yet".to_owned()
        } else {
            format!("the store holds no events of site {:?}; it has {}", answer.ask.site, sites.join(", "))
        });
        Ok(())
    }
}

impl Answer {
    /// Drops the row over the limit, and says so.
    fn cut(&mut self) {
        let limit = self.ask.limit as usize;
        if self.rows.len() > limit && self.ask.report.takes("limit") {
            self.rows.truncate(limit);
            self.notes.push(format!("there are more rows than these {limit}"));
        }
    }

    /// The answer as a JSON object.
    pub fn json(&self) -> Value {
        let Ask { report, site, period, filters, by, bots, .. } = &self.ask;
        let columns: Vec<Value> =
            report.columns.iter().map(|column| json!({"name": column.name, "unit": column.unit})).collect();
        let names = || report.columns.iter().map(|column| column.name.to_owned());
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| Value::Object(names().zip(row.iter().cloned()).collect::<Map<_, _>>()))
            .collect();
        let filters: Vec<String> = filters.iter().map(Filter::to_string).collect();
        json!({
            "report": report.name,
            "title": report.title,
            "purpose": report.purpose.name(),
            "site": site,
            "from": period.from().to_string(),
            "to": period.to().to_string(),
            "timezone": self.timezone,
            "by": by,
            "filters": filters,
            "bots": bots,
            "columns": columns,
            "rows": rows,
            "notes": self.notes,
            "credit": report.credit(),
        })
    }

    /// The answer as CSV (RFC 4180) with a line of names.
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let names: Vec<&str> = self.ask.report.columns.iter().map(|column| column.name).collect();
        out.push_str(&names.join(","));
        out.push_str("\r\n");
        for row in &self.rows {
            let fields: Vec<String> = row.iter().map(field).collect();
            out.push_str(&fields.join(","));
            out.push_str("\r\n");
        }
        out
    }
}

/// A value of CSV, quoted where RFC 4180 asks for it. A visitor's text that a spreadsheet would take for a formula gets an apostrophe.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("\"'{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) if text.contains(['"', ',', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn by(report: &'static Report, given: Option<&str>) -> Result<Option<&'static str>, ReportError> {
    match (given, report.by.first()) {
        (None, default) => Ok(default.copied()),
        (Some(_), None) => Err(ReportError::By(format!("report {} takes no `by`", report.name))),
        (Some(given), Some(_)) => {
            let known = report.by.iter().find(|known| **known == given).copied();
            let what =
                || format!("report {} goes by {}, not by {given:?}", report.name, report.by.join(", "));
            known.map(Some).ok_or_else(|| ReportError::By(what()))
        }
    }
}

fn limit(report: &Report, given: Option<&str>) -> Result<u32, ReportError> {
    match given {
        // A series has as many rows as its period.
        None if report.name == "timeseries" => Ok(MAX_ROWS),
        None => Ok(DEFAULT_ROWS),
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_ROWS).contains(limit))
            .ok_or_else(|| ReportError::Limit(text.to_owned())),
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// Rows of `JSONCompactEachRowWithNames`, checked against the columns that the report's header promises.
fn read_rows(bytes: &[u8], columns: &[Column]) -> Result<Vec<Vec<Value>>, ReportError> {
    let mut lines = lines(bytes);
    let nonsense = |error: serde_json::Error| ReportError::Nonsense(error.to_string());
    let names: Vec<String> = serde_json::from_slice(lines.next().unwrap_or(b"[]")).map_err(nonsense)?;
    if !names.iter().map(String::as_str).eq(columns.iter().map(|column| column.name)) {
        return Err(ReportError::Nonsense(format!("columns {}", names.join(", "))));
    }
    lines.map(|line| serde_json::from_slice(line).map_err(nonsense)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn answer(rows: Vec<Vec<Value>>) -> Answer {
        let report = catalogue::find("channels").unwrap();
        Answer {
            ask: Ask {
                report,
                site: "clinic".to_owned(),
                period: Period::new(date(2026, 11, 1), date(2026, 11, 7)).unwrap(),
                filters: Vec::new(),
                by: None,
                limit: 20,
                bots: false,
            },
            timezone: "Europe/Moscow".to_owned(),
            rows,
            notes: Vec::new(),
            cost: Cost::default(),
        }
    }

    #[test]
    fn csv_quotes_what_would_end_a_field() {
        let rows = vec![vec![
            json!("a\"b,c\nd"),
            json!(1),
            json!(2),
            json!(50.5),
            json!(null),
            json!(0),
            json!("x"),
        ]];
        let text = answer(rows).csv();
        let (names, row) = text.split_once("\r\n").unwrap();
        assert_eq!(names, "channel,visitors,visits,share,views_per_visit,bounce_rate,visit_duration");
        assert_eq!(row, "\"a\"\"b,c\nd\",1,2,50.5,,0,x\r\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_for_which_there_is_no_place_is_refused_after_a_while() {
        let store = crate::config::StoreConfig::embedded(([127, 0, 0, 1], 1).into());
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let reports = Reports::new(Client::new(&store), zone, &["clinic"]).unwrap();
        let held = reports.places.acquire_many(MOST_AT_ONCE as u32).await.unwrap();
        assert!(matches!(reports.run(answer(Vec::new()).ask).await, Err(ReportError::Busy)));
        drop(held);
        assert!(matches!(reports.run(answer(Vec::new()).ask).await, Err(ReportError::Store(_))));
    }

    #[test]
    fn csv_gives_a_spreadsheet_no_formula_of_a_visitor_s() {
        for text in ["=HYPERLINK(\"https://evil.example\")", "+1", "-1", "@sum", "\t=1", "\r=1"] {
            let field = field(&json!(text));
            assert!(field.starts_with("\"'") && field.ends_with('"'), "{field}");
        }
        assert_eq!(field(&json!(-1)), "-1", "numbers are numbers");
    }

    #[test]
    fn an_answer_whose_columns_are_not_those_of_the_header_is_refused() {
        let columns = &catalogue::find("channels").unwrap().columns;
        assert!(matches!(read_rows(b"[\"channel\"]\n", columns), Err(ReportError::Nonsense(_))));
        assert!(matches!(read_rows(b"", columns), Err(ReportError::Nonsense(_))));
    }
}
