//! Reports over one store: parses requests, runs them (`run.rs`), and adds what the reader must know about the answer (`notes.rs`). It knows neither
//! terminals nor HTTP.

mod notes;
mod run;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::sync::Semaphore;

pub(crate) use self::run::{DURATION, FAILURES};
use super::answer::hints::Hints;
use super::catalogue;
use super::error::ReportError;
use super::filter::Filter;
use super::goals;
use super::protected;
use super::query::{QueryContext, QueryGroup, ReportQuery};
use super::request::limits::MAX_CONCURRENT;
use super::request::period::Period;
use super::request::{self, RawReportRequest, ReportRequest};
use super::usage::UsageAudit;
use crate::config::{Funnel, Goal, Site, Sites};
use crate::store::Client;
use crate::store::days::OpenDays;

/// A row of a report for the audience stands for itself if at least so many visitors were counted in it on one day. All other rows are
/// folded. The sum over several days would not do: it counts one person once a day, because pseudonyms end with the day's key.
pub const K: u32 = 5;

#[derive(Clone)]
pub struct Reports {
    client: Client,
    zone: TimeZone,
    zone_name: String,
    k: u32,
    /// The configured sites, in order. A reload of the configuration replaces them.
    sites: Arc<ArcSwap<Vec<String>>>,
    /// The settings of sites, for their goals and funnels. A reload replaces them, too.
    settings: Arc<ArcSwap<Sites>>,
    /// The only sites that may be named to the reader; `None` if all may.
    restricted_to: Option<Vec<String>>,
    /// Whether the reader is a viewer, who reads published figures alone.
    is_protected: bool,
    /// Records who reads exact figures.
    usage: Option<UsageAudit>,
    permits: Arc<Semaphore>,
    /// Computes open days when reports show them; without it, reports show them as they were last computed.
    open_days: Option<OpenDays>,
}

impl Reports {
    /// Reports over the store of `client`, with days in `zone`. `sites` are the configured sites, in order. If there is only one, a request
    /// need not name it.
    ///
    /// # Errors
    /// When the zone has no name that ClickHouse could know.
    pub fn new(client: Client, zone: TimeZone, sites: &[impl AsRef<str>]) -> Result<Self, ReportError> {
        let zone_name = zone.iana_name().ok_or(ReportError::NamelessZone)?.to_owned();
        let sites: Vec<String> = sites.iter().map(|site| site.as_ref().to_owned()).collect();
        let sites = Arc::new(ArcSwap::from_pointee(sites));
        let settings = Arc::default();
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
        let (restricted_to, is_protected, usage, open_days) = (None, false, None, None);
        Ok(Self {
            client,
            zone,
            zone_name,
            k: K,
            sites,
            settings,
            restricted_to,
            is_protected,
            usage,
            permits,
            open_days,
        })
    }

    /// The same reports, which know the goals and funnels of these sites.
    #[must_use]
    pub fn with_goals_of(self, sites: &Sites) -> Self {
        self.settings.store(Arc::new(sites.clone()));
        self
    }

    /// The same reports, which fold rows of fewer than `k` visitors.
    #[must_use]
    pub fn with_k(mut self, k: u32) -> Self {
        self.k = k;
        self
    }

    /// The same reports, which have open days computed before they show them.
    #[must_use]
    pub fn with_open_days(mut self, open_days: OpenDays) -> Self {
        self.open_days = Some(open_days);
        self
    }

    /// The same reports for a reader who may see only these sites. They name no other site in notes and lists. The caller must refuse
    /// requests for other sites.
    #[must_use]
    pub(crate) fn restricted_to(&self, sites: Option<&[String]>) -> Self {
        Self { restricted_to: sites.map(<[String]>::to_vec), ..self.clone() }
    }

    /// The same reports for a viewer: from published figures alone. A request for more is refused.
    #[must_use]
    pub fn protected(&self) -> Self {
        Self { is_protected: true, ..self.clone() }
    }

    pub(crate) fn is_protected(&self) -> bool {
        self.is_protected
    }

    /// The same reports, which record each use of exact figures. `record` gets the detail for the audit, and must not block.
    #[must_use]
    pub fn with_usage_audit(mut self, record: impl Fn(Value) + Send + Sync + 'static) -> Self {
        self.usage = Some(UsageAudit::new(Arc::new(record)));
        self
    }

    /// Records that `reader` asks for these figures, unless they are published ones.
    pub(crate) fn record_use(&self, reader: &str, requests: &[ReportRequest]) {
        if let Some(usage) = self.usage.as_ref().filter(|_| !self.is_protected) {
            usage.add(reader, requests);
        }
    }

    /// The configured sites, in order.
    pub fn configured_sites(&self) -> Vec<String> {
        self.sites.load().to_vec()
    }

    /// Replaces the configured sites with their goals and funnels, also in the copies of these reports.
    pub fn reload(&self, sites: &Sites) {
        self.sites.store(Arc::new(sites.ids()));
        self.settings.store(Arc::new(sites.clone()));
    }

    /// The goals of a site that may be named to the reader, in the order of the configuration; none of another site.
    pub fn goals(&self, site: &str) -> Vec<Goal> {
        self.setting(site, |site| site.goals.clone())
    }

    /// The funnels of a site, in the same way.
    pub fn funnels(&self, site: &str) -> Vec<Funnel> {
        self.setting(site, |site| site.funnels.clone())
    }

    fn setting<T>(&self, site: &str, read: impl Fn(&Site) -> Vec<T>) -> Vec<T> {
        let is_offered =
            self.restricted_to.as_ref().is_none_or(|sites| sites.iter().any(|offered| offered == site));
        let settings = self.settings.load();
        settings.get(site).filter(|_| is_offered).map_or_else(Vec::new, |site| read(site))
    }

    /// The sites that are offered to the reader.
    pub(crate) fn sites(&self) -> Vec<String> {
        self.restricted_to.clone().unwrap_or_else(|| self.configured_sites())
    }

    /// Rows of fewer visitors are folded.
    pub(super) fn k(&self) -> u32 {
        self.k
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The zone of the reports' days.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub fn timezone(&self) -> &str {
        &self.zone_name
    }

    /// # Errors
    /// With the first thing that is wrong.
    pub fn parse(&self, raw: &RawReportRequest) -> Result<ReportRequest, ReportError> {
        let today = Timestamp::now().to_zoned(self.zone.clone()).date();
        let report = catalogue::find(&raw.report).ok_or_else(|| ReportError::UnknownReport {
            name: raw.report.clone(),
            nearest: catalogue::nearest_name(&raw.report),
        })?;
        request::check_parameters(report, raw)?;
        let named = raw.site.clone().filter(|site| !site.is_empty());
        let only = || if let [one] = &self.sites()[..] { Some(one.clone()) } else { None };
        let site = named.or_else(only);
        let period = if report.takes("from") {
            Period::parse(raw.from.as_deref(), raw.to.as_deref(), today)?
        } else {
            // The last half hour may have begun yesterday.
            Period::parse(Some("2d"), None, today)?
        };
        let filters = request::filters(&raw.filters)?;
        let site = site.ok_or_else(|| ReportError::NoSite("--site, or `site=` in the address".to_owned()))?;
        // What a viewer asks for here is refused in any case, and must not tell which goals there are.
        let has = |kind| report.takes(kind) && !self.is_protected;
        let goals =
            if has("goal") { goals::chosen(self.goals(&site), raw.goal.as_deref())? } else { Vec::new() };
        let funnel =
            if has("funnel") { goals::funnel(self.funnels(&site), raw.funnel.as_deref())? } else { None };
        let request = ReportRequest {
            report,
            site,
            period,
            by: request::by(report, raw.by.as_deref())?,
            limit: request::limit(report, raw.limit.as_deref())?,
            comparison: request::comparison(report, raw.compare.as_deref())?,
            goals,
            funnel,
            bots: raw.bots || filters.iter().any(Filter::wants_bots),
            filters,
        };
        if self.is_protected {
            protected::check(&request)?;
        }
        Ok(request)
    }

    /// Records that `reader` asks for exact summaries of these sites.
    pub(super) fn record_summaries(
        &self,
        reader: &str,
        sites: &[String],
        from: Date,
        to: Date,
        with_errors: bool,
    ) {
        if let Some(usage) = self.usage.as_ref().filter(|_| with_errors || !self.is_protected) {
            usage.add_summaries(reader, sites, from, to);
        }
    }

    /// The query of a request and the values of its parameters, to be pasted into any client.
    pub fn query(&self, request: &ReportRequest) -> (String, Vec<(String, String)>) {
        let group = QueryGroup { requests: vec![(0, request.clone())] };
        let ReportQuery { sql, parameters } = group.query(&self.context());
        (sql, parameters)
    }

    fn hints(&self) -> Hints<'_> {
        let (timezone, restricted_to) = (&*self.zone_name, self.restricted_to.as_deref());
        Hints { client: &self.client, timezone, k: self.k, restricted_to }
    }

    fn context(&self) -> QueryContext<'_> {
        QueryContext {
            timezone: &self.zone_name,
            client: &self.client,
            k: self.k,
            is_protected: self.is_protected,
        }
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
                    "--compare" => raw.compare = value(),
                    "--filter" => raw.filters.extend(value()),
                    "--bots" => raw.bots = true,
                    other => panic!("{}: {other} in {example}", report.name),
                }
            }
            reports.parse(&raw).unwrap_or_else(|error| panic!("{}: {error}", report.name));
        }
    }
}
