//! Shipping on a disk that is full or loses files.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Shipper;
use crate::config::{SpoolLimits, StoreConfig};
use crate::spool::test_disk::TestDisk;
use crate::spool::testing::{append, limits, until, wait};
use crate::spool::{Disk, SegmentId, Spool};
use crate::store::Client;

const DIRECTORY: &str = "/spool";

fn quarantine() -> PathBuf {
    Path::new(DIRECTORY).join("quarantine")
}

fn open(disk: &TestDisk, limits: &SpoolLimits) -> Arc<Spool> {
    Spool::open_on(Arc::new(disk.clone()), Path::new(DIRECTORY), limits).unwrap().0
}

/// A store that accepts everything and keeps nothing, until the test ends.
fn accepting_store() -> SocketAddr {
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

/// Whether a request is complete; its body is chunked or has a known length.
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
async fn shipping_makes_space_on_a_full_disk_while_a_row_of_the_audit_waits_for_it() {
    let disk = TestDisk::default();
    let sealing = SpoolLimits { seal_rows: 3, ..limits() };
    let spool = open(&disk, &sealing);
    for page_load in 0..3 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
    }
    until(|| spool.status().sealed == 1);
    drop(spool);
    let id = SegmentId { collector: 1, number: 7 };
    let tombstone = disk.create(&quarantine().join(format!("{id}.tombstone.pending"))).unwrap();
    tombstone.write_at(br#"{"reason":"a test"}"#, 0).unwrap();
    disk.leave_space(0);
    let spool = open(&disk, &sealing);
    let client = Client::new(&StoreConfig::embedded(accepting_store()));
    let shipping = tokio::spawn(Shipper::new(spool.clone(), client).run(std::future::pending()));
    let noted = quarantine().join(format!("{id}.tombstone"));
    let began = std::time::Instant::now();
    while disk.contents(&noted).is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing was shipped: {:?}", spool.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shipping.abort();
    assert!(spool.status().no_space.is_none());
    spool.close();
    let files = disk.lengths(Path::new(DIRECTORY));
    let rows: Vec<u8> = files.keys().flat_map(|file| disk.contents(file).unwrap()).collect();
    assert_eq!(memchr::memmem::find_iter(&rows, "segment discarded").count(), 1);
}

/// A spool with two sealed segments.
fn two_segments(disk: &TestDisk) -> Arc<Spool> {
    let spool = open(disk, &SpoolLimits { seal_rows: 3, ..limits() });
    for page_load in 0..6 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
    }
    until(|| spool.status().sealed == 2);
    spool
}

/// Ships to a store that accepts everything until nothing waits.
async fn ship_all(spool: &Arc<Spool>) {
    let client = Client::new(&StoreConfig::embedded(accepting_store()));
    let shipping = tokio::spawn(Shipper::new(spool.clone(), client).run(std::future::pending()));
    let began = std::time::Instant::now();
    while spool.status().sealed > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing is shipped: {:?}", spool.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shipping.abort();
}

#[tokio::test]
async fn a_segment_whose_file_is_gone_does_not_block_the_next() {
    let disk = TestDisk::default();
    let spool = two_segments(&disk);
    let first = spool.oldest_sealed().unwrap();
    disk.remove(&Path::new(DIRECTORY).join(first.id.file_name())).unwrap();
    ship_all(&spool).await;
    assert!(spool.status().bytes < 4_096, "its bytes no longer count: {:?}", spool.status());
}

#[tokio::test]
async fn a_segment_that_the_disk_cannot_read_is_quarantined() {
    let disk = TestDisk::default();
    let spool = two_segments(&disk);
    let first = spool.oldest_sealed().unwrap();
    disk.make_unreadable(&Path::new(DIRECTORY).join(first.id.file_name()));
    ship_all(&spool).await;
    assert!(disk.contents(&quarantine().join(first.id.file_name())).is_some());
}

#[tokio::test]
async fn a_running_collector_deletes_quarantined_events_whose_retention_has_passed() {
    let disk = TestDisk::default();
    let spool = two_segments(&disk);
    // The rows of these tests might be kept until 2024.
    let first = spool.oldest_sealed().unwrap();
    spool.quarantine(&first, "a test").unwrap();
    ship_all(&spool).await;
    let tombstones = disk.lengths(&quarantine());
    assert!(tombstones.keys().all(|file| file.to_string_lossy().contains(".tombstone")), "{tombstones:?}");
    assert_eq!(tombstones.len(), 1);
}
