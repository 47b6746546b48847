//! A disk that fills: refused in time, shipped meanwhile, taken again by itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::model::{DIRECTORY, aside, held, open, sealed};
use crate::config::StoreConfig;
use crate::spool::log::segment::Seal;
use crate::spool::log::test_disk::{Fault, TestDisk};
use crate::spool::tests::{append, limits, until, wait};
use crate::spool::*;
use crate::store::Client;
use crate::store::ship::Shipper;

/// Frames of one event until one is refused.
fn fill(spool: &Spool, from: u64) -> (u64, SpoolError) {
    for page_load in from..from + 10_000 {
        match append(spool, page_load, &[0]).and_then(wait) {
            Ok(()) => {}
            Err(error) => return (page_load, error),
        }
        // Looks at the space are apart by time.
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it takes all");
}

fn page_loads(spool: &Spool) -> Vec<u64> {
    let read = |sealed| held(spool, sealed).map_err(|error| error.to_string()).unwrap().events;
    sealed(spool).into_iter().flat_map(read).collect()
}

#[test]
fn beacons_are_refused_before_the_disk_is_full_and_taken_again_when_a_segment_was_shipped() {
    let disk = TestDisk::default();
    let limits = SpoolLimits { seal_rows: 20, reserve: Some(8_000), ..limits() };
    disk.leave_space(20_000);
    let (spool, _) = open(&disk, &limits).unwrap();
    let (refused, error) = fill(&spool, 0);
    assert!(matches!(error, SpoolError::NoSpace { reserve: 8_000, free: 1.. }), "{error}");
    assert!(refused > 20 && spool.status().broken.is_none());
    // What is few is taken all the same.
    wait(spool.append_audit("a", "{}").unwrap()).unwrap();
    spool.confirm(&spool.oldest_sealed().unwrap()).unwrap();
    until(|| spool.status().short.is_none());
    wait(append(&spool, refused, &[0]).unwrap()).unwrap();
}

#[test]
fn a_spool_opens_on_a_full_disk_refuses_ships_and_takes_beacons_when_there_is_space() {
    let disk = TestDisk::default();
    let sealing = SpoolLimits { seal_rows: 3, ..limits() };
    let (spool, _) = open(&disk, &sealing).unwrap();
    for page_load in 0..7 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
    }
    until(|| spool.status().sealed == 2);
    let off = disk.after_power_loss(|| false);
    drop(spool);
    // Not a byte is left, and one segment is not sealed.
    off.leave_space(0);
    let (spool, found) = open(&off, &sealing).unwrap();
    assert_eq!(found.identities.len(), 7, "what is there is known");
    assert_eq!((found.events, spool.status().events, spool.status().sealed), (7, 7, 2));
    for _ in 0..3 {
        assert!(matches!(append(&spool, 9, &[0]), Err(SpoolError::NoSpace { .. })));
        // Nor may a copy of what is not promised yet be answered as if it were.
        assert!(matches!(wait(spool.sync_point()), Err(SpoolError::NoSpace { .. })));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(spool.status().broken.is_none() && spool.status().short.is_some());
    let audit = spool.append_audit("a", "{}").unwrap();
    // Shipping goes on, and makes the room that the rest needs.
    assert_eq!(page_loads(&spool), [0, 1, 2, 3, 4, 5]);
    spool.confirm(&spool.oldest_sealed().unwrap()).unwrap();
    until(|| spool.status().short.is_none());
    assert_eq!(page_loads(&spool), [3, 4, 5, 6]);
    wait(audit).unwrap();
    wait(append(&spool, 9, &[0]).unwrap()).unwrap();
    drop(spool);
    let (spool, _) = open(&off.after_power_loss(|| false), &sealing).unwrap();
    assert_eq!(page_loads(&spool), [3, 4, 5, 6, 9]);
}

/// A store that says yes to everything, keeps nothing and knows it, until the test ends.
fn yes_to_all() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            while !is_whole(&request) {
                match stream.read(&mut part) {
                    Ok(read @ 1..) => request.extend_from_slice(&part[..read]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n0\n");
        }
    });
    address
}

/// Whether all of a request is there, its body in chunks or of a known length.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(request, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    match head.split_once("content-length: ") {
        Some((_, rest)) => {
            let length = rest.split("\r\n").next().and_then(|length| length.parse::<usize>().ok());
            request.len() >= end + 4 + length.unwrap()
        }
        None => !head.contains("chunked") || request.ends_with(b"0\r\n\r\n"),
    }
}

#[tokio::test]
async fn shipping_makes_space_on_a_full_disk_while_the_audit_of_a_discarded_segment_waits_for_it() {
    let disk = TestDisk::default();
    let sealing = SpoolLimits { seal_rows: 3, ..limits() };
    let (spool, _) = open(&disk, &sealing).unwrap();
    for page_load in 0..3 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
    }
    until(|| spool.status().sealed == 1);
    drop(spool);
    let name = Name { collector: 1, number: 7 };
    let record = format!("{name}{}", discard::DISCARDING);
    recovery::write_whole(&disk, &aside(), &record, br#"{"reason":"a test"}"#).unwrap();
    disk.leave_space(0);
    let (spool, _) = open(&disk, &sealing).unwrap();
    let client = Client::new(&StoreConfig::embedded(yes_to_all()));
    let shipping = tokio::spawn(Shipper::new(spool.clone(), client).run(std::future::pending()));
    let noted = aside().join(format!("{name}{}", discard::DISCARDED));
    let began = std::time::Instant::now();
    while disk.contents(&noted).is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing was shipped: {:?}", spool.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shipping.abort();
    assert!(spool.status().short.is_none());
    spool.close();
    let files = disk.lengths(Path::new(DIRECTORY));
    let rows: Vec<u8> = files.keys().flat_map(|file| disk.contents(file).unwrap()).collect();
    assert_eq!(memchr::memmem::find_iter(&rows, "segment discarded").count(), 1);
}

#[test]
fn a_segment_that_is_refused_on_a_full_disk_is_set_aside_and_does_not_hold_up_those_behind_it() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    for page_load in 0..2 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
    }
    until(|| spool.status().sealed == 2);
    let (bytes, refused) = (spool.status().bytes, spool.oldest_sealed().unwrap());
    disk.leave_space(0);
    spool.set_aside(&refused, "the store refuses it").unwrap();
    assert_eq!(page_loads(&spool), [1], "the next one is to be shipped");
    let files: Vec<_> = disk.lengths(&aside()).into_keys().collect();
    assert_eq!(files, [aside().join(refused.name.file())]);
    assert_eq!(spool.status().bytes, bytes, "it goes on counting");
}

#[test]
fn a_spool_that_never_finds_space_closes_and_fails_those_who_wait() {
    let disk = TestDisk::default();
    drop(open(&disk, &limits()).unwrap());
    disk.leave_space(0);
    let (spool, _) = open(&disk, &limits()).unwrap();
    let audit = spool.append_audit("a", "{}").unwrap();
    spool.close();
    assert!(wait(audit).is_err());
}

#[test]
fn an_error_other_than_want_of_space_still_keeps_a_spool_from_opening() {
    let disk = TestDisk::default();
    drop(open(&disk, &limits()).unwrap());
    disk.fault_after(0, Fault::Error { kind: ErrorKind::Other, done: false, lasting: true });
    assert!(matches!(open(&disk, &limits()), Err(SpoolError::Io { .. })));
}

#[test]
fn a_long_outage_makes_no_segment_for_each_moment_of_it() {
    let disk = TestDisk::default();
    let limits = SpoolLimits { seal_after: Duration::from_millis(1), ..limits() };
    let (spool, _) = open(&disk, &limits).unwrap();
    let many = thread::MANY_SEALED;
    spool.shared.sealed.lock().extend((0..many).map(|number| Sealed {
        name: Name { collector: 0, number: number as u64 },
        seal: Seal::default(),
        bytes: 0,
        created: 0,
        in_doubt: false,
    }));
    for page_load in 0..5 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(spool.status().sealed, many, "its age alone seals nothing now");
    spool.shared.sealed.lock().pop_front();
    until(|| spool.status().sealed == many);
    assert_eq!(spool.shared.sealed.lock().back().unwrap().seal.events, 5, "all of it in one");
    assert_eq!(size_of::<Sealed>(), 72, "as `docs/operations/spool.md` says");
}

/// A spool with two sealed segments.
fn two_segments(disk: &TestDisk) -> Arc<Spool> {
    let (spool, _) = open(disk, &SpoolLimits { seal_rows: 3, ..limits() }).unwrap();
    for page_load in 0..6 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
    }
    until(|| spool.status().sealed == 2);
    spool
}

/// Ships to a store that says yes to everything until nothing waits.
async fn ship_all(spool: &Arc<Spool>) {
    let client = Client::new(&StoreConfig::embedded(yes_to_all()));
    let shipping = tokio::spawn(Shipper::new(spool.clone(), client).run(std::future::pending()));
    let began = std::time::Instant::now();
    while spool.status().sealed > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "shipping stands still: {:?}", spool.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shipping.abort();
}

#[tokio::test]
async fn a_segment_whose_file_was_taken_holds_up_none_behind_it() {
    let disk = TestDisk::default();
    let spool = two_segments(&disk);
    let first = spool.oldest_sealed().unwrap();
    disk.remove(&Path::new(DIRECTORY).join(first.name.file())).unwrap();
    ship_all(&spool).await;
    assert!(spool.status().bytes < 4_096, "its bytes are given back: {:?}", spool.status());
}

#[tokio::test]
async fn a_segment_that_the_disk_does_not_give_back_is_set_aside() {
    let disk = TestDisk::default();
    let spool = two_segments(&disk);
    let first = spool.oldest_sealed().unwrap();
    disk.spoil(&Path::new(DIRECTORY).join(first.name.file()));
    ship_all(&spool).await;
    assert!(disk.contents(&aside().join(first.name.file())).is_some());
}
