//! The list of requests: accepts them durably, and keeps them while they are carried out.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use super::error::SubjectError;
use super::request::{Ground, SubjectAction, SubjectRequest, now};
use super::request_file::{LocalSecret, RequestFile, RequestFileError};
use super::request_list::RequestList;
use crate::ingest::Collector;
use crate::privacy::{Subject, SubjectScope};
use crate::spool::Spool;
use crate::store::subject::SubjectStore;

/// Letters in a ground, a name or a number.
const MAX_TEXT: usize = 1_000;

/// How many requests are not carried out yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingRequests {
    pub requests: usize,
    /// Age of the oldest one.
    pub oldest: Duration,
    /// Visitors who are blocked.
    pub blocked: usize,
}

pub struct Subjects {
    pub(super) collector: Arc<Collector>,
    pub(super) spool: Arc<Spool>,
    pub(super) zone: TimeZone,
    pub(super) store: OnceLock<SubjectStore>,
    /// Notified when a request is accepted.
    pub(super) accepted: Notify,
    /// Since when no new events of a request's visitor are accepted, Unix ms.
    pub(super) blocked_since: Mutex<HashMap<String, i64>>,
    local_secret: LocalSecret,
    file: RequestFile,
    /// Readers do not wait for the disk.
    requests: ArcSwap<RequestList>,
    /// Held while the requests, their file and the list of blocked visitors change.
    changing: Mutex<()>,
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
    ) -> Result<Arc<Self>, RequestFileError> {
        let file = RequestFile::new(data);
        let mut requests = RequestList::new(file.read()?);
        requests.forget_old(collector.privacy().keys().status().epoch);
        let subjects = Self {
            collector,
            spool,
            zone,
            store: OnceLock::new(),
            accepted: Notify::new(),
            blocked_since: Mutex::default(),
            local_secret: LocalSecret::create(data)?,
            file,
            requests: ArcSwap::from_pointee(requests),
            changing: Mutex::default(),
        };
        subjects.apply_blocks(&subjects.requests.load());
        Ok(Arc::new(subjects))
    }

    /// Whether somebody who sends this may read the collector's data directory.
    pub fn is_local_secret(&self, given: &[u8]) -> bool {
        self.local_secret.matches(given)
    }

    /// Gives it the store, whose tables exist.
    pub fn set_store(&self, store: SubjectStore) {
        let _ = self.store.set(store);
        self.accepted.notify_one();
    }

    /// Accepts a request. When this returns, it is on disk, and no new events of a visitor who is blocked or erased are stored. A repeated
    /// request returns the one that does the same already. It blocks for the disk.
    ///
    /// # Errors
    /// When the ground or the operator is missing, the visitor to unblock is not blocked, another action than erasing names a
    /// whole site, too many requests are open, or the disk fails.
    pub fn accept(
        &self,
        action: SubjectAction,
        scope: SubjectScope,
        ground: Ground,
    ) -> Result<SubjectRequest, SubjectError> {
        check(&ground)?;
        self.accept_checked(action, scope, ground, false)
    }

    /// Accepts an erasure that was requested on the visitor's page. It keeps the visitor blocked until the epoch ends. Anybody can send
    /// such a request, so few are accepted, and none for a visitor whom an operator blocks. It blocks for the disk.
    ///
    /// # Errors
    /// When an operator blocks the visitor, when there are too many, or when the disk fails.
    pub fn erase_from_page(&self, subject: Subject) -> Result<SubjectRequest, SubjectError> {
        let ground = Ground {
            ground: "asked on the visitor's page".to_owned(),
            operator: "the visitor".to_owned(),
            ..Ground::default()
        };
        self.accept_checked(SubjectAction::Erase, SubjectScope::Visitor(subject), ground, true)
    }

    fn accept_checked(
        &self,
        action: SubjectAction,
        scope: SubjectScope,
        ground: Ground,
        is_from_page: bool,
    ) -> Result<SubjectRequest, SubjectError> {
        let _changing = self.changing.lock();
        let mut changed = self.current();
        if let Some(known) = changed.find_same(action, &scope, is_from_page)? {
            return Ok(known.clone());
        }
        if !changed.has_room(is_from_page) {
            return Err(SubjectError::TooMany);
        }
        let request = SubjectRequest::new(new_id(&changed)?, action, scope, ground, is_from_page);
        changed.push(request.clone());
        if !self.file.has_room(changed.as_slice())? {
            return Err(SubjectError::TooMany);
        }
        self.replace(changed)?;
        self.accepted.notify_one();
        Ok(request)
    }

    /// Every request that is not done, or was done in the last 90 days; the oldest first.
    pub fn list(&self) -> Vec<SubjectRequest> {
        self.requests.load().as_slice().to_vec()
    }

    /// The next request to carry out that was not tried.
    pub(super) fn next(&self, tried: &HashSet<String>) -> Option<SubjectRequest> {
        self.requests.load().next(tried).cloned()
    }

    /// Whether an operator blocks somebody of the site.
    pub(super) fn has_block_on(&self, site: &str) -> bool {
        self.requests.load().has_block_on(site)
    }

    /// Counts requests that are not carried out yet, for the metrics.
    pub fn waiting(&self) -> WaitingRequests {
        let requests = self.requests.load();
        let requests = requests.as_slice();
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
        self.requests.load().get(id).cloned()
    }

    /// Ends an export whose answer has arrived.
    ///
    /// # Errors
    /// When the export does not exist, or the disk fails.
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
        let _changing = self.changing.lock();
        let mut changed = self.current();
        let request = changed.get_mut(id)?;
        change(request);
        let request = request.clone();
        self.replace(changed)?;
        Ok(request)
    }

    /// Ends a request, and with it the earlier blocks of the same visitor if it unblocked or erased them.
    pub(super) fn finish(&self, id: &str, search: Value) -> Result<(), SubjectError> {
        let _changing = self.changing.lock();
        let mut changed = self.current();
        changed.finish(id, search, &now())?;
        // Of an epoch that has ended, nobody needs to be blocked.
        changed.forget_old(self.epoch());
        self.replace(changed)
    }

    /// Removes requests that are no longer needed from the file.
    pub(super) fn forget_old(&self) -> Result<(), SubjectError> {
        let _changing = self.changing.lock();
        let changed = self.current();
        if changed.as_slice().len() == self.requests.load().as_slice().len() {
            return Ok(());
        }
        self.replace(changed)
    }

    /// A copy to change, without requests that are no longer needed.
    fn current(&self) -> RequestList {
        let mut requests = RequestList::clone(&self.requests.load());
        requests.forget_old(self.epoch());
        requests
    }

    pub(super) fn epoch(&self) -> u32 {
        self.collector.privacy().keys().status().epoch
    }

    fn replace(&self, changed: RequestList) -> Result<(), SubjectError> {
        self.file.write(changed.as_slice())?;
        self.apply_blocks(&changed);
        self.requests.store(Arc::new(changed));
        Ok(())
    }

    fn apply_blocks(&self, requests: &RequestList) {
        let blocked = requests.as_slice().iter().filter(|request| request.blocks());
        let scopes = blocked.filter_map(|request| request.scope.as_ref());
        self.collector.privacy().blocked_subjects().replace(scopes);
    }

    pub(super) fn ready_store(&self) -> Result<&SubjectStore, SubjectError> {
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

/// An id that no known request has: it stands for 32 random bits.
fn new_id(known: &RequestList) -> Result<String, SubjectError> {
    unused_id(known, || getrandom::u32().map_err(|_| SubjectError::Random))
}

fn unused_id(
    known: &RequestList,
    mut random: impl FnMut() -> Result<u32, SubjectError>,
) -> Result<String, SubjectError> {
    loop {
        let id = format!("{:08x}", random()?);
        if known.get(&id).is_none() {
            return Ok(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_a_request_has_is_drawn_again() {
        let scope = SubjectScope::Site { site: "clinic".into() };
        let known =
            SubjectRequest::new("00000007".into(), SubjectAction::Erase, scope, Ground::default(), false);
        let mut numbers = [7, 7, 8].into_iter();
        let id = unused_id(&RequestList::new(vec![known]), || numbers.next().ok_or(SubjectError::Random));
        assert_eq!(id.unwrap(), "00000008");
    }
}
