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
use crate::event::{EventRow, UnixDay, UnixMillis};
use crate::spool::{Ack, Durability, EventRecord, Spool, SpoolError};

const RECEIVED: UnixMillis = UnixMillis(1_700_000_000_000);

pub(crate) fn limits() -> SpoolLimits {
    SpoolLimits {
        seal_rows: 1000,
        seal_bytes: 1 << 20,
        seal_after: Duration::from_secs(60),
        max_bytes: 16 << 20,
        reserve: None,
    }
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

pub(crate) fn append(spool: &Spool, page_load: u64, seqs: &[u32]) -> Result<Ack, SpoolError> {
    let record = EventRecord { site: "clinic", page_load, seqs, rows: &rows(page_load, seqs) };
    spool.append(record, Durability::Synced)
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
