//! The key on a file system that is full: it turns all the same, and the old one is gone.

use std::process::Command;

use crate::common::Collector;

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
