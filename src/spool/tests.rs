//! The spool as a whole, on a real disk.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::event::{EventRow, UnixDay, UnixMillis};
use crate::spool::*;

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

/// The rows of events `seqs` of a page load.
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
    let frame = Frame { site: "clinic", page_load, seqs, rows: &rows(page_load, seqs) };
    spool.append(frame, Durability::Synced)
}

/// Waits for an ack by asking again and again: there is no runtime here.
pub(crate) fn wait(ack: Ack) -> Result<(), SpoolError> {
    let mut ack = pin!(ack);
    let began = Instant::now();
    loop {
        if let Poll::Ready(answer) = ack.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the ack never comes");
        std::thread::yield_now();
    }
}

/// Waits until something is so that the writer brings about.
pub(crate) fn until(mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never comes");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, found) = Spool::open(directory.path(), &limits()).unwrap();
    assert!(found.identities.is_empty() && found.notes.is_empty());
    wait(append(&spool, 7, &[0, 1]).unwrap()).unwrap();
    wait(append(&spool, 8, &[5]).unwrap()).unwrap();
    wait(spool.append_audit("key", r#"{"ended":"ab"}"#).unwrap()).unwrap();
    drop(spool);
    let (spool, found) = Spool::open(directory.path(), &limits()).unwrap();
    assert_eq!(found.identities, [(7, 0), (7, 1), (8, 5)]);
    assert_eq!(found.notes, [""; 0]);
    let sealed = spool.oldest_sealed().unwrap();
    assert_eq!((sealed.seal.events, sealed.seal.audit, sealed.seal.books), (3, 1, 1));
}

#[test]
fn a_second_collector_is_refused_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    assert!(matches!(Spool::open(directory.path(), &limits()), Err(SpoolError::Locked(_))));
    assert!(inspect(directory.path()).unwrap().in_use);
    drop(spool);
    assert!(!inspect(directory.path()).unwrap().in_use);
    Spool::open(directory.path(), &limits()).unwrap();
}

#[test]
fn a_segment_is_sealed_at_its_rows_its_bytes_and_its_age() {
    for limits in [
        SpoolLimits { seal_rows: 4, ..limits() },
        SpoolLimits { seal_bytes: 1200, ..limits() },
        SpoolLimits { seal_after: Duration::from_millis(30), ..limits() },
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
        wait(append(&spool, 1, &[0, 1, 2, 3]).unwrap()).unwrap();
        until(|| spool.oldest_sealed().is_some());
        assert_eq!(spool.oldest_sealed().unwrap().seal.events, 4);
    }
}

#[test]
fn names_go_on_counting_when_all_segments_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for _ in 0..3 {
        let (spool, _) = Spool::open(directory.path(), &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
        for seq in 0..3 {
            wait(append(&spool, 1, &[seq]).unwrap()).unwrap();
            until(|| spool.oldest_sealed().is_some());
            let sealed = spool.oldest_sealed().unwrap();
            names.push(sealed.name);
            spool.confirm(&sealed).unwrap();
        }
    }
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
    assert!(names.iter().all(|name| name.collector == names[0].collector));
}

#[test]
fn a_full_spool_refuses_events_until_a_segment_is_confirmed_but_takes_audit_rows() {
    let directory = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { seal_rows: 10, max_bytes: 20_000, ..limits() };
    let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
    let mut taken = 0;
    let full = loop {
        match append(&spool, 1, &[taken]) {
            Ok(ack) => wait(ack).unwrap(),
            Err(error) => break error,
        }
        taken += 1;
    };
    assert!(matches!(full, SpoolError::Full { max: 20_000, .. }));
    assert!((10..200).contains(&taken));
    wait(spool.append_audit("full", "{}").unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    spool.confirm(&spool.oldest_sealed().unwrap()).unwrap();
    wait(append(&spool, 1, &[taken]).unwrap()).unwrap();
}

#[test]
fn a_sync_point_waits_for_what_was_appended_before() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    wait(spool.sync_point()).unwrap();
    let ack = append(&spool, 1, &[0]).unwrap();
    wait(spool.sync_point()).unwrap();
    let mut ack = pin!(ack);
    let answer = ack.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(answer.is_ready());
}

#[test]
fn dropped_events_are_booked_even_when_nothing_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    spool.count_dropped("clinic", DropReason::Bot, 2);
    spool.count_dropped("clinic", DropReason::Bot, 1);
    spool.count_dropped("other", DropReason::OptOut, 1);
    drop(spool);
    let inventory = inspect(directory.path()).unwrap();
    let mut books: Vec<_> =
        inventory.segments[0].books.iter().map(|(site, count)| (site.to_owned(), count.dropped)).collect();
    books.sort();
    assert_eq!(books, [("clinic".to_owned(), [0, 3, 0]), ("other".to_owned(), [1, 0, 0])]);
}

#[test]
fn a_closed_spool_refuses_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    let ack = append(&spool, 1, &[0]).unwrap();
    spool.close();
    wait(ack).unwrap();
    assert!(matches!(append(&spool, 1, &[1]), Err(SpoolError::Closed)));
    assert_eq!(spool.oldest_sealed().unwrap().seal.events, 1, "what was taken is sealed");
}
