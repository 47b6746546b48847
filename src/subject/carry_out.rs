//! Carries out requests, one after another: those of operators first, because anybody can press the button of the visitor's page.
//!
//! 1. The request is in its file, and new events of its visitor are not accepted (blocking, erasing).
//! 2. Wait until every event that was accepted before is shipped.
//! 3. Erasing: rewrite the files in quarantine that have the visitor's events ([`spool`](crate::spool)).
//! 4. Write the days that have such events into the file.
//! 5. Change the rows of the store, and compute these days again ([`store::subject`](crate::store::subject)).
//! 6. Search everywhere. If something is found, begin again with step 2.
//! 7. Write a row of the audit, and wait until it is durable.
//! 8. Write into the file that it is done. Of a request that is done, the file names no visitor. A block stays in force, and so does an
//!    erasure from the visitor's page until its epoch ends; then it leaves the file.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 to 3 | the next start blocks the visitor before it accepts beacons, and begins with step 2 |
//! | 4, 5 | the same; the days of rows that are gone are in the file, and are computed again |
//! | 6 | the same; nothing is found any more |
//! | 7 | the audit has the request twice, with the same id |
//! | 8 | nothing is left to do |
//!
//! A segment that the store refuses goes into quarantine while step 2 waits: step 3 comes after it, and step 6 searches there. A quarantined
//! segment that an operator requeues later may bring events of a visitor who is blocked: a search a minute finds them, and the block is
//! carried out again.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clickhouse::error::Error;
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::error::SubjectError;
use super::request::{RequestState, SubjectAction, SubjectRequest};
use super::service::Subjects;
use crate::error_chain::error_chain;
use crate::privacy::SubjectScope;
use crate::spool::SpoolPlace;
use crate::store::redacted_chain;
use crate::store::subject::SubjectStore;

/// Pause before an attempt is repeated.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// How often visitors who are blocked are searched for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How long one attempt waits until the spool is shipped; then other requests have their turn.
const SHIPPING_TIMEOUT: Duration = Duration::from_secs(10);
/// A longer attempt waits for a store that will not answer. Closing a large day took far less.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const SHIPPING_PAUSE: Duration = Duration::from_millis(50);
/// A computation of a day that began before rows were erased inserts its visits within this time, mostly.
const COMPUTATION_WAIT: Duration = Duration::from_millis(500);
/// Attempts to find nothing, in one go.
const MAX_SEARCHES: u32 = 5;
/// Letters of a cause that the file keeps.
const MAX_CAUSE_LEN: usize = 1_000;

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct SearchResult {
    pub(super) events: u64,
    pub(super) blocked_events: u64,
    pub(super) visits: u64,
    pub(super) waiting_events: u64,
    pub(super) quarantined_events: u64,
    /// Files in quarantine that cannot be read completely.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unreadable_files: Vec<String>,
}

impl Subjects {
    /// Carries out what is open, now and whenever something is accepted, until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut swept = Instant::now();
        loop {
            let round = async {
                if self.store.get().is_none() {
                    return self.accepted.notified().await;
                }
                let is_left = self.carry_out_open().await;
                let pause = if is_left { RETRY_PAUSE } else { SWEEP_INTERVAL };
                let _ = tokio::time::timeout(pause, self.accepted.notified()).await;
                if swept.elapsed() >= SWEEP_INTERVAL {
                    swept = Instant::now();
                    self.sweep().await;
                }
            };
            tokio::select! {
                () = &mut shutdown => return,
                () = round => {}
            }
        }
    }

    /// Returns whether a request is left.
    async fn carry_out_open(&self) -> bool {
        let (mut is_left, mut tried) = (false, HashSet::new());
        // One after another from the list as it is then: another may have ended, or have come before, this one.
        while let Some(request) = self.next(&tried) {
            tried.insert(request.id.clone());
            let attempt = tokio::time::timeout(ATTEMPT_TIMEOUT, self.carry_out(&request)).await;
            match attempt.unwrap_or(Err(SubjectError::Store(Error::TimedOut.into()))) {
                Ok(()) => info!(
                    request = request.id,
                    action = request.action.name(),
                    "request of a visitor carried out"
                ),
                Err(error) => {
                    is_left = true;
                    let cause: String = redacted_chain(&error).chars().take(MAX_CAUSE_LEN).collect();
                    let is_known = request.waits_for.as_ref() == Some(&cause);
                    if !is_known {
                        warn!(
                            request = request.id,
                            error = cause,
                            "request of a visitor not carried out yet; retrying"
                        );
                        // If it cannot be written, the next attempt writes it.
                        let _ = self.change(&request.id, |request| request.waits_for = Some(cause));
                    }
                }
            }
        }
        is_left
    }

    async fn carry_out(&self, request: &SubjectRequest) -> Result<(), SubjectError> {
        let Some(scope) = &request.scope else { return self.finish(&request.id, Value::Null) };
        let store = self.ready_store()?.clone();
        let mut changed = request.completed_events;
        for _ in 0..MAX_SEARCHES {
            self.wait_until_shipped(&request.id).await?;
            self.check_blocks(&store, request, scope).await?;
            if request.action == SubjectAction::Erase {
                self.erase_quarantined(&request.id, scope).await?;
            }
            changed += self.change_rows(&store, request, scope, changed).await?;
            let found = self.search(&store, scope).await?;
            if found.proves(request.action) {
                let request = self.change(&request.id, |request| request.search = json!(found))?;
                self.spool.append_audit(request.action.done(), &request.audit_detail().to_string())?.await?;
                self.blocked_since.lock().remove(&request.id);
                return self.finish(&request.id, json!(found));
            }
            self.blocked_since.lock().remove(&request.id);
        }
        Err(SubjectError::Found(json!(self.search(&store, scope).await?)))
    }

    /// A visitor's own erasure leaves alone what an operator blocks, for example by a cookie that this visitor sends.
    async fn check_blocks(
        &self,
        store: &SubjectStore,
        request: &SubjectRequest,
        scope: &SubjectScope,
    ) -> Result<(), SubjectError> {
        let may_hold = request.is_from_page && self.has_block_on(scope.site());
        if may_hold && store.count(scope).await?.blocked_events > 0 {
            return Err(SubjectError::HeldByBlock);
        }
        Ok(())
    }

    /// Step 2.
    async fn wait_until_shipped(&self, id: &str) -> Result<(), SubjectError> {
        let known = self.blocked_since.lock().get(id).copied();
        let moment = match known {
            Some(moment) => moment,
            None => {
                self.spool.sync_point().await?;
                let moment = Timestamp::now().as_millisecond();
                self.blocked_since.lock().insert(id.to_owned(), moment);
                moment
            }
        };
        let began = Instant::now();
        while !self.spool.has_shipped_until(moment)? {
            if began.elapsed() >= SHIPPING_TIMEOUT {
                return Err(SubjectError::NotShipped);
            }
            self.spool.seal_until(moment);
            tokio::time::sleep(SHIPPING_PAUSE).await;
        }
        Ok(())
    }

    /// Step 3.
    async fn erase_quarantined(&self, id: &str, scope: &SubjectScope) -> Result<(), SubjectError> {
        let (spool, request, scope) = (self.spool.clone(), id.to_owned(), scope.clone());
        let erased = blocking(move || spool.erase_quarantined(&request, &|row| scope.has_row(row))).await?;
        if erased.events > 0 {
            self.change(id, |request| request.quarantined_events += erased.events)?;
        }
        Ok(())
    }

    /// Steps 4 and 5. `before` is the number of events that this attempt has changed already. Returns how many it changes now.
    async fn change_rows(
        &self,
        store: &SubjectStore,
        request: &SubjectRequest,
        scope: &SubjectScope,
        before: u64,
    ) -> Result<u64, SubjectError> {
        let rows = store.count(scope).await?;
        let events = match request.action {
            SubjectAction::Block => rows.events,
            SubjectAction::Unblock => rows.blocked_events,
            SubjectAction::Erase | SubjectAction::Export => rows.events + rows.blocked_events,
        };
        let days = store.days_of(scope).await?;
        let known = self.change(&request.id, |request| {
            request.days.extend(days);
            request.events = request.events.max(before + events);
        })?;
        match request.action {
            SubjectAction::Block => store.block(scope).await?,
            SubjectAction::Unblock => store.unblock(scope).await?,
            SubjectAction::Erase | SubjectAction::Export => store.erase(scope, &request.id).await?,
        };
        self.compute_again(store, request.action, scope, &known.days).await?;
        Ok(events)
    }

    async fn compute_again(
        &self,
        store: &SubjectStore,
        action: SubjectAction,
        scope: &SubjectScope,
        days: &BTreeSet<jiff::civil::Date>,
    ) -> Result<(), SubjectError> {
        // The days of a whole site are due by the number of their events. Its own figures are gone already.
        if !matches!(scope, SubjectScope::Site { .. }) {
            store.compute_again(days).await?;
        }
        if action == SubjectAction::Erase {
            tokio::time::sleep(COMPUTATION_WAIT).await;
            store.erase_figures(scope).await?;
        }
        Ok(())
    }

    /// Searches the store and the spool.
    pub(super) async fn search(
        &self,
        store: &SubjectStore,
        scope: &SubjectScope,
    ) -> Result<SearchResult, SubjectError> {
        let spooled = self.search_spool(scope).await?;
        let rows = store.count(scope).await?;
        let (events, blocked_events, visits) = (rows.events, rows.blocked_events, rows.visits);
        Ok(SearchResult { events, blocked_events, visits, ..spooled })
    }

    /// What the spool has.
    pub(super) async fn search_spool(&self, scope: &SubjectScope) -> Result<SearchResult, SubjectError> {
        let (spool, scope) = (self.spool.clone(), scope.clone());
        let found = blocking(move || {
            let mut found = SearchResult::default();
            let unreadable = spool.visit_events(&mut |place, row| {
                let count = match place {
                    SpoolPlace::Waiting => &mut found.waiting_events,
                    SpoolPlace::Quarantine => &mut found.quarantined_events,
                };
                *count += u64::from(scope.has_row(&row));
            })?;
            Ok(SearchResult { unreadable_files: unreadable, ..found })
        });
        found.await
    }

    /// Opens blocks again whose visitors have events in reports. Forgets requests that are no longer needed.
    async fn sweep(&self) {
        if let Err(error) = self.forget_old() {
            warn!(error = error_chain(&error), "removing old requests of visitors failed; retrying");
        }
        let Ok(store) = self.ready_store() else { return };
        let blocks = self.list().into_iter().filter(|request| request.action == SubjectAction::Block);
        for request in blocks {
            let Some(scope) = request.scope.filter(|_| request.state == RequestState::InForce) else {
                continue;
            };
            match store.count(&scope).await {
                Ok(rows) if rows.events > 0 => {
                    let _ = self.change(&request.id, |request| request.state = RequestState::Open);
                    self.accepted.notify_one();
                }
                Ok(_) => {}
                Err(error) => {
                    warn!(
                        request = request.id,
                        error = redacted_chain(&error),
                        "searching for a blocked visitor failed; retrying"
                    );
                }
            }
        }
    }
}

impl SearchResult {
    /// Whether the search proves that an action is complete.
    fn proves(&self, action: SubjectAction) -> bool {
        let Self { events, blocked_events, visits, waiting_events, quarantined_events, .. } = self;
        match action {
            SubjectAction::Block => events + waiting_events == 0,
            SubjectAction::Unblock => *blocked_events == 0,
            SubjectAction::Erase | SubjectAction::Export => {
                events + blocked_events + visits + waiting_events + quarantined_events == 0
            }
        }
    }
}

/// Runs work that blocks for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::spool::SpoolError> + Send + 'static,
) -> Result<T, SubjectError> {
    Ok(tokio::task::spawn_blocking(work).await.expect("it does not panic and is not aborted")?)
}
