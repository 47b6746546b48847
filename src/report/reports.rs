//! Runs reports over one store: parses requests, runs the query, and adds what the reader must know about the answer. It knows
//! neither terminals nor HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use super::answer::hints::Hints;
use super::answer::{ReportAnswer, age};
use super::catalogue::{self, Purpose};
use super::error::ReportError;
use super::filter::Filter;
use super::goals;
use super::note::Note;
use super::protected;
use super::query::{self, QueryContext, QueryGroup, ReportQuery};
use super::request::limits::MAX_CONCURRENT;
use super::request::period::Period;
use super::request::{self, RawReportRequest, ReportRequest};
use super::usage::UsageAudit;
use crate::config::{Funnel, Goal, Site, Sites};
use crate::store::days::OpenDays;
use crate::store::{ALL_REPLICAS_ARE_STALE, Client, MAX_LAG_S, error_code};

/// A row of a report for the audience stands for itself if at least so many visitors were counted in it on one day. All other rows are
/// folded. The sum over several days would not do: it counts one person once a day, because pseudonyms end with the day's key.
pub const K: u32 = 5;
/// How long a report waits for others to end.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The histogram of the time from a request to its answer, by label `report`.
pub(crate) const DURATION: &str = "footfall_report_duration_seconds";
/// The counter of reports that failed, by label `report`. Requests that are wrong do not count.
pub(crate) const FAILURES: &str = "footfall_report_failures_total";

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

    /// # Errors
    /// When the store cannot be reached or refuses, and when too many reports run for 30 seconds.
    pub async fn run(&self, request: ReportRequest) -> Result<ReportAnswer, ReportError> {
        let mut answers = self.run_all(vec![request]).await?;
        Ok(answers.pop().expect("one request has one answer"))
    }

    /// Runs several reports at once. Breakdowns of the same period, filters and limit are one query, which reads each table once.
    ///
    /// # Errors
    /// As [`Reports::run`], when any of them fails.
    pub async fn run_all(&self, requests: Vec<ReportRequest>) -> Result<Vec<ReportAnswer>, ReportError> {
        let began = Instant::now();
        let today = self.refresh_today(&requests).await;
        let mut answers: Vec<Option<ReportAnswer>> = requests.iter().map(|_| None).collect();
        let mut running = JoinSet::new();
        let groups = query::groups(requests);
        // The queries of one request wait for each other, too.
        let longest_wait = LONGEST_WAIT * u32::try_from(groups.len()).unwrap_or(u32::MAX);
        for group in groups {
            let reports = self.clone();
            running.spawn(async move {
                let names: Vec<_> = group.requests.iter().map(|(_, request)| request.report.name).collect();
                let answers = reports.run_group_without_lag(group, today, longest_wait).await;
                record(&names, began, answers.as_ref().err());
                answers
            });
        }
        while let Some(done) = running.join_next().await {
            for (place, answer) in done.expect("a query does not panic and is not aborted")? {
                answers[place] = Some(answer);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Waits until few enough queries run.
    pub(super) async fn permit(&self) -> Result<SemaphorePermit<'_>, ReportError> {
        // The semaphore is never closed, so an error is that of the timeout.
        let permit = tokio::time::timeout(LONGEST_WAIT, self.permits.acquire()).await;
        permit.ok().and_then(Result::ok).ok_or(ReportError::Busy)
    }

    /// Brings the figures of open days up to date.
    pub(super) async fn refresh_open_days(&self) {
        if let Some(open_days) = &self.open_days {
            open_days.refresh().await;
        }
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

    /// Brings the figures of open days up to date if any of the reports shows them. Returns the time of their computation.
    async fn refresh_today(&self, requests: &[ReportRequest]) -> Option<Timestamp> {
        let now = Timestamp::now().to_zoned(self.zone.clone()).date();
        // Yesterday is open for some minutes.
        let shows = |request: &&ReportRequest| {
            request.shows_days() && request.period.to() >= now.yesterday().unwrap_or(now)
        };
        if !requests.iter().any(|request| shows(&request)) {
            return None;
        }
        if let Some(open_days) = &self.open_days
            && let Some(computed) = open_days.refresh().await
        {
            return Some(computed);
        }
        let sql =
            "SELECT toInt64(toUnixTimestamp64Milli(max(computed))) FROM days FINAL WHERE day = {today:Date}";
        // If the store does not answer, the report's own query says so.
        let latest = self.client.query(sql).param("today", now.to_string()).fetch_one::<i64>().await.ok()?;
        Timestamp::from_millisecond(latest).ok().filter(|computed| *computed > Timestamp::UNIX_EPOCH)
    }

    /// Reads replicas that are up to date. If a shard of a cluster has none, reads those that lag, and the answers say so.
    async fn run_group_without_lag(
        &self,
        group: QueryGroup,
        today: Option<Timestamp>,
        longest_wait: Duration,
    ) -> Result<Vec<(usize, ReportAnswer)>, ReportError> {
        if self.client.cluster().is_none() {
            return self.run_group(group, today, longest_wait).await;
        }
        let fresh = Self { client: self.client.without_lag(), ..self.clone() };
        let url = fresh.client.url().to_owned();
        let mut result = fresh.run_group(group.clone(), today, longest_wait).await;
        if matches!(result, Err(ReportError::Store(clickhouse::error::Error::Network(_)))) {
            // The node has died since the connection was made.
            fresh.client.leave(&url);
            result = fresh.run_group(group.clone(), today, longest_wait).await;
        }
        let mut answers = match result {
            Err(ReportError::Store(error)) if error_code(&error) == Some(ALL_REPLICAS_ARE_STALE) => {
                self.run_group(group, today, longest_wait).await?
            }
            result => return result,
        };
        for (_, answer) in &mut answers {
            answer.notes.push(Note::ReplicasLag { seconds: MAX_LAG_S });
        }
        Ok(answers)
    }

    /// Runs one query and returns the answers with the places of their requests.
    async fn run_group(
        &self,
        group: QueryGroup,
        today: Option<Timestamp>,
        longest_wait: Duration,
    ) -> Result<Vec<(usize, ReportAnswer)>, ReportError> {
        // The semaphore is never closed, so an error is that of the timeout.
        let permit = tokio::time::timeout(longest_wait, self.permits.acquire()).await;
        let _permit = permit.map_err(|_| ReportError::Busy)?;
        let began = Instant::now();
        let (bytes, mut cost) = group.query(&self.context()).run(&self.client).await?;
        cost.elapsed = began.elapsed();
        // Most requests of a group are of one period.
        let mut answers = Vec::new();
        let mut hints: Option<(Period, Vec<Note>)> = None;
        let mut of_days: Option<(Period, (u64, bool))> = None;
        for (rows, (place, request)) in group.rows(&bytes)?.into_iter().zip(group.requests) {
            if self.is_protected && of_days.is_none_or(|(period, _)| period != request.period) {
                let days = protected::published_days(&request, &self.client).await?;
                of_days = Some((request.period, days));
            }
            let published = of_days.map(|(_, days)| days);
            let timezone = self.zone_name.clone();
            let is_published = published.is_some();
            let notes = Vec::new();
            let mut answer = ReportAnswer { request, timezone, rows, is_published, today: None, notes, cost };
            answer.apply_limit();
            if let Some((days, has_today)) = published {
                self.note_published(&mut answer, days, has_today);
                answers.push((place, answer));
                continue;
            }
            answer.notes.extend(goals::note_of_missing(&answer.request));
            self.note_folded(&mut answer);
            if Hints::are_wanted(&answer) {
                let period = answer.request.period;
                let known = hints.take().filter(|(known, _)| *known == period);
                let known = match known {
                    Some((_, notes)) => notes,
                    None => self.hints().notes(&answer.request).await?,
                };
                answer.notes.extend(known.iter().cloned());
                hints = Some((period, known));
            }
            self.suppress(&mut answer);
            self.note_today(&mut answer, today);
            answers.push((place, answer));
        }
        Ok(answers)
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

    /// Says how old the figures of today are, if the answer has today.
    fn note_today(&self, answer: &mut ReportAnswer, computed: Option<Timestamp>) {
        let today = Timestamp::now().to_zoned(self.zone.clone()).date();
        let ReportRequest { period, .. } = &answer.request;
        if !answer.request.shows_days() || !(period.from()..=period.to()).contains(&today) {
            return;
        }
        answer.today = computed;
        answer.notes.push(match computed {
            Some(computed) => Note::TodayIsOld { seconds: age(computed).as_secs() },
            None => Note::TodayIsNotComputed,
        });
    }

    /// Removes rows of few visitors, or of none, from totals and series under filters, because with filters a total may be that of one visitor. Days of few
    /// visitors are left out of longer rows by the query. So nothing tells few visitors from none.
    fn suppress(&self, answer: &mut ReportAnswer) {
        let ReportRequest { report, period, by, filters, .. } = &answer.request;
        let folds = report.takes("k") || report.purpose == Purpose::Diagnostics;
        if folds || filters.is_empty() || answer.rows.is_empty() || self.k <= 1 {
            return;
        }
        let place = |name: &str| report.columns.iter().position(|column| column.name == name);
        let is_few = |row: &[Value], at: usize| row[at].as_u64().unwrap_or(0) < self.k.into();
        let Some(at) = place("visitors") else { return };
        let rows = answer.rows.len();
        answer.rows.retain(|row| !is_few(row, at));
        if answer.rows.is_empty() {
            answer.notes.push(Note::FewVisitors { k: self.k });
            return;
        }
        if answer.rows.len() < rows {
            answer.notes.push(Note::FewVisitorsInRows { k: self.k });
        }
        if period.days() > 1 && *by != Some("hour") {
            answer.notes.push(Note::FewVisitorsOnDays { k: self.k });
        }
        let Some(before) = place("visitors_before") else { return };
        for row in answer.rows.iter_mut().filter(|row| is_few(row, before)) {
            let columns = report.columns.iter().zip(row);
            columns
                .filter(|(column, _)| column.name.ends_with("_before"))
                .for_each(|(_, value)| *value = Value::Null);
            answer.notes.push(Note::FewVisitorsBefore { k: self.k });
        }
    }

    /// Notes that the figures are published ones, and the days that they cover.
    fn note_published(&self, answer: &mut ReportAnswer, published: u64, has_today: bool) {
        let now = Timestamp::now().to_zoned(self.zone.clone()).date();
        let ReportRequest { report, period, filters, .. } = &answer.request;
        answer.notes.push(Note::Published);
        let days = Period::new(period.from(), period.to().min(now)).map_or(0, |period| period.days());
        if published < u64::try_from(days).unwrap_or(0) {
            let filter = filters.first().map(Filter::to_string);
            answer.notes.push(Note::PublishedDays { published, days, filter });
        }
        if has_today && report.is_totals {
            answer.notes.push(Note::PublishedToday);
        }
    }

    fn note_folded(&self, answer: &mut ReportAnswer) {
        if answer.has_folded_rows() && answer.request.report.takes("k") {
            answer.notes.push(Note::Folded { k: self.k });
        }
    }
}

/// Records the end of reports that were requested at `began`.
fn record(names: &[&'static str], began: Instant, error: Option<&ReportError>) {
    for &name in names {
        match error {
            None => metrics::histogram!(DURATION, "report" => name).record(began.elapsed()),
            Some(error) if error.is_request() => {}
            Some(_) => metrics::counter!(FAILURES, "report" => name).increment(1),
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
