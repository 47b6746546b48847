//! The list of requests, with the rules for accepting, ending and forgetting them. It knows neither the file nor the store.
//!
//! Requests stand in the order in which they were accepted.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::error::SubjectError;
use super::request::{RequestState, SubjectAction, SubjectRequest};
use crate::privacy::SubjectScope;

/// Requests of operators that are not done. Each is a letter that somebody answers.
const MAX_OPEN: usize = 10_000;
/// Erasures that were asked for on the visitor's page and are not carried out. Anybody can ask for them, under many user agents.
const MAX_OPEN_FROM_PAGE: usize = 200;
/// The same with those that are carried out, and keep their visitor blocked until the epoch ends.
const MAX_FROM_PAGE: usize = 2_000;
/// How long a request that is done stays in the list. The audit keeps it.
const KEEP_DONE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Most requests that are done in the list: the last ones.
const MAX_DONE: usize = 1_000;

#[derive(Debug, Clone, Default)]
pub(super) struct RequestList(Vec<SubjectRequest>);

impl RequestList {
    pub(super) fn new(requests: Vec<SubjectRequest>) -> Self {
        Self(requests)
    }

    pub(super) fn as_slice(&self) -> &[SubjectRequest] {
        &self.0
    }

    pub(super) fn get(&self, id: &str) -> Option<&SubjectRequest> {
        self.0.iter().find(|request| request.id == id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Result<&mut SubjectRequest, SubjectError> {
        let found = self.0.iter_mut().find(|request| request.id == id);
        found.ok_or_else(|| SubjectError::UnknownRequest(id.to_owned()))
    }

    /// The request that already does the same, unless a later request of the same visitor undoes it.
    ///
    /// # Errors
    /// When it must not be accepted.
    pub(super) fn find_same(
        &self,
        action: SubjectAction,
        scope: &SubjectScope,
        is_from_page: bool,
    ) -> Result<Option<&SubjectRequest>, SubjectError> {
        if matches!(scope, SubjectScope::Site { .. }) && action != SubjectAction::Erase {
            return Err(SubjectError::Query("a whole site can be erased, and nothing else".to_owned()));
        }
        let same = || self.0.iter().filter(|known| known.scope.as_ref() == Some(scope));
        let is_blocked = same().any(|known| known.action == SubjectAction::Block);
        if action == SubjectAction::Unblock && !is_blocked {
            return Err(SubjectError::NotBlocked);
        }
        if is_from_page && is_blocked {
            return Err(SubjectError::Blocked);
        }
        if action == SubjectAction::Export {
            return Ok(None);
        }
        let mut earlier = same().filter(|known| known.is_from_page == is_from_page);
        let last = earlier.rfind(|known| known.action != SubjectAction::Export);
        Ok(last.filter(|last| last.action == action))
    }

    /// Whether one more may be accepted.
    pub(super) fn has_room(&self, for_page: bool) -> bool {
        let kept = self.0.iter().filter(|known| known.is_from_page == for_page);
        let kept = kept.filter(|known| known.state != RequestState::Done);
        let open = kept.clone().filter(|known| known.is_open()).count();
        match for_page {
            true => open < MAX_OPEN_FROM_PAGE && kept.count() < MAX_FROM_PAGE,
            false => kept.count() < MAX_OPEN,
        }
    }

    pub(super) fn push(&mut self, request: SubjectRequest) {
        self.0.push(request);
    }

    /// Forgets what nobody needs any more: old requests that are done, and what the page kept in force in an epoch before `epoch`.
    pub(super) fn forget_old(&mut self, epoch: u32) {
        let done = self.0.iter().filter(|request| request.state == RequestState::Done).count();
        let mut too_many = done.saturating_sub(MAX_DONE);
        let oldest = Timestamp::now() - KEEP_DONE;
        self.0.retain(|request| {
            if request.is_from_page {
                return request.is_open() || request.is_of_epoch(epoch);
            }
            if request.state != RequestState::Done {
                return true;
            }
            let is_surplus = too_many > 0;
            too_many = too_many.saturating_sub(1);
            let done = request.done.as_deref().and_then(|done| done.parse::<Timestamp>().ok());
            !is_surplus && done.is_some_and(|done| done > oldest)
        });
    }

    /// The next request to carry out that was not tried. Those of operators come first: strangers can make many of the others.
    pub(super) fn next(&self, tried: &HashSet<String>) -> Option<&SubjectRequest> {
        let open = self.0.iter().enumerate().filter(|(_, request)| {
            request.is_open() && request.action != SubjectAction::Export && !tried.contains(&request.id)
        });
        let ready = open.filter(|(place, request)| !self.must_wait(*place, request));
        ready.map(|(_, request)| request).min_by_key(|request| request.is_from_page)
    }

    /// Whether an earlier request would bring back, or delete, what this one blocks.
    fn must_wait(&self, place: usize, request: &SubjectRequest) -> bool {
        let undoes = |earlier: &SubjectRequest| {
            earlier.is_open()
                && !earlier.is_from_page
                && matches!(earlier.action, SubjectAction::Unblock | SubjectAction::Erase)
                && earlier.scope == request.scope
        };
        request.action == SubjectAction::Block && self.0[..place].iter().any(undoes)
    }

    /// Ends a request. If it unblocked or erased a visitor, it ends the blocks that were accepted before it, too.
    pub(super) fn finish(&mut self, id: &str, search: Value, now: &str) -> Result<(), SubjectError> {
        let place = self.0.iter().position(|request| request.id == id);
        let place = place.ok_or_else(|| SubjectError::UnknownRequest(id.to_owned()))?;
        let (before, rest) = self.0.split_at_mut(place);
        let request = &mut rest[0];
        if request.state == RequestState::Done {
            return Ok(());
        }
        request.search = search;
        request.waits_for = None;
        request.completed_events = request.events;
        if request.stays_in_force() {
            request.state = RequestState::InForce;
            request.done.get_or_insert_with(|| now.to_owned());
            return Ok(());
        }
        let scope = request.scope.clone();
        request.close(now.to_owned());
        let blocks = before.iter_mut().filter(|known| known.action == SubjectAction::Block);
        for block in blocks.filter(|known| known.scope.is_some() && known.scope == scope) {
            block.close(now.to_owned());
        }
        Ok(())
    }

    /// Whether an operator blocks somebody of the site.
    pub(super) fn has_block_on(&self, site: &str) -> bool {
        let mut blocks = self.0.iter().filter(|request| request.action == SubjectAction::Block);
        blocks.any(|block| block.site == site && block.blocks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::Subject;
    use crate::subject::Ground;

    use SubjectAction::{Block, Erase, Export, Unblock};

    fn visitor(visitor: u64) -> SubjectScope {
        SubjectScope::Visitor(Subject { site: "clinic".into(), epoch: 5, visitor })
    }

    /// Accepts as the service does. Returns the id.
    fn accept(list: &mut RequestList, action: SubjectAction, scope: SubjectScope, from_page: bool) -> String {
        if let Some(known) = list.find_same(action, &scope, from_page).unwrap() {
            return known.id.clone();
        }
        let id = format!("{:08x}", list.as_slice().len());
        list.push(SubjectRequest::new(id.clone(), action, scope, Ground::default(), from_page));
        id
    }

    fn finish(list: &mut RequestList, id: &str) {
        list.finish(id, Value::Null, &Timestamp::now().to_string()).unwrap();
    }

    fn next(list: &RequestList) -> Option<String> {
        list.next(&HashSet::new()).map(|request| request.id.clone())
    }

    #[test]
    fn what_is_asked_again_is_the_known_request() {
        for (action, from_page) in [(Erase, true), (Erase, false), (Block, false)] {
            let mut list = RequestList::default();
            let first = accept(&mut list, action, visitor(1), from_page);
            assert_eq!(accept(&mut list, action, visitor(1), from_page), first, "{action:?}");
            assert_ne!(accept(&mut list, action, visitor(2), from_page), first, "{action:?}");
        }
        let mut list = RequestList::default();
        let own = accept(&mut list, Erase, visitor(1), true);
        finish(&mut list, &own);
        assert_eq!(accept(&mut list, Erase, visitor(1), true), own, "it is still in force");
        assert_ne!(accept(&mut list, Erase, visitor(1), false), own, "an operator's has its own ground");
        let export = accept(&mut list, Export, visitor(1), false);
        assert_ne!(accept(&mut list, Export, visitor(1), false), export);
    }

    #[test]
    fn strangers_leave_room_and_precedence_to_operators() {
        let mut list = RequestList::default();
        for stranger in 0..MAX_OPEN_FROM_PAGE as u64 {
            assert!(list.has_room(true));
            accept(&mut list, Erase, visitor(stranger), true);
        }
        assert!(!list.has_room(true) && list.has_room(false));
        let letter = accept(&mut list, Erase, visitor(9_999), false);
        assert_eq!(next(&list).as_ref(), Some(&letter));
        // Carried out, they keep their visitors blocked; their number is bounded too.
        let ids: Vec<_> = list.as_slice().iter().map(|request| request.id.clone()).collect();
        ids.iter().for_each(|id| finish(&mut list, id));
        assert!(list.has_room(true));
        for stranger in MAX_OPEN_FROM_PAGE as u64..MAX_FROM_PAGE as u64 {
            let id = accept(&mut list, Erase, visitor(stranger), true);
            finish(&mut list, &id);
        }
        assert!(!list.has_room(true) && list.has_room(false));
        list.forget_old(5);
        assert_eq!(list.as_slice().len(), MAX_FROM_PAGE + 1);
        list.forget_old(6);
        assert_eq!(list.as_slice().len(), 1, "the letter alone stays");
        assert!(list.has_room(true));
    }

    #[test]
    fn requests_that_are_done_are_forgotten_in_time_and_by_number() {
        let mut list = RequestList::default();
        for letter in 0..MAX_DONE as u64 + 5 {
            let id = accept(&mut list, Erase, visitor(letter), false);
            finish(&mut list, &id);
        }
        list.forget_old(5);
        assert_eq!(list.as_slice().len(), MAX_DONE);
        assert_eq!(list.as_slice()[0].id, format!("{:08x}", 5), "the oldest went");
        for request in &mut list.0 {
            request.done = Some("2020-01-01T00:00:00Z".to_owned());
        }
        list.forget_old(5);
        assert!(list.as_slice().is_empty());
    }

    #[test]
    fn the_visitor_stays_blocked_by_an_erasure_from_the_page_until_the_epoch_ends() {
        let mut list = RequestList::default();
        let own = accept(&mut list, Erase, visitor(1), true);
        finish(&mut list, &own);
        assert!(list.get(&own).unwrap().blocks());
        let operators = accept(&mut list, Erase, visitor(1), false);
        finish(&mut list, &operators);
        assert!(list.get(&own).unwrap().blocks() && !list.get(&operators).unwrap().blocks());
        // One that waits for the store over the turn is carried out, and then forgotten.
        let late = accept(&mut list, Erase, visitor(2), true);
        list.forget_old(6);
        assert!(list.get(&own).is_none() && list.get(&late).is_some());
        finish(&mut list, &late);
        list.forget_old(6);
        assert!(list.get(&late).is_none());
    }

    #[test]
    fn the_page_does_not_touch_what_an_operator_blocks() {
        let mut list = RequestList::default();
        let block = accept(&mut list, Block, visitor(1), false);
        let from_page = |list: &RequestList| list.find_same(Erase, &visitor(1), true).map(|_| ());
        assert!(matches!(from_page(&list), Err(SubjectError::Blocked)));
        finish(&mut list, &block);
        assert!(matches!(from_page(&list), Err(SubjectError::Blocked)));
        assert!(list.has_block_on("clinic") && !list.has_block_on("shop"));
        let unblock = accept(&mut list, Unblock, visitor(1), false);
        finish(&mut list, &unblock);
        assert!(from_page(&list).is_ok() && !list.has_block_on("clinic"));
    }

    #[test]
    fn a_block_that_is_accepted_while_another_ends_is_carried_out_after_it_and_stays() {
        for ending in [Unblock, Erase] {
            let mut list = RequestList::default();
            let first = accept(&mut list, Block, visitor(1), false);
            finish(&mut list, &first);
            let end = accept(&mut list, ending, visitor(1), false);
            let second = accept(&mut list, Block, visitor(1), false);
            assert_ne!(second, first, "{ending:?} would end it");
            let tried = HashSet::from([end.clone()]);
            assert!(list.next(&tried).is_none(), "the second block must wait for {ending:?}");
            finish(&mut list, &end);
            assert!(!list.get(&first).unwrap().blocks() && list.get(&second).unwrap().blocks());
            assert_eq!(next(&list), Some(second.clone()));
            assert_eq!(accept(&mut list, Block, visitor(1), false), second);
        }
    }

    #[test]
    fn a_request_that_is_done_stays_done() {
        let mut list = RequestList::default();
        let block = accept(&mut list, Block, visitor(1), false);
        let erase = accept(&mut list, Erase, visitor(1), false);
        finish(&mut list, &erase);
        assert_eq!(list.get(&block).unwrap().state, RequestState::Done);
        finish(&mut list, &block);
        let closed = list.get(&block).unwrap();
        assert!(closed.state == RequestState::Done && !closed.blocks() && closed.scope.is_none());
    }

    #[test]
    fn a_whole_site_can_be_erased_and_nothing_else() {
        let site = || SubjectScope::Site { site: "clinic".into() };
        let mut list = RequestList::default();
        accept(&mut list, Erase, site(), false);
        for action in [Block, Unblock, Export] {
            assert!(
                matches!(list.find_same(action, &site(), false), Err(SubjectError::Query(_))),
                "{action:?}"
            );
        }
    }
}
