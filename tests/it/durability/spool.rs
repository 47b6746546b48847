//! The spool killed at random moments, and shipping to a real store that goes away.
//!
//! The appending process is this test binary itself, run again with [`CHILD`] set: it appends until it is killed and
//! writes each ack to a ledger, which the parent then compares with what recovery finds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use footfall::config::SpoolLimits;
use footfall::event::{EventRow, UnixDay, UnixSeconds};
use footfall::spool::{Durability, EventEntry, EventRecord, Spool, inspect};

use crate::common::{eventually, seed};

/// Directory of the spool that the child appends to; the ledger is `ledger` beside it.
const CHILD: &str = "TEST_SPOOL_CHILD";
const KILLS: usize = 20;
/// The child is killed after a random number of acks, at most this one.
const ACKS_MAX: usize = 1_500;
const TASKS: u64 = 32;
/// Bits of a page load that count within one task and one run.
const COUNT_BITS: u32 = 32;

fn limits() -> SpoolLimits {
    SpoolLimits {
        seal_rows: 2_000,
        seal_bytes: 4 << 20,
        seal_after: Duration::from_millis(50),
        max_bytes: 1 << 30,
        reserve: None,
    }
}

fn rows(page_load: u64, seqs: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for seq in seqs {
        let received = UnixSeconds::from_millis(jiff::Timestamp::now().as_millisecond());
        let row = EventRow {
            page_load,
            seq: *seq,
            time: received,
            received,
            expires: UnixDay(u16::MAX),
            site: "clinic",
            ..EventRow::default()
        };
        row.encode(&mut bytes);
    }
    bytes
}

async fn append(spool: &Spool, page_load: u64) {
    // One, two or three events: a record is accepted whole.
    let seqs = &[0, 1, 2][..(page_load % 3) as usize + 1];
    let rows = rows(page_load, seqs);
    let row_len = (rows.len() / seqs.len()) as u32;
    let event = |seq: &u32| EventEntry { filter_id: page_load << 2 | u64::from(*seq), row_len };
    let events: Vec<_> = seqs.iter().map(event).collect();
    let record = EventRecord { site: "clinic", events: &events, rows: &rows };
    spool.append(record, Durability::Synced).expect("the spool has room").await.expect("the disk works");
}

#[test]
fn appends_until_it_is_killed_when_run_as_a_child() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let directory = Path::new(&directory);
    let ledger = std::fs::File::options().append(true).create(true).open(directory.join("ledger")).unwrap();
    let (spool, _) = Spool::open(&directory.join("spool"), &limits()).unwrap();
    let run = u64::from(std::process::id() & 0xf_ffff) << (COUNT_BITS + 8);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Arc::new(ledger);
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (spool, ledger) = (spool.clone(), ledger.clone());
                tokio::spawn(async move {
                    for count in 0.. {
                        let page_load = run | task << COUNT_BITS | count;
                        append(&spool, page_load).await;
                        // One write to a file opened for appending is whole, and outlives the process.
                        (&*ledger).write_all(&page_load.to_le_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn child(directory: &Path) -> Child {
    let (_, module) = module_path!().split_once("::").expect("the module is in a crate");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::appends_until_it_is_killed_when_run_as_a_child")])
        .env(CHILD, directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn ledger(directory: &Path) -> Vec<u64> {
    let bytes = std::fs::read(directory.join("ledger")).unwrap_or_default();
    bytes.chunks_exact(8).map(|entry| u64::from_le_bytes(entry.try_into().unwrap())).collect()
}

#[test]
fn what_was_acknowledged_before_a_kill_is_recovered_once_and_in_order() {
    let mut random = fastrand::Rng::with_seed(seed());
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let _ = std::fs::remove_file(directory.path().join("ledger"));
        let mut child = child(directory.path());
        // At a random moment under load: how long so many acks take depends on the machine.
        let acks = random.usize(1..=ACKS_MAX);
        eventually("the child has acks", Duration::from_secs(60), || ledger(directory.path()).len() >= acks);
        std::thread::sleep(Duration::from_micros(random.u64(0..5_000)));
        child.kill().unwrap();
        child.wait().unwrap();

        let (spool, found) = Spool::open(&directory.path().join("spool"), &limits()).unwrap();
        assert!(
            inspect(&directory.path().join("spool")).unwrap().quarantined.is_empty(),
            "{:?}",
            found.notes
        );
        let mut records: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut last = [0; TASKS as usize];
        for id in &found.ids {
            let (page_load, seq) = (id >> 2, (id & 3) as u32);
            records.entry(page_load).or_default().push(seq);
            let task = (page_load >> COUNT_BITS & 0xff) as usize;
            assert!(last[task] <= page_load, "kill {kill}: task {task} is out of order");
            last[task] = page_load;
        }
        for (page_load, seqs) in &records {
            let whole: Vec<u32> = (0..=(page_load % 3) as u32).collect();
            assert_eq!(seqs, &whole, "kill {kill}: record {page_load:x} is whole and there once");
        }
        let entries = ledger(directory.path());
        for page_load in &entries {
            assert!(records.contains_key(page_load), "kill {kill}: {page_load:x} was acknowledged");
        }
        acknowledged += entries.len();
        let counted: u64 = inspect(&directory.path().join("spool"))
            .unwrap()
            .segments
            .iter()
            .flat_map(|segment| segment.counts.iter())
            .map(|(_, count)| count.stored)
            .sum();
        assert_eq!(counted, found.ids.len() as u64, "kill {kill}: the counts are those of the events");
        // As if they were shipped: the next round starts with an empty spool.
        while let Some(sealed) = spool.oldest_sealed() {
            spool.confirm(&sealed).unwrap();
        }
    }
    println!("{acknowledged} acknowledged beacons over {KILLS} kills");
}

/// Other tests inject ENOSPC and EIO through the disk trait. This one gets them from a full file system.
#[test]
fn a_full_file_system_breaks_the_spool_and_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(directory.path())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        println!("skipped: this user may not mount a file system");
        return;
    }
    let path = directory.path().join("spool");
    let (spool, _) = Spool::open(&path, &limits()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let acknowledged = AtomicU64::new(0);
    runtime.block_on(async {
        let rows = rows(1, &[0]);
        for filter_id in 0.. {
            let events = [EventEntry { filter_id, row_len: rows.len() as u32 }];
            let record = EventRecord { site: "clinic", events: &events, rows: &rows };
            let Ok(ack) = spool.append(record, Durability::Synced) else { break };
            if ack.await.is_err() {
                break;
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    });
    // The refusal may be told a moment before the state.
    crate::common::eventually("the disk is full", std::time::Duration::from_secs(10), || {
        spool.status().broken.is_some()
    });
    let broken = spool.status().broken.expect("it stays broken");
    assert!(broken.to_string().contains("space"), "{broken}");
    drop(spool);
    // Without space for the seal of the active segment the start waits. With space it goes on.
    let remounted = Command::new("mount")
        .args(["-o", "remount,size=8m"])
        .arg(directory.path())
        .status()
        .is_ok_and(|status| status.success());
    let found = remounted.then(|| Spool::open(&path, &limits()).map(|(_, found)| found.events));
    Command::new("umount").arg("-l").arg(directory.path()).status().unwrap();
    let events = found.expect("a mounted file system can grow").unwrap();
    assert!(events >= acknowledged.into_inner(), "{events} recovered");
}
