//! The spool as a whole, on a real disk.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use crate::config::SpoolLimits;
use crate::event::DropReason;
use crate::spool::log::state::now_ms;
use crate::spool::test_disk::TestDisk;
use crate::spool::testing::{append, ids, limits, until, wait};
use crate::spool::{Spool, SpoolError, inspect};

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, found) = Spool::open(directory.path(), &limits()).unwrap();
    assert!(found.ids.is_empty() && found.notes.is_empty());
    wait(append(&spool, 7, &[0, 1]).unwrap()).unwrap();
    wait(append(&spool, 8, &[5]).unwrap()).unwrap();
    wait(spool.append_audit("key", r#"{"ended":"ab"}"#).unwrap()).unwrap();
    drop(spool);
    let (spool, found) = Spool::open(directory.path(), &limits()).unwrap();
    assert_eq!(found.ids, ids(&[(7, 0), (7, 1), (8, 5)]));
    assert_eq!(found.notes, [""; 0]);
    let sealed = spool.oldest_sealed().unwrap();
    assert_eq!((sealed.events, sealed.audit), (3, 1));
    assert_eq!(inspect(directory.path()).unwrap().segments[0].counts.iter().count(), 1);
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
        assert_eq!(spool.oldest_sealed().unwrap().events, 4);
    }
}

#[test]
fn sealing_what_came_before_a_moment_leaves_what_came_later_in_one_segment() {
    let directory = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { seal_after: Duration::from_secs(3_600), ..limits() };
    let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    let moment = now_ms();
    until(|| {
        spool.seal_until(moment);
        spool.oldest_sealed().is_some()
    });
    // Nobody ships, as when the store is away.
    for page_load in 2..20 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
        spool.seal_until(moment);
        assert!(!spool.has_shipped_until(moment).unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(spool.status().sealed <= 2, "one call may meet the seal of another: {:?}", spool.status());
}

#[test]
fn a_segment_that_fills_fast_gets_five_times_as_old() {
    let directory = tempfile::tempdir().unwrap();
    let seal_after = Duration::from_millis(100);
    let limits = SpoolLimits { seal_rows: 100_000, seal_bytes: 8 << 20, seal_after, ..limits() };
    let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
    let began = Instant::now();
    wait(append(&spool, 1, &(0..10_000).collect::<Vec<_>>()).unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    assert!(began.elapsed() >= seal_after * 5, "{:?}", began.elapsed());
    assert_eq!(spool.oldest_sealed().unwrap().events, 10_000);
}

#[test]
fn segment_numbers_go_on_counting_when_all_segments_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (spool, _) = Spool::open(directory.path(), &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
        for seq in 0..3 {
            wait(append(&spool, 1, &[seq]).unwrap()).unwrap();
            until(|| spool.oldest_sealed().is_some());
            let sealed = spool.oldest_sealed().unwrap();
            ids.push(sealed.id);
            spool.confirm(&sealed).unwrap();
        }
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert!(ids.iter().all(|id| id.collector == ids[0].collector));
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
    let result = ack.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(result.is_ready());
}

#[test]
fn dropped_events_are_counted_even_when_nothing_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    spool.count_dropped("clinic", DropReason::Bot, 2);
    spool.count_dropped("clinic", DropReason::Bot, 1);
    spool.count_dropped("other", DropReason::OptOut, 1);
    drop(spool);
    let inventory = inspect(directory.path()).unwrap();
    let mut counts: Vec<_> =
        inventory.segments[0].counts.iter().map(|(site, counts)| (site.to_owned(), counts.dropped)).collect();
    counts.sort();
    assert_eq!(
        counts,
        [("clinic".to_owned(), [0, 3, 0, 0, 0, 0, 0]), ("other".to_owned(), [1, 0, 0, 0, 0, 0, 0])]
    );
}

#[test]
fn a_closed_spool_refuses_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    let ack = append(&spool, 1, &[0]).unwrap();
    spool.close();
    wait(ack).unwrap();
    assert!(matches!(append(&spool, 1, &[1]), Err(SpoolError::Closed)));
    assert_eq!(spool.oldest_sealed().unwrap().events, 1, "what was taken is sealed");
}

#[test]
fn an_event_that_is_not_confirmed_is_reported_at_every_moment() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    for page_load in 0..200 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
        loop {
            let status = spool.status();
            assert_eq!(status.events, 1, "{status:?}");
            if status.sealed > 0 {
                break;
            }
        }
        spool.confirm(&spool.oldest_sealed().unwrap()).unwrap();
    }
}

#[test]
fn the_writer_gives_a_sign_of_life_while_it_waits_and_none_while_the_disk_hangs() {
    let disk = TestDisk::default();
    let open = || Spool::open_on(Arc::new(disk.clone()), Path::new("/spool"), &limits()).unwrap().0;
    let spool = open();
    let is_alive = |spool: &Spool| {
        spool.ask_writer();
        let asked = Instant::now();
        while !spool.writer_answered() && asked.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(5));
        }
        spool.writer_answered()
    };
    assert!(is_alive(&spool), "nothing was ever appended");
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    assert!(is_alive(&spool), "nothing is to be written");
    let hanging = disk.hang();
    let ack = append(&spool, 1, &[1]).unwrap();
    // The writer may answer once more before it takes the row up.
    assert!((0..10).any(|_| !is_alive(&spool)));
    drop(hanging);
    wait(ack).unwrap();
    assert!(is_alive(&spool));
    drop(spool);
    disk.leave_space(0);
    assert!(is_alive(&open()), "it waits for space");
}
