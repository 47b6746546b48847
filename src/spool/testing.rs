//! What tests of the spool share.

use std::future::Future;
pub(in crate::spool) use std::path::{Path, PathBuf};
use std::pin::pin;
pub(in crate::spool) use std::sync::Arc;
use std::task::{Context, Poll, Waker};
pub(in crate::spool) use std::time::{Duration, Instant};

pub(in crate::spool) use crate::spool::accounting::contents::SegmentContents;
pub(in crate::spool) use crate::spool::accounting::record::{RecordKind, RecordRef};
pub(in crate::spool) use crate::spool::log::disk::test_disk::{Fault, TestDisk};
pub(in crate::spool) use crate::spool::log::files::{self, QUARANTINE, REQUEUE};
pub(in crate::spool) use crate::spool::log::frame::{self, FrameKind};
pub(in crate::spool) use crate::spool::log::recovery::scan;
pub(in crate::spool) use crate::spool::log::segment::{Header, ReadStep, Seal, SegmentReader};

pub(in crate::spool) use crate::config::SpoolLimits;
pub(in crate::spool) use crate::event::DropReason;
use crate::event::{EventRow, UnixDay, UnixSeconds};
use crate::spool::{Ack, Durability, EventEntry, EventRecord, FilterId, Spool, SpoolError};

const RECEIVED: UnixSeconds = UnixSeconds(1_700_000_000);

pub(crate) fn limits() -> SpoolLimits {
    SpoolLimits {
        seal_rows: 1000,
        seal_bytes: 1 << 20,
        seal_after: Duration::from_secs(60),
        max_bytes: 16 << 20,
        reserve: None,
    }
}

/// The identity that these tests give to an event, for the filter.
pub(crate) fn id(page_load: u64, seq: u32) -> FilterId {
    page_load << 16 | u64::from(seq)
}

/// The identities of events, by page load and number.
pub(crate) fn ids(events: &[(u64, u32)]) -> Vec<FilterId> {
    events.iter().map(|(page_load, seq)| id(*page_load, *seq)).collect()
}

/// The page load of an event by its identity.
pub(crate) fn page_load_of(id: FilterId) -> u64 {
    id >> 16
}

/// The encoded events `seqs` of a page load.
pub(crate) fn rows(page_load: u64, seqs: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for seq in seqs {
        let row = EventRow {
            page_load,
            seq: *seq,
            received: RECEIVED,
            expires: UnixDay(20_000),
            ..EventRow::default()
        };
        row.encode(&mut bytes);
    }
    bytes
}

/// Passes the record of the events `seqs` of a page load to `use_record`.
pub(crate) fn with_record<T>(
    page_load: u64,
    seqs: &[u32],
    use_record: impl FnOnce(EventRecord<'_>) -> T,
) -> T {
    let rows = rows(page_load, seqs);
    let row_len = (rows.len() / seqs.len().max(1)) as u32;
    let events: Vec<_> =
        seqs.iter().map(|seq| EventEntry { filter_id: id(page_load, *seq), row_len }).collect();
    use_record(EventRecord { site: "clinic", events: &events, rows: &rows })
}

pub(crate) fn append(spool: &Spool, page_load: u64, seqs: &[u32]) -> Result<Ack, SpoolError> {
    with_record(page_load, seqs, |record| spool.append(record, Durability::Synced))
}

/// Polls an ack until it resolves; there is no runtime here.
pub(crate) fn wait(ack: Ack) -> Result<(), SpoolError> {
    let mut ack = pin!(ack);
    let began = Instant::now();
    loop {
        if let Poll::Ready(result) = ack.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the ack does not resolve");
        std::thread::yield_now();
    }
}

/// Waits until a condition holds that the writer brings about.
pub(crate) fn until(mut is_met: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_met() {
        assert!(began.elapsed() < Duration::from_secs(30), "the condition is never met");
        std::thread::sleep(Duration::from_millis(1));
    }
}
