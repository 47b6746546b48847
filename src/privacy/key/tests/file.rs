//! What lies in the directory and in memory: an old key is gone, and a file that is damaged, foreign or open to others is not used.

use super::*;

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
        KeyRing::open(path, allowed, TimeZone::UTC, Arc::new(crate::privacy::SystemClock))
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
