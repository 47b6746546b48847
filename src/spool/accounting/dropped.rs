//! Events that were not stored: counted in memory, then written as records.

use std::collections::HashMap;

use super::dropped_rows::{ReasonCounts, encode_dropped};
use super::record::{PlainRecord, RecordKind};
use crate::event::{DropReason, UnixSeconds};
use crate::spool::log::frame::encode_record;

/// Dropped events that are not written yet, by site.
#[derive(Debug, Default)]
pub(crate) struct PendingDropped(HashMap<Box<str>, ReasonCounts, foldhash::fast::RandomState>);

impl PendingDropped {
    pub(crate) fn add(&mut self, site: &str, reason: DropReason, events: u32) {
        if !self.0.contains_key(site) {
            self.0.insert(site.into(), Default::default());
        }
        let counts = self.0.get_mut(site).expect("it was inserted above");
        counts[reason as usize] = counts[reason as usize].saturating_add(events);
    }

    /// Appends a record for each site, to be stamped. `now` is Unix ms.
    pub(crate) fn encode(&self, now: i64, out: &mut Vec<u8>) {
        for (site, reasons) in &self.0 {
            let rows = encode_dropped(UnixSeconds::from_millis(now).day().0, reasons);
            encode_record(&PlainRecord { kind: RecordKind::Dropped, site, count: 0, rows: &rows }, out);
        }
    }
}
