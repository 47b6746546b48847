//! The keys of the duplicate filter of epochs that ended.
//!
//! Each lives an hour longer than its epoch, so that a beacon whose answer was lost before the turn is recognised when it is sent again.
//! The hour is measured by the machine's uptime: a wall clock that jumps neither shortens nor prolongs it.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use jiff::SignedDuration;

use super::error::KeyError;
use super::file::is_over;
use super::format::MOST_FILTERS;
use super::format::StoredFilterKey;
use super::page::LockedPage;
use crate::privacy::mac::PseudonymHmac;

/// Oldest first.
pub(in crate::privacy) type FilterList = Vec<Arc<PreviousFilter>>;

pub(in crate::privacy) struct PreviousFilter {
    page: LockedPage,
    /// The machine's uptime at which it must be wiped.
    ends: SignedDuration,
}

impl PreviousFilter {
    /// Starts an HMAC under its key.
    pub(in crate::privacy) fn mac(&self) -> PseudonymHmac<'_> {
        PseudonymHmac::new(self.page.state())
    }
}

pub(super) struct PreviousFilters {
    list: ArcSwap<FilterList>,
}

impl PreviousFilters {
    pub(super) fn new(stored: Vec<StoredFilterKey>) -> Result<Self, KeyError> {
        let filters = Self { list: ArcSwap::default() };
        for stored in stored {
            filters.add(stored)?;
        }
        Ok(filters)
    }

    /// The filters, for one computation.
    pub(super) fn load(&self) -> Guard<Arc<FilterList>> {
        self.list.load()
    }

    pub(super) fn add(&self, stored: StoredFilterKey) -> Result<(), KeyError> {
        let added = PreviousFilter { page: LockedPage::new(stored.key)?, ends: stored.ends };
        let mut list = FilterList::clone(&self.list.load());
        list.push(Arc::new(added));
        let surplus = list.len().saturating_sub(MOST_FILTERS);
        list.drain(..surplus);
        self.replace(list);
        Ok(())
    }

    /// Wipes the filters whose hour is over. Returns whether there were any.
    pub(super) fn wipe_ended(&self, uptime: SignedDuration) -> bool {
        let list = self.list.load();
        if !list.iter().any(|filter| is_over(filter.ends, uptime)) {
            return false;
        }
        let left = list.iter().filter(|filter| !is_over(filter.ends, uptime)).cloned().collect();
        drop(list);
        self.replace(left);
        true
    }

    /// When this returns, no reader holds a filter that is not in `list`: dropping it has wiped its page.
    fn replace(&self, list: FilterList) {
        let mut old = self.list.swap(Arc::new(list));
        // A computation takes microseconds.
        while let Err(held) = Arc::try_unwrap(old).map(drop) {
            old = held;
            std::thread::yield_now();
        }
    }
}
