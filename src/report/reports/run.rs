//! Runs requests: the queries of one moment wait for each other, and breakdowns that read the same rows are one query.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::SemaphorePermit;
use tokio::task::JoinSet;

use super::Reports;
use crate::report::answer::ReportAnswer;
use crate::report::answer::hints::Hints;
use crate::report::error::ReportError;
use crate::report::note::Note;
use crate::report::query::{self, QueryGroup};
use crate::report::request::ReportRequest;
use crate::report::request::period::Period;
use crate::report::{goals, protected};
use crate::store::{ALL_REPLICAS_ARE_STALE, MAX_LAG_S, error_code};

/// How long a report waits for others to end.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The histogram of the time from a request to its answer, by label `report`.
pub(crate) const DURATION: &str = "footfall_report_duration_seconds";
/// The counter of reports that failed, by label `report`. Requests that are wrong do not count.
pub(crate) const FAILURES: &str = "footfall_report_failures_total";

impl Reports {
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
    pub(in crate::report) async fn permit(&self) -> Result<SemaphorePermit<'_>, ReportError> {
        // The semaphore is never closed, so an error is that of the timeout.
        let permit = tokio::time::timeout(LONGEST_WAIT, self.permits.acquire()).await;
        permit.ok().and_then(Result::ok).ok_or(ReportError::Busy)
    }

    /// Brings the figures of open days up to date.
    pub(in crate::report) async fn refresh_open_days(&self) {
        if let Some(open_days) = &self.open_days {
            open_days.refresh().await;
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
