//! Runs reports over one store: parses requests, runs the query, and adds what the reader must know about the answer. It knows
//! neither terminals nor HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::answer::{QueryCost, ReportAnswer, lines, read_rows};
use super::catalogue::{self, Purpose};
use super::error::ReportError;
use super::filter::Filter;
use super::filtered_query;
use super::limits::MAX_CONCURRENT;
use super::period::Period;
use super::request::{self, RawReportRequest, ReportRequest};
use crate::store::Client;

/// A row of a report for the audience stands for itself if at least so many visitors were counted in it on one day. All other rows are
/// folded. The sum over several days would not do: it counts one person once a day, because pseudonyms end with the day's key.
pub const K: u32 = 5;
/// How long a report waits for others to end.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The name of the row that rows of few visitors are folded into.
const OTHER: &str = "(other)";

#[derive(Clone)]
pub struct Reports {
    client: Client,
    zone: TimeZone,
    zone_name: String,
    k: u32,
    /// The configured sites, in order.
    sites: Vec<String>,
    /// The only sites that may be named to the reader; `None` if all may.
    restricted_to: Option<Vec<String>>,
    permits: Arc<Semaphore>,
}

impl Reports {
    /// Reports over the store of `client`, with days in `zone`. `sites` are the configured sites. If there is only one, a request need
    /// not name it.
    ///
    /// # Errors
    /// When the zone has no name that ClickHouse could know.
    pub fn new(client: Client, zone: TimeZone, sites: &[&str]) -> Result<Self, ReportError> {
        let zone_name = zone.iana_name().ok_or(ReportError::NamelessZone)?.to_owned();
        let mut sites: Vec<String> = sites.iter().map(|site| (*site).to_owned()).collect();
        sites.sort_unstable();
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
        Ok(Self { client, zone, zone_name, k: K, sites, restricted_to: None, permits })
    }

    /// The same reports, which fold rows of fewer than `k` visitors.
    #[must_use]
    pub fn with_k(mut self, k: u32) -> Self {
        self.k = k;
        self
    }

    /// The same reports for a reader who may see only these sites. They name no other site in notes and lists. The caller must refuse
    /// requests for other sites.
    #[must_use]
    pub(crate) fn restricted_to(&self, sites: Option<&[String]>) -> Self {
        Self { restricted_to: sites.map(<[String]>::to_vec), ..self.clone() }
    }

    /// The sites that are offered to the reader.
    pub(crate) fn sites(&self) -> &[String] {
        self.restricted_to.as_deref().unwrap_or(&self.sites)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub fn timezone(&self) -> &str {
        &self.zone_name
    }

    /// # Errors
    /// With the first thing that is wrong.
    pub fn parse(&self, raw: &RawReportRequest) -> Result<ReportRequest, ReportError> {
        let today = jiff::Timestamp::now().to_zoned(self.zone.clone()).date();
        let report = catalogue::find(&raw.report).ok_or_else(|| ReportError::UnknownReport {
            name: raw.report.clone(),
            nearest: catalogue::nearest(&raw.report),
        })?;
        let named = raw.site.clone().filter(|site| !site.is_empty());
        let only = || if let [one] = self.sites() { Some(one.clone()) } else { None };
        let site = named.or_else(only);
        let period = if report.takes("from") {
            Period::parse(raw.from.as_deref(), raw.to.as_deref(), today)?
        } else {
            // The last half hour may have begun yesterday.
            Period::parse(Some("2d"), None, today)?
        };
        let filters = request::filters(&raw.filters)?;
        Ok(ReportRequest {
            report,
            site: site.ok_or_else(|| ReportError::NoSite("--site, or `site=` in the address".to_owned()))?,
            period,
            by: request::by(report, raw.by.as_deref())?,
            limit: request::limit(report, raw.limit.as_deref())?,
            bots: raw.bots || filters.iter().any(Filter::wants_bots),
            filters,
        })
    }

    /// # Errors
    /// When the store cannot be reached or refuses, and when too many reports run for 30 seconds.
    pub async fn run(&self, request: ReportRequest) -> Result<ReportAnswer, ReportError> {
        // The semaphore is never closed, so an error is that of the timeout.
        let permit = tokio::time::timeout(LONGEST_WAIT, self.permits.acquire()).await;
        let _permit = permit.map_err(|_| ReportError::Busy)?;
        let began = Instant::now();
        let (rows, mut cost) = self.rows(&request).await?;
        cost.elapsed = began.elapsed();
        let timezone = self.zone_name.clone();
        let mut answer = ReportAnswer { request, timezone, rows, notes: Vec::new(), cost };
        answer.apply_limit();
        self.suppress(&mut answer);
        self.note_folded(&mut answer);
        self.note_unknown_site(&mut answer).await?;
        Ok(answer)
    }

    /// The query of a request and the values of its parameters, to be pasted into any client.
    pub fn query(&self, request: &ReportRequest) -> (String, Vec<(String, String)>) {
        let (sql, bound) = filtered_query::filtered(request.report, &request.filters, self.client.database());
        let known = [
            ("site", request.site.clone()),
            ("from", request.period.from().to_string()),
            ("to", request.period.to().to_string()),
            ("timezone", self.zone_name.clone()),
            // One row more than is shown tells whether there are more.
            ("limit", (request.limit + 1).to_string()),
            ("k", self.k.to_string()),
            ("by", request.by.unwrap_or("").to_owned()),
            ("bots", request.bots.to_string()),
        ];
        let known = known.into_iter().map(|(name, value)| (name.to_owned(), value));
        let used = known.filter(|(name, _)| sql.contains(&format!("{{{name}:")));
        let parameters = used.chain(bound).collect();
        (sql, parameters)
    }

    /// The rows of the store's answer, at most one beyond the limit.
    async fn rows(&self, request: &ReportRequest) -> Result<(Vec<Vec<Value>>, QueryCost), ReportError> {
        let (sql, parameters) = self.query(request);
        // The store sends nothing before the query has ended, so a failure has a status of its own and the cost is complete.
        let query = parameters
            .iter()
            .fold(self.client.query(&sql), |query, (name, value)| query.param(name, value))
            .with_setting("wait_end_of_query", "1");
        let mut cursor = query.fetch_bytes("JSONCompactEachRowWithNames")?;
        let bytes = cursor.collect().await?;
        let summary = cursor.summary();
        let cost = QueryCost {
            elapsed: Duration::ZERO,
            rows: summary.and_then(clickhouse::QuerySummary::read_rows),
            bytes: summary.and_then(clickhouse::QuerySummary::read_bytes),
        };
        Ok((read_rows(&bytes, &request.report.columns)?, cost))
    }

    /// Removes rows of few visitors from totals and series under filters, because with filters a total may be that of one visitor.
    fn suppress(&self, answer: &mut ReportAnswer) {
        let report = answer.request.report;
        let folds = report.takes("k") || report.purpose == Purpose::Diagnostics;
        if folds || answer.request.filters.is_empty() || answer.rows.is_empty() {
            return;
        }
        let Some(at) = report.columns.iter().position(|column| column.name == "visitors") else { return };
        let before = answer.rows.len();
        answer.rows.retain(|row| {
            row[at].as_u64().is_none_or(|visitors| visitors == 0 || visitors >= u64::from(self.k))
        });
        if answer.rows.len() == before {
            return;
        }
        let note = if answer.rows.iter().all(|row| row[at].as_u64() == Some(0)) {
            answer.rows.clear();
            format!("fewer than {} visitors pass these filters: nothing is shown", self.k)
        } else {
            format!("rows with fewer than {} visitors are not shown under filters", self.k)
        };
        answer.notes.push(note);
    }

    fn note_folded(&self, answer: &mut ReportAnswer) {
        let is_folded = answer.rows.iter().flatten().any(|value| value == OTHER);
        if is_folded && answer.request.report.takes("k") {
            let note = format!("what had fewer than {} visitors on each day is folded into {OTHER}", self.k);
            answer.notes.push(note);
        }
    }

    /// Adds a note to an empty answer if the store does not know the site, which may be misspelt.
    async fn note_unknown_site(&self, answer: &mut ReportAnswer) -> Result<(), ReportError> {
        let is_empty = answer.rows.iter().flatten().all(|value| value.as_f64().unwrap_or(0.0) == 0.0);
        if !is_empty {
            return Ok(());
        }
        let sql = "SELECT site FROM events GROUP BY site ORDER BY count() DESC LIMIT 20";
        let bytes = self.client.query(sql).fetch_bytes("JSONCompactEachRow")?.collect().await?;
        let sites: Vec<String> = lines(&bytes)
            .filter_map(|line| serde_json::from_slice::<[String; 1]>(line).ok())
            .map(|[site]| site)
            .filter(|site| self.restricted_to.as_ref().is_none_or(|sites| sites.contains(site)))
            .collect();
        if sites.contains(&answer.request.site) {
            return Ok(());
        }
        answer.notes.push(if sites.is_empty() {
            "the store holds no events yet".to_owned()
        } else {
            let site = &answer.request.site;
            format!("the store holds no events of site {site:?}; it has {}", sites.join(", "))
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_that_gets_no_permit_is_refused_after_a_while() {
        let store = crate::config::StoreConfig::embedded(([127, 0, 0, 1], 1).into());
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let reports = Reports::new(Client::new(&store), zone, &["clinic"]).unwrap();
        let raw = RawReportRequest { report: "channels".to_owned(), ..RawReportRequest::default() };
        let request = reports.parse(&raw).unwrap();
        let held = reports.permits.acquire_many(MAX_CONCURRENT as u32).await.unwrap();
        assert!(matches!(reports.run(request.clone()).await, Err(ReportError::Busy)));
        drop(held);
        assert!(matches!(reports.run(request).await, Err(ReportError::Store(_))));
    }

    #[test]
    fn every_example_of_the_documents_is_a_valid_request() {
        let store = crate::config::StoreConfig::embedded(([127, 0, 0, 1], 1).into());
        let reports = Reports::new(Client::new(&store), TimeZone::UTC, &["clinic"]).unwrap();
        for report in catalogue::all() {
            let Some(example) = report.example else { continue };
            let mut raw = RawReportRequest { report: report.name.to_owned(), ..RawReportRequest::default() };
            let mut words = example.split(' ');
            while let Some(option) = words.next() {
                let mut value = || Some(words.next().expect("a value").to_owned());
                match option {
                    "--from" => raw.from = value(),
                    "--to" => raw.to = value(),
                    "--by" => raw.by = value(),
                    "--limit" => raw.limit = value(),
                    "--filter" => raw.filters.extend(value()),
                    "--bots" => raw.bots = true,
                    other => panic!("{}: {other} in {example}", report.name),
                }
            }
            reports.parse(&raw).unwrap_or_else(|error| panic!("{}: {error}", report.name));
        }
    }
}
