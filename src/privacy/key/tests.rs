//! The key's promises under a clock that the test turns: ids change when they must and only then, and an old key is gone.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;
use zeroize::Zeroize;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::privacy::clock::Clock;
use crate::privacy::mac::PseudonymHmac;

/// A wall clock that stands where it was put.
pub(super) struct TestClock(pub(super) AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }

    /// This clock is never set back in tests of what depends on it.
    fn uptime(&self) -> SignedDuration {
        SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// A key directory that outlives restarts, and its clock.
struct Bench {
    directory: TempDir,
    clock: Arc<TestClock>,
    zone: &'static str,
}

impl Bench {
    fn new(zone: &'static str, now: &str) -> Self {
        let bench = Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::new(TestClock(AtomicI64::new(0))),
            zone,
        };
        bench.set(now);
        bench
    }

    /// In winter it is midnight there at 01:00 UTC.
    fn azores(now: &str) -> Self {
        Self::new("Atlantic/Azores", now)
    }

    fn set(&self, now: &str) {
        self.clock.0.store(at(now).as_second(), Ordering::Relaxed);
    }

    fn open(&self) -> KeyRing {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<KeyRing, KeyError> {
        let zone = TimeZone::get(self.zone).unwrap();
        KeyRing::open(self.directory.path(), true, zone, self.clock.clone())
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    /// The key in the file, by the format's description.
    fn stored_key(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()[27..59].to_vec()
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn id(ring: &KeyRing) -> u64 {
    ring.current().mac().part(b"somebody").finish()
}

#[test]
fn ids_change_at_the_turn_in_the_configured_zone_and_only_then() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let (first, status) = (id(&ring), ring.status());
    assert_eq!(status.next_turn, at("2026-11-23T01:00:00Z"), "midnight");
    for still in ["2026-11-22T21:00:00Z", "2026-11-23T00:00:00Z", "2026-11-23T00:59:59Z"] {
        bench.set(still);
        assert_eq!((ring.turn_if_due(), id(&ring)), (None, first), "{still}");
    }
    bench.set("2026-11-23T01:00:00Z");
    let turn = ring.turn_if_due().unwrap();
    assert_ne!(id(&ring), first);
    assert_eq!(turn.ended, status.fingerprint);
    assert_eq!((turn.began, turn.epoch), (ring.status().fingerprint, ring.status().epoch));
    assert_eq!(i64::from(turn.epoch), at("2026-11-23T01:00:00Z").as_second());
    assert_eq!(ring.turn_if_due(), None, "once");
}

#[test]
fn a_key_expires_while_no_collector_runs_and_no_new_one_is_made() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let expire = || {
        let zone = TimeZone::get(bench.zone).unwrap();
        KeyRing::expire(bench.directory.path(), true, zone, &*bench.clock).unwrap()
    };
    assert_eq!(expire(), None, "there is no key");
    let status = bench.open().status();
    bench.set("2026-11-23T00:59:59Z");
    assert_eq!(expire(), None);
    let key = bench.stored_key();
    bench.set("2026-11-23T01:00:00Z");
    assert_eq!(expire(), Some((status.epoch, status.fingerprint)));
    assert!(!bench.file().exists());
    assert_eq!(expire(), None, "once");
    // The duplicate filter's key goes an hour later.
    let filter = bench.directory.path().join("filter");
    assert!(filter.exists());
    bench.set("2026-11-23T02:00:01Z");
    expire();
    assert!(!filter.exists());
    for entry in fs::read_dir(bench.directory.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|window| window == key));
    }
    assert_ne!(bench.open().status().fingerprint, status.fingerprint);
}

#[test]
fn a_turn_comes_once_where_clocks_skip_midnight_or_have_it_twice() {
    for (before, turns) in [
        ("2026-03-07T12:00:00Z", ["2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"]),
        ("2026-10-31T12:00:00Z", ["2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"]),
    ] {
        let bench = Bench::new("America/Havana", before);
        let ring = bench.open();
        let mut epochs = Vec::new();
        for minute in 0..(2 * 24 * 60) {
            let now = at(before).as_second() + minute * 60;
            bench.clock.0.store(now, Ordering::Relaxed);
            let seen = id(&ring);
            let turn = ring.turn_if_due();
            assert_eq!(turn.is_some(), id(&ring) != seen, "ids change with a turn and only then");
            epochs.extend(turn.map(|turn| i64::from(turn.epoch)));
        }
        assert_eq!(epochs, turns.map(|turn| at(turn).as_second()), "{before}");
    }
}

#[test]
fn a_restart_before_the_turn_keeps_ids_and_one_after_it_changes_them() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let first = bench.open();
    let (kept, status) = (id(&first), first.status());
    drop(first);
    bench.set("2026-11-23T00:59:59Z");
    let second = bench.open();
    assert_eq!((id(&second), second.status().epoch), (kept, status.epoch));
    assert_eq!(second.turn_if_due(), None);
    drop(second);
    bench.set("2026-11-23T01:00:01Z");
    let third = bench.open();
    assert_ne!(id(&third), kept);
    let turn = third.turn_if_due().expect("the turn of the restart is told");
    assert_eq!((turn.ended, turn.began), (status.fingerprint, third.status().fingerprint));
    assert_eq!(third.turn_if_due(), None);
}

#[test]
fn days_of_downtime_make_one_turn() {
    let bench = Bench::azores("2026-11-10T09:00:00Z");
    drop(bench.open());
    bench.set("2026-11-22T09:00:00Z");
    let ring = bench.open();
    assert_eq!(i64::from(ring.turn_if_due().unwrap().epoch), at("2026-11-22T01:00:00Z").as_second());
    assert_eq!(ring.turn_if_due(), None);
    assert_eq!(ring.status().next_turn, at("2026-11-23T01:00:00Z"));
}

#[test]
fn a_clock_set_back_neither_changes_ids_nor_takes_the_epoch_back() {
    let bench = Bench::azores("2026-11-23T00:59:00Z");
    let ring = bench.open();
    bench.set("2026-11-23T01:00:00Z");
    let turned = ring.turn_if_due().unwrap();
    let kept = id(&ring);
    bench.set("2026-11-22T23:00:00Z");
    assert_eq!((ring.turn_if_due(), id(&ring)), (None, kept));
    bench.set("2026-11-23T01:00:00Z");
    assert_eq!((ring.turn_if_due(), id(&ring)), (None, kept), "the same turn does not come twice");
    drop(ring);
    bench.set("2026-11-22T22:00:00Z");
    let restarted = bench.open();
    assert_eq!((id(&restarted), restarted.status().epoch), (kept, turned.epoch));
    assert_eq!(restarted.rotate().unwrap().epoch, turned.epoch + 1, "later, though the clock says earlier");
    bench.set("2026-11-24T01:00:00Z");
    assert_eq!(i64::from(restarted.turn_if_due().unwrap().epoch), at("2026-11-24T01:00:00Z").as_second());
}

#[test]
fn a_clock_set_back_by_more_than_a_day_turns_at_once_so_that_no_key_outlives_its_day() {
    let bench = Bench::azores("2030-01-01T09:00:00Z");
    let ring = bench.open();
    let far = ring.status().epoch;
    bench.set("2026-11-22T09:00:00Z");
    assert_eq!(ring.turn_if_due().unwrap().epoch, far + 1);
    assert_eq!(ring.turn_if_due(), None);
    bench.set("2026-11-23T00:59:59Z");
    assert_eq!(ring.turn_if_due(), None);
    bench.set("2026-11-23T01:00:00Z");
    assert_eq!(ring.turn_if_due().unwrap().epoch, far + 2);
}

#[test]
fn a_turn_that_is_asked_for_comes_at_once_and_the_next_one_in_its_time() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let first = (id(&ring), ring.status().epoch);
    let turn = ring.rotate().unwrap();
    assert_ne!(id(&ring), first.0);
    assert_eq!(turn.epoch, first.1 + 1, "within the same second the number still rises");
    assert_eq!(ring.status().next_turn, at("2026-11-23T01:00:00Z"));
}

#[test]
fn collectors_with_one_directory_share_each_epoch_s_key() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let (one, other) = (bench.open(), bench.open());
    assert_eq!(id(&one), id(&other));
    bench.set("2026-11-23T01:00:00Z");
    let made = one.turn_if_due().unwrap();
    assert_eq!(other.turn_if_due(), Some(made));
    assert_eq!(id(&one), id(&other));
    let made = other.rotate().unwrap();
    assert_eq!(one.turn_if_due(), Some(made));
    assert_eq!(id(&one), id(&other));
}

#[test]
fn a_key_that_another_process_wrote_over_the_old_one_is_noticed() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let kept = id(&ring);
    bench.set("2026-11-22T09:00:02Z");
    let other = Bench::azores("2026-11-22T09:00:01Z");
    other.open();
    // Clocks of file systems move every few milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let file = OpenOptions::new().write(true).open(bench.file()).unwrap();
    file.write_all_at(&fs::read(other.file()).unwrap(), 0).unwrap();
    assert_eq!(ring.turn_if_due().map(|turn| turn.epoch), Some(ring.status().epoch));
    assert_ne!(id(&ring), kept);
    assert_eq!(ring.turn_if_due(), None, "once");
}

#[test]
fn after_a_turn_the_directory_holds_the_new_key_alone_and_the_old_file_s_bytes_are_zero() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let old = bench.stored_key();
    let mut old_file = OpenOptions::new().read(true).open(bench.file()).unwrap();
    ring.rotate().unwrap();
    let mut left = Vec::new();
    old_file.seek(SeekFrom::Start(0)).unwrap();
    old_file.read_to_end(&mut left).unwrap();
    assert!(!left.is_empty() && left.iter().all(|byte| *byte == 0));
    let mut names: Vec<_> = Vec::new();
    for entry in fs::read_dir(bench.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(8).any(|window| window == &old[..8]), "{}", path.display());
        names.push(path.file_name().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["filter", "key", "lock"]);
    assert_eq!(fs::metadata(bench.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Whether the process's writable memory holds this text, given as its complement so that the search does not find
/// itself.
#[cfg(target_os = "linux")]
fn memory_holds(complement: &[u8; 32]) -> bool {
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut page = vec![0; 1 << 20];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (mut from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while from < to {
            let length = usize::try_from(to - from).unwrap().min(page.len());
            // Regions come and go while other tests run.
            let Ok(read) = memory.read_at(&mut page[..length], from) else { break };
            let holds = |window: &[u8]| window.iter().zip(complement).all(|(byte, other)| *byte == !other);
            let found = page[..read].windows(32).any(holds);
            page[..read].zeroize();
            if found {
                return true;
            }
            from += read.max(1) as u64;
        }
    }
    false
}

#[test]
#[cfg(target_os = "linux")]
fn no_key_lies_in_the_process_s_memory_and_after_a_turn_not_its_state_either() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let mut state: [u8; 32] = *ring.current().page.state().first_chunk().unwrap();
    state.iter_mut().for_each(|byte| *byte = !*byte);
    assert!(memory_holds(&state), "the search finds what is there");
    // Read straight into the array, since a buffer would go back to the allocator with the key in it.
    let mut key = [0; 32];
    File::open(bench.file()).unwrap().read_exact_at(&mut key, 27).unwrap();
    key.iter_mut().for_each(|byte| *byte = !*byte);
    assert!(!memory_holds(&key), "of the key in force only the state is kept");
    ring.rotate().unwrap();
    assert!(!memory_holds(&state) && !memory_holds(&key));
}

#[test]
fn a_damaged_file_is_wiped_and_a_new_key_made() {
    for damage in [&b""[..], b"nonsense", &[0xff; 67]] {
        let bench = Bench::azores("2026-11-22T09:00:00Z");
        let kept = id(&bench.open());
        let mut file = OpenOptions::new().write(true).truncate(true).open(bench.file()).unwrap();
        file.write_all(damage).unwrap();
        assert_ne!(id(&bench.open()), kept);
        assert_eq!(id(&bench.open()), id(&bench.open()));
    }
}

#[test]
fn every_flipped_bit_of_the_file_is_noticed() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let kept = id(&bench.open());
    let whole = fs::read(bench.file()).unwrap();
    assert_eq!(whole.len(), 67);
    for at in (15..whole.len()).step_by(3) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(bench.file(), &flipped).unwrap();
        assert_ne!(id(&bench.open()), kept, "byte {at}");
    }
}

#[test]
fn a_file_that_others_could_read_is_not_used_again() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let kept = id(&bench.open());
    fs::set_permissions(bench.file(), Permissions::from_mode(0o644)).unwrap();
    assert_ne!(id(&bench.open()), kept);
    assert_eq!(fs::metadata(bench.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_of_another_version_is_refused_and_left_alone() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    drop(bench.open());
    fs::write(bench.file(), "footfall ratchet 1\nwhatever").unwrap();
    let error = bench.try_open().err().unwrap();
    assert!(matches!(error, KeyError::Newer(_)), "{error}");
    assert_eq!(fs::read(bench.file()).unwrap(), b"footfall ratchet 1\nwhatever");
}

#[test]
fn a_turn_that_is_cut_short_leaves_one_whole_key() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let kept = id(&bench.open());
    let whole = fs::read(bench.file()).unwrap();
    let next = bench.directory.path().join("key.next");
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    };
    // The new file is half written: the old key stays.
    write(&next, &whole[..30]);
    assert_eq!(id(&bench.open()), kept);
    assert!(!next.exists());
    // The new file is whole, the old one overwritten: the new key counts.
    write(&next, &whole);
    write(&bench.file(), &[0; 67]);
    assert_eq!(id(&bench.open()), kept);
    assert!(!next.exists());
    // The same, cut short within the overwriting.
    write(&next, &whole);
    let mut half = whole.clone();
    half[..40].fill(0);
    write(&bench.file(), &half);
    assert_eq!(id(&bench.open()), kept);
}

#[test]
fn a_directory_that_others_may_write_to_is_refused_with_the_remedy() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    fs::set_permissions(bench.directory.path(), Permissions::from_mode(0o777)).unwrap();
    let error = bench.try_open().err().unwrap().to_string();
    assert!(error.contains("chmod 700") && error.contains("777"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_directory_on_a_disk_is_refused_with_the_remedy_unless_it_is_allowed() {
    let ring = |path: &Path, allowed| {
        KeyRing::open(path, allowed, TimeZone::UTC, Arc::new(super::super::SystemClock))
    };
    // The sources lie on a disk; a build directory in memory would make this test say nothing, so that it asks.
    let on_disk = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    if rustix::fs::statfs(on_disk.path()).unwrap().f_type != rustix::fs::statfs("/dev/shm").unwrap().f_type {
        let error = ring(on_disk.path(), false).err().unwrap().to_string();
        assert!(error.contains("/dev/shm") && error.contains("key_on_disk"), "{error}");
    }
    assert!(ring(on_disk.path(), true).is_ok());
    let in_memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let directory = in_memory.path().join("made/by/footfall");
    assert!(ring(&directory, false).is_ok());
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_link_in_the_key_s_place_is_not_followed() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    fs::write(elsewhere.path(), "precious").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), bench.file()).unwrap();
    assert!(bench.try_open().is_err());
    assert_eq!(fs::read(elsewhere.path()).unwrap(), b"precious");
}

#[test]
fn a_fingerprint_tells_keys_apart_and_shows_nothing_of_them() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let key: String = bench.stored_key().iter().map(|byte| format!("{byte:02x}")).collect();
    let fingerprint = ring.status().fingerprint.to_string();
    assert_eq!(fingerprint.len(), 8);
    assert!(!key.contains(&fingerprint));
    assert_ne!(ring.rotate().unwrap().began.to_string(), fingerprint);
}

#[test]
fn ids_are_made_while_keys_turn() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| (0..20_000).map(|_| id(&ring)).max())).collect();
        for _ in 0..50 {
            ring.rotate().unwrap();
        }
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

fn filter(ring: &KeyRing) -> (u64, Vec<u64>) {
    let id = |mac: PseudonymHmac<'_>| mac.part(b"event").finish();
    let previous = ring.previous_filters().iter().map(|filter| id(filter.mac())).collect();
    (id(ring.current().filter_mac()), previous)
}

#[test]
fn the_filter_knows_events_of_the_previous_epoch_for_an_hour_also_over_a_restart() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let (before, none) = filter(&ring);
    assert!(none.is_empty());
    bench.set("2026-11-23T01:00:00Z");
    ring.turn_if_due().unwrap();
    assert_eq!(filter(&ring).1, [before]);
    assert_ne!(filter(&ring).0, before);
    drop(ring);
    bench.set("2026-11-23T01:59:59Z");
    let restarted = bench.open();
    assert_eq!(restarted.turn_if_due(), None);
    assert_eq!(filter(&restarted).1, [before]);
    bench.set("2026-11-23T02:00:00Z");
    assert_eq!(restarted.turn_if_due(), None);
    assert!(filter(&restarted).1.is_empty());
    assert!(!bench.directory.path().join("filter").exists(), "its key is wiped");
    assert!(filter(&bench.open()).1.is_empty());
}

#[test]
fn a_collector_that_was_down_at_the_turn_knows_the_events_before_it() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let before = filter(&bench.open()).0;
    bench.set("2026-11-23T01:10:00Z");
    assert_eq!(filter(&bench.open()).1, [before]);
    bench.set("2026-11-23T02:10:00Z");
    assert!(filter(&bench.open()).1.is_empty(), "an hour after the turn");
}

#[test]
fn several_turns_in_an_hour_are_all_known_but_not_more_than_eight() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let mut expected = Vec::new();
    for _ in 0..10 {
        expected.push(filter(&ring).0);
        ring.rotate().unwrap();
    }
    assert_eq!(filter(&ring).1, expected[2..]);
    assert_eq!(filter(&bench.open()).1, expected[2..]);
}

#[test]
fn a_damaged_file_of_filters_is_wiped() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    bench.open().rotate().unwrap();
    let path = bench.directory.path().join("filter");
    let mut bytes = fs::read(&path).unwrap();
    bytes[30] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(filter(&bench.open()).1.is_empty());
    assert!(!path.exists());
}

#[test]
fn the_filter_s_key_tells_nothing_of_the_pseudonyms() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let pseudonym = ring.current().mac().part(b"event").finish();
    assert_ne!(filter(&ring).0, pseudonym);
}
