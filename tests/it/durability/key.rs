//! The key on a file system that is full: it turns all the same, and the old one is gone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::common::{Collector, eventually};

/// Turns a key twice in a directory of 8 KiB, the second time with no byte left; prints what the commands say, and the file.
const TURN: &str = r#"
set -e
mkdir -p "$3"
mount -t tmpfs -o size=8k,mode=700 none "$3"
"$1" key rotate --config "$2"
od -An -v -tx1 "$3/key" | tr -d ' \n' && echo
head -c 1M /dev/zero > "$3/ballast" 2> /dev/null || true
: > "$3/key.next" # as a turn leaves it that was killed there
"$1" key rotate --config "$2"
"$1" key status --format json --config "$2" | tr -d '\n' && echo
od -An -v -tx1 "$3/key" | tr -d ' \n' && echo
ls "$3"
"#;

#[test]
fn a_key_turns_though_there_is_no_space_for_another_file_and_the_old_one_is_gone() {
    let collector = Collector::new("");
    let run = |script: &str| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
            .arg(env!("CARGO_BIN_EXE_footfall"))
            .args([collector.path("footfall.toml"), collector.path("key")])
            .output()
    };
    if !run("mount -t tmpfs none /mnt").is_ok_and(|tried| tried.status.success()) {
        println!("not run: this machine lets nobody mount a small disk in a namespace of its own");
        return;
    }
    let output = run(TURN).expect("it ran above");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    let [first, old, second, status, new, files @ ..] = &lines[..] else { panic!("{text}") };
    let fingerprint = |line: &str, at: usize| line.split_whitespace().nth(at).unwrap().to_owned();
    assert_eq!(fingerprint(first, 5), fingerprint(second, 1), "the second turn ended the first key");
    assert!(status.contains(&fingerprint(second, 5)), "the new key is found again: {status}");
    // 32 bytes of key from byte 27 on, as the file's format has it.
    assert_ne!(old[54..118], new[54..118]);
    assert_eq!(old.len(), new.len());
    assert_eq!(files, ["ballast", "filter", "key", "lock"]);
}

/// Makes the key in a file two days older, by the description of the file's format.
fn age_key(file: &Path) {
    const TWO_DAYS: i64 = 2 * 24 * 60 * 60;
    let mut bytes = std::fs::read(file).unwrap();
    let epoch = u32::from_le_bytes(bytes[15..19].try_into().unwrap()) - TWO_DAYS as u32;
    let since = i64::from_le_bytes(bytes[19..27].try_into().unwrap()) - TWO_DAYS;
    bytes[15..19].copy_from_slice(&epoch.to_le_bytes());
    bytes[19..27].copy_from_slice(&since.to_le_bytes());
    let checksum = Sha256::digest(&bytes[..59]);
    bytes[59..].copy_from_slice(&checksum[..8]);
    std::fs::write(file, bytes).unwrap();
}

/// `key expire` destroys an expired key of a stopped collector. The audit has the row once a collector has run again.
#[test]
fn a_stopped_collector_keeps_no_expired_key_and_its_destruction_is_in_the_audit() {
    let mut collector = Collector::new("");
    collector.start();
    let expire = |collector: &Collector| {
        let output = collector.command(&["key", "expire"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(expire(&collector).contains("a collector is running"));
    assert!(collector.terminate().success(), "{}", collector.log());
    assert_eq!(expire(&collector), "no key has expired\n");
    let status = collector.command(&["key", "status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let fingerprint = status["fingerprint"].as_str().unwrap().to_owned();

    // The epoch of the key is a day of the past.
    let file = collector.path("key").join("key");
    age_key(&file);
    let said = expire(&collector);
    assert!(said.contains(&fingerprint) && said.contains("is destroyed"), "{said}");
    assert!(!file.exists());
    collector.start();
    let sql =
        format!("SELECT count() FROM audit WHERE action = 'key expired' AND detail LIKE '%{fingerprint}%'");
    eventually("the row is in the audit", Duration::from_secs(60), || {
        collector.store.query(&sql).is_ok_and(|body| body == b"1\n")
    });
    assert!(!collector.data().join("audit.taken").exists());
}
