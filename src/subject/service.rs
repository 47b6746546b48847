//! The list of requests: accepts them durably, and keeps them while they are carried out.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use super::request::{Ground, RequestState, SubjectAction, SubjectRequest};
use super::request_file::{LocalSecret, RequestFile, RequestFileError};
use crate::ingest::Collector;
use crate::privacy::{Subject, SubjectScope};
use crate::spool::{Spool, SpoolError};
use crate::store::days::CloseDayError;
use crate::store::subject::{DestroyedKey, SubjectStore};

/// Requests that are not done. Each is a letter that somebody answers.
const MAX_OPEN: usize = 10_000;
/// Most letters of a ground, a name or a number.
const MAX_TEXT: usize = 1_000;
/// How long a request that is done stays in the list. The audit keeps it.
const KEEP_DONE: SignedDuration = SignedDuration::from_hours(90 * 24);

#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The query is incomplete or contradicts itself.
    #[error("{0}")]
    Query(String),
    #[error("no site {0:?} is configured")]
    UnknownSite(String),
    #[error(
        "this reference code is unknown: it is valid on the day on which the page showed it, until the collector restarts"
    )]
    UnknownReference,
    #[error("no request {0} names a visitor: it is unknown, or done; see `footfall subject list`")]
    UnknownRequest(String),
    #[error("the visitor is not blocked")]
    NotBlocked,
    /// Nothing can be linked: the keys of that day are destroyed.
    #[error(
        "nothing can be linked on {day}: its key is destroyed, so no address, browser or cookie leads to a row of that day"
    )]
    KeyGone { day: Date, destroyed: Vec<DestroyedKey> },
    #[error("too many requests are open; see `footfall subject list`")]
    TooMany,
    #[error("the store is not ready yet")]
    NoStore,
    #[error("events of the spool are not shipped to the store yet")]
    NotShipped,
    #[error("the search still finds events of the visitor: {0}")]
    Found(Value),
    #[error("changing the store failed")]
    Store(#[from] CloseDayError),
    #[error("changing the spool failed")]
    Spool(#[from] SpoolError),
    #[error("writing the file of requests failed")]
    File(#[from] RequestFileError),
    #[error("the operating system gives no random numbers")]
    Random,
}

/// How many requests are not carried out yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingRequests {
    pub requests: usize,
    /// Age of the oldest one.
    pub oldest: Duration,
    /// Visitors who are blocked.
    pub blocked: usize,
}

/// Finds the visitor to whom a page showed a reference code.
pub type FindReference = Box<dyn Fn(&str) -> Option<Subject> + Send + Sync>;

pub struct Subjects {
    pub(super) collector: Arc<Collector>,
    pub(super) spool: Arc<Spool>,
    pub(super) zone: TimeZone,
    pub(super) store: OnceLock<SubjectStore>,
    pub(super) find_reference: FindReference,
    /// Notified when a request is accepted.
    pub(super) accepted: Notify,
    /// Since when no new events of a request's visitor are accepted, Unix ms.
    pub(super) blocked_since: Mutex<HashMap<String, i64>>,
    local_secret: LocalSecret,
    file: RequestFile,
    requests: Mutex<Vec<SubjectRequest>>,
}

impl Subjects {
    /// Reads the requests of earlier runs, and blocks their visitors. Call it before beacons are accepted.
    ///
    /// # Errors
    /// When the file of requests cannot be read: visitors who are blocked must not be stored by mistake.
    pub fn open(
        data: &Path,
        collector: Arc<Collector>,
        spool: Arc<Spool>,
        zone: TimeZone,
        find_reference: FindReference,
    ) -> Result<Arc<Self>, RequestFileError> {
        let file = RequestFile::new(data);
        let requests = file.read()?;
        let subjects = Self {
            collector,
            spool,
            zone,
            store: OnceLock::new(),
            find_reference,
            accepted: Notify::new(),
            blocked_since: Mutex::default(),
            local_secret: LocalSecret::make(data)?,
            file,
            requests: Mutex::new(requests),
        };
        subjects.apply_blocks(&subjects.requests.lock());
        Ok(Arc::new(subjects))
    }

    /// Whether somebody who sends this may read the collector's data directory.
    pub fn is_local_secret(&self, given: &[u8]) -> bool {
        self.local_secret.is(given)
    }

    /// Gives it the store, whose tables exist.
    pub fn set_store(&self, store: SubjectStore) {
        let _ = self.store.set(store);
        self.accepted.notify_one();
    }

    /// Accepts a request. When this returns, it is on disk, and no new events of a visitor who is blocked or erased are stored. Blocking a
    /// visitor who is blocked returns the request that did it. It blocks for the disk.
    ///
    /// # Errors
    /// When the ground or the operator is missing, when a visitor who is not blocked is to be unblocked, or when the disk fails.
    pub fn accept(
        &self,
        action: SubjectAction,
        scope: SubjectScope,
        ground: Ground,
    ) -> Result<SubjectRequest, SubjectError> {
        check(&ground)?;
        let mut requests = self.requests.lock();
        let mut same = requests.iter().filter(|known| known.scope.as_ref() == Some(&scope));
        match action {
            SubjectAction::Block => {
                let known = same.find(|known| known.action == SubjectAction::Block && known.blocks());
                if let Some(known) = known {
                    return Ok(known.clone());
                }
            }
            SubjectAction::Unblock if !same.any(|known| known.action == SubjectAction::Block) => {
                return Err(SubjectError::NotBlocked);
            }
            SubjectAction::Unblock | SubjectAction::Erase | SubjectAction::Export => {}
        }
        if requests.iter().filter(|known| known.state != RequestState::Done).count() >= MAX_OPEN {
            return Err(SubjectError::TooMany);
        }
        let request = SubjectRequest {
            id: format!("{:08x}", getrandom::u32().map_err(|_| SubjectError::Random)?),
            action,
            state: RequestState::Open,
            site: scope.site().to_owned(),
            scope: Some(scope),
            ground,
            accepted: now(),
            done: None,
            days: Default::default(),
            events: 0,
            quarantined_events: 0,
            completed_events: 0,
            search: Value::Null,
            waits_for: None,
        };
        let mut changed = requests.clone();
        changed.retain(is_recent);
        changed.push(request.clone());
        self.replace(&mut requests, changed)?;
        drop(requests);
        self.accepted.notify_one();
        Ok(request)
    }

    /// [`Self::accept`] of the erasure of one visitor.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn erase(&self, subject: Subject, ground: Ground) -> Result<SubjectRequest, SubjectError> {
        self.accept(SubjectAction::Erase, SubjectScope::Visitor(subject), ground)
    }

    /// Every request that is not done, or was done in the last 90 days; the oldest first.
    pub fn list(&self) -> Vec<SubjectRequest> {
        self.requests.lock().clone()
    }

    /// What is not carried out yet, for the metrics.
    pub fn waiting(&self) -> WaitingRequests {
        let requests = self.requests.lock();
        let open = || {
            let open = requests.iter().filter(|request| request.is_open());
            open.filter(|request| request.action != SubjectAction::Export)
        };
        let ages = open().filter_map(|request| {
            let accepted: Timestamp = request.accepted.parse().ok()?;
            Timestamp::now().duration_since(accepted).try_into().ok()
        });
        let is_blocked =
            |request: &&SubjectRequest| request.action == SubjectAction::Block && request.blocks();
        WaitingRequests {
            requests: open().count(),
            oldest: ages.max().unwrap_or_default(),
            blocked: requests.iter().filter(is_blocked).count(),
        }
    }

    pub fn get(&self, id: &str) -> Option<SubjectRequest> {
        self.requests.lock().iter().find(|request| request.id == id).cloned()
    }

    /// Ends an export whose answer has arrived.
    ///
    /// # Errors
    /// When there is no such export, or the disk fails.
    pub fn close_export(&self, id: &str) -> Result<SubjectRequest, SubjectError> {
        let is_export = self.get(id).is_some_and(|request| request.action == SubjectAction::Export);
        if !is_export {
            return Err(SubjectError::UnknownRequest(id.to_owned()));
        }
        self.change(id, |request| request.close(now()))
    }

    /// Changes a request in its file, and then here.
    pub(super) fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut SubjectRequest),
    ) -> Result<SubjectRequest, SubjectError> {
        let mut requests = self.requests.lock();
        let mut changed = requests.clone();
        let request = changed.iter_mut().find(|request| request.id == id);
        let request = request.ok_or_else(|| SubjectError::UnknownRequest(id.to_owned()))?;
        change(request);
        let request = request.clone();
        self.replace(&mut requests, changed)?;
        Ok(request)
    }

    /// Ends a request, and with it the blocks of the same visitor if it unblocked or erased them.
    pub(super) fn finish(&self, id: &str, search: Value) -> Result<(), SubjectError> {
        let mut requests = self.requests.lock();
        let mut changed = requests.clone();
        let request = changed.iter_mut().find(|request| request.id == id);
        let request = request.ok_or_else(|| SubjectError::UnknownRequest(id.to_owned()))?;
        request.search = search;
        request.waits_for = None;
        request.completed_events = request.events;
        let (action, scope) = (request.action, request.scope.clone());
        if action == SubjectAction::Block {
            request.state = RequestState::InForce;
            request.done.get_or_insert(now());
        } else {
            request.close(now());
            let same = changed.iter_mut().filter(|known| known.action == SubjectAction::Block);
            for block in same.filter(|known| known.scope.is_some() && known.scope == scope) {
                block.close(now());
            }
        }
        self.replace(&mut requests, changed)
    }

    fn replace(
        &self,
        requests: &mut Vec<SubjectRequest>,
        changed: Vec<SubjectRequest>,
    ) -> Result<(), SubjectError> {
        self.file.write(&changed)?;
        *requests = changed;
        self.apply_blocks(requests);
        Ok(())
    }

    fn apply_blocks(&self, requests: &[SubjectRequest]) {
        let blocked = requests.iter().filter(|request| request.blocks());
        let scopes = blocked.filter_map(|request| request.scope.as_ref());
        self.collector.privacy().blocked_subjects().replace(scopes);
    }

    pub(super) fn stored(&self) -> Result<&SubjectStore, SubjectError> {
        self.store.get().ok_or(SubjectError::NoStore)
    }
}

fn check(ground: &Ground) -> Result<(), SubjectError> {
    let texts = [&ground.ground, &ground.operator];
    if texts.iter().any(|text| text.trim().is_empty()) {
        return Err(SubjectError::Query(
            "a ground and an operator are needed: the audit keeps them".to_owned(),
        ));
    }
    let all = texts.into_iter().chain(&ground.authority).chain(&ground.number);
    if all.into_iter().any(|text| text.chars().count() > MAX_TEXT) {
        return Err(SubjectError::Query(format!("a ground or a name has at most {MAX_TEXT} letters")));
    }
    Ok(())
}

fn is_recent(request: &SubjectRequest) -> bool {
    let done = request.done.as_deref().and_then(|done| done.parse::<Timestamp>().ok());
    request.state != RequestState::Done || done.is_some_and(|done| done > Timestamp::now() - KEEP_DONE)
}

pub(super) fn now() -> String {
    // Whole seconds: the audit has the time of its row.
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string()
}
