//! The store that `serve` starts: its users need passwords that only their owner can read, except the analyst on loopback; and what
//! another user of the machine tries.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use super::{beyond_loopback, get};
use crate::common::{Collector, HttpResponse, StoreClient, eventually, good_beacon, http, process};

/// Longer than a store takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const COUNT: &[u8] = b"SELECT count() FROM footfall.events";
const ANALYST: &str = "X-ClickHouse-User: footfall_analyst\r\n";
/// `nobody`, on most systems; there need be no such user.
const NEIGHBOUR: u32 = 65_534;

fn file(collector: &Collector) -> PathBuf {
    collector.data().join("store.passwords")
}

fn password(collector: &Collector, user: &str) -> String {
    let text = fs::read_to_string(file(collector)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{user}:")));
    line.unwrap_or_else(|| panic!("no {user} in the file")).to_owned()
}

/// Starts the collector, sends an event and waits until `count` events are stored.
fn start_and_store(collector: &mut Collector, count: u64) {
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", count, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(count, PATIENCE);
}

fn ask(collector: &Collector, parameters: &str, headers: &str, sql: &[u8]) -> HttpResponse {
    http::post(collector.store.listen, &format!("/?{parameters}"), headers, sql).unwrap()
}

/// Status and ClickHouse's code of a refusal.
fn refusal(answer: &HttpResponse) -> (u16, &str) {
    (answer.status, answer.header("x-clickhouse-exception-code").unwrap_or("none"))
}

/// Refused for a wrong name or password (516), or, as `default`, because the engine's own session has the only place (700).
#[track_caller]
fn assert_refused(answer: &HttpResponse, who: &str) {
    let (status, code) = refusal(answer);
    assert!(status != 200 && ["516", "700"].contains(&code), "{who}: {}", answer.text());
}

fn edit(collector: &Collector, from: &str, to: &str) {
    let settings = collector.path("footfall.toml");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&settings, text.replacen(from, to, 1)).unwrap();
}

#[track_caller]
fn assert_done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn another_user_of_the_machine_is_the_analyst_and_nobody_else() {
    let mut collector = Collector::new("");
    start_and_store(&mut collector, 1);
    let right = password(&collector, "footfall_collector");
    let basic = |text: &str| {
        use base64::Engine as _;
        format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let key = |user: &str, key: &str| format!("X-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {key}\r\n");
    let attacks = [
        ("", String::new()),
        ("user=default", String::new()),
        ("user=footfall_collector", String::new()),
        ("user=footfall_collector&password=", String::new()),
        ("user=footfall_collector&password=footfall_collector", String::new()),
        ("password=x", String::new()),
        ("role=footfall_collector", String::new()),
        ("user=footfall_operator", String::new()),
        ("user=footfall_reports", String::new()),
        ("user=footfall_privacy&password=", String::new()),
        ("user=supervisor", String::new()),
        ("session_id=s", String::new()),
        ("", key("default", "")),
        ("", key("footfall_collector", "")),
        ("", key("footfall_collector", &right[1..])),
        ("", key("footfall_collector", &right.to_lowercase())),
        ("", format!("X-ClickHouse-Key: {}\r\n", &right[..42])),
        ("", key("root", &right)),
        ("", basic("default:")),
        ("", basic("footfall_collector:")),
        ("", basic("footfall_collector:x")),
        ("", basic(":")),
    ];
    for (parameters, headers) in &attacks {
        for sql in [&b"SELECT 1"[..], b"DROP TABLE footfall.events", COUNT] {
            let answer = ask(&collector, parameters, headers, sql);
            assert_refused(&answer, &format!("{parameters} {headers}"));
            assert!(!answer.text().contains(&right), "{}", answer.text());
        }
    }
    // A client without the password may read, and nothing else.
    assert_eq!(ask(&collector, "", ANALYST, COUNT).text(), "1\n");
    assert_eq!(ask(&collector, "user=footfall_analyst&session_id=s", "", COUNT).text(), "1\n");
    let drop = ask(&collector, "", ANALYST, b"DROP TABLE footfall.events");
    assert_eq!(refusal(&drop).1, "497", "{}", drop.text());
    for headers in [key("footfall_collector", &right), basic(&format!("footfall_collector:{right}"))] {
        assert_eq!(ask(&collector, "", &headers, COUNT).text(), "1\n", "{headers}");
    }
    // Nor does a page that points its name at the store become the reader.
    for host in ["evil.example", "127.0.0.1.evil.example"] {
        for path in ["/ping", "/?user=footfall_analyst&query=SELECT%201"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = http::exchange(collector.store.listen, request.as_bytes()).unwrap();
            assert_eq!(answer.status, 404, "{host} {path}: {}", answer.text());
        }
    }
    assert_eq!(collector.store.number("SELECT count() FROM events"), 1);
}

#[test]
fn the_password_is_in_its_file_alone_which_the_store_itself_cannot_read() {
    let mut collector = Collector::new("");
    start_and_store(&mut collector, 1);
    let file = file(&collector);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let secret = password(&collector, "footfall_collector");
    assert_eq!(secret.len(), 43, "256 bits");
    let path = file.display();
    for sql in [
        format!("SELECT file('{path}')"),
        format!("SELECT arrayMap(file, ['{path}'])"),
        format!("SELECT * FROM file('{path}', 'LineAsString')"),
        format!("SELECT * FROM format(Values, 'a String', '(file(''{path}''))')"),
        format!("SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '{path}'"),
        format!("CREATE TABLE footfall.f (a String) ENGINE = File('LineAsString', '{path}')"),
        format!("INSERT INTO footfall.audit (action) FROM INFILE '{path}' FORMAT LineAsString"),
        "SELECT * FROM default.`../store.passwords`".to_owned(),
        "SELECT * FROM file('../../store.passwords', 'LineAsString')".to_owned(),
    ] {
        for headers in [collector.store.credentials(), ANALYST.to_owned()] {
            let answer = ask(&collector, "", &headers, sql.as_bytes());
            assert_ne!(answer.status, 200, "{sql}");
            assert!(!answer.text().contains(&secret), "{sql}: {}", answer.text());
        }
    }
    assert!(collector.command(&["verify"]).status.success());
    let store = collector.store_pid().unwrap();
    let mut said = collector.log().into_bytes();
    for pid in [collector.pid(), store] {
        said.extend(fs::read(format!("/proc/{pid}/cmdline")).unwrap());
        // Root may look all the same; a neighbour may not.
        said.extend(fs::read(format!("/proc/{pid}/environ")).unwrap_or_default());
    }
    said.extend(get(collector.admin, "/metrics", "").body);
    said.extend(get(collector.admin, "/readyz", "").body);
    said.extend(assert_done(&collector.command(&["config", "check"])).into_bytes());
    assert!(memchr::memmem::find(&said, secret.as_bytes()).is_none(), "the password was told");
    assert!(memchr::memmem::find(&said, b"footfall.toml").is_some(), "what was said was searched");
}

#[test]
fn each_command_goes_on_beside_a_collector_that_runs() {
    let mut collector = Collector::new("");
    start_and_store(&mut collector, 1);
    assert!(assert_done(&collector.command(&["migrate"])).contains("0 applied now"));
    assert!(assert_done(&collector.command(&["migrate", "--print"])).contains("CREATE TABLE"));
    let counted = collector.command(&["query", "SELECT count() FROM events", "--format", "json"]);
    assert!(assert_done(&counted).contains("1"));
    let report = ["report", "overview", "--site", "clinic", "--from", "today", "--k", "1"];
    assert!(assert_done(&collector.command(&report)).contains("visitors"));
    assert_done(&collector.command(&["verify"]));
    let made = assert_done(&collector.command(&["demo", "--visitors", "20", "--days", "2"]));
    assert!(made.contains("events of site demo written"), "{made}");
    assert!(collector.store.number("SELECT count() FROM events") > 20);
    // As docs/embedded.md shows it.
    let script = format!(
        "sed -n 's/^footfall_operator:/X-ClickHouse-Key: /p' data/store.passwords |
           curl -sS -H @- -H 'X-ClickHouse-User: footfall_operator' http://{}/ -d 'SELECT count() FROM footfall.events'",
        collector.store.listen
    );
    let curl = Command::new("sh").args(["-c", &script]).current_dir(collector.path("")).output().unwrap();
    assert_ne!(assert_done(&curl), "0\n", "the operator reads events");
    let listed = get(collector.reports, "/api/reports/overview?site=clinic&from=today", "");
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert!(collector.terminate().success(), "{}", collector.log());
    // The demonstration's visitors are put into a store of their own, which it starts.
    let before = fs::read_to_string(file(&collector)).unwrap();
    assert_done(&collector.command(&["demo", "--visitors", "20", "--days", "1", "--seed", "2"]));
    assert_eq!(fs::read_to_string(file(&collector)).unwrap(), before);
}

#[test]
fn where_tokens_are_required_on_loopback_the_analyst_needs_a_password_too() {
    let mut collector = Collector::new("");
    start_and_store(&mut collector, 1);
    let writer = password(&collector, "footfall_collector");
    assert_eq!(password(&collector, "footfall_analyst"), "");
    assert!(collector.terminate().success());
    edit(&collector, "[store]", "[access]\nloopback_tokens = true\n[store]");
    start_and_store(&mut collector, 2);
    assert_eq!(password(&collector, "footfall_collector"), writer, "the writer's is kept");
    let reader = password(&collector, "footfall_analyst");
    assert!(reader.len() == 43 && reader != writer);
    for headers in [ANALYST.to_owned(), format!("{ANALYST}X-ClickHouse-Key: {writer}\r\n"), String::new()] {
        let answer = ask(&collector, "", &headers, COUNT);
        assert_refused(&answer, headers.as_str());
    }
    assert_eq!(ask(&collector, "", &format!("{ANALYST}X-ClickHouse-Key: {reader}\r\n"), COUNT).text(), "2\n");
    assert!(assert_done(&collector.command(&["query", "SELECT count() FROM events"])).contains('2'));
    assert_done(&collector.command(&["report", "overview", "--site", "clinic"]));
    let token = super::add(&collector, &["anna", "--role", "analyst"]);
    super::wait_for(&collector, "/api/reports/overview?site=clinic&from=today", &token, 200);
}

#[test]
fn beyond_loopback_no_user_comes_without_a_password() {
    let Some(address) = beyond_loopback() else {
        println!("this machine has no address beyond loopback: nothing is tested");
        return;
    };
    let mut collector = Collector::new("");
    let listen = collector.store.listen;
    edit(&collector, &format!("listen = \"{listen}\""), &format!("listen = \"{address}\""));
    collector.store = StoreClient::with_password_file(address, file(&collector));
    start_and_store(&mut collector, 1);
    let reader = password(&collector, "footfall_analyst");
    for headers in ["", ANALYST, "X-ClickHouse-User: footfall_collector\r\n"] {
        assert_refused(&ask(&collector, "", headers, COUNT), headers);
    }
    assert_eq!(ask(&collector, "", &format!("{ANALYST}X-ClickHouse-Key: {reader}\r\n"), COUNT).text(), "1\n");
    assert_done(&collector.command(&["report", "overview", "--site", "clinic"]));
}

#[test]
fn a_restart_keeps_the_passwords_and_a_data_directory_of_before_gets_some() {
    let mut collector = Collector::new("");
    start_and_store(&mut collector, 1);
    let first = fs::read_to_string(file(&collector)).unwrap();
    collector.kill();
    start_and_store(&mut collector, 2);
    assert_eq!(fs::read_to_string(file(&collector)).unwrap(), first);
    // The store is killed, and the collector starts it again.
    let store = collector.store_pid().unwrap();
    process::signal(store, process::Signal::KILL);
    eventually("another store runs", PATIENCE, || collector.store_pid().is_some_and(|pid| pid != store));
    eventually("it answers", PATIENCE, || collector.store_answers());
    assert_refused(&ask(&collector, "", "", COUNT), "nobody");
    assert_eq!(collector.store.number("SELECT count() FROM events"), 2);
    assert!(collector.terminate().success());
    // An older version made no file.
    fs::remove_file(file(&collector)).unwrap();
    start_and_store(&mut collector, 3);
    assert_ne!(fs::read_to_string(file(&collector)).unwrap(), first);
    assert_refused(&ask(&collector, "", "", COUNT), "nobody");
    assert_done(&collector.command(&["verify"]));
}

#[test]
fn a_file_that_others_may_read_is_refused_and_beacons_are_taken_all_the_same() {
    let mut collector = Collector::new("");
    start_and_store(&mut collector, 1);
    assert!(collector.terminate().success());
    fs::set_permissions(file(&collector), Permissions::from_mode(0o644)).unwrap();
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 2, 0, "/a")).unwrap().status, 204);
    let log = collector.log();
    assert!(log.contains("others may read or change it; make it `chmod 600`"), "{log}");
    assert!(
        log.contains("starting the embedded store failed; beacons are accepted and wait in the spool"),
        "{log}"
    );
    assert!(collector.store_pid().is_none() && !collector.store.pings());
    let refused = collector.command(&["migrate"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && told.contains("make it `chmod 600`"), "{told}");
    assert!(collector.terminate().success());
    fs::set_permissions(file(&collector), Permissions::from_mode(0o600)).unwrap();
    start_and_store(&mut collector, 3);
}

/// Runs a command as somebody who may read the settings and not the file of passwords.
fn as_neighbour(collector: &Collector, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
    command.args(arguments).arg("--config").arg(collector.path("footfall.toml")).current_dir("/");
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(collector.path(""), Permissions::from_mode(0o755)).unwrap();
        command.uid(NEIGHBOUR).gid(NEIGHBOUR);
    } else {
        fs::set_permissions(file(collector), Permissions::from_mode(0o000)).unwrap();
    }
    command.output().unwrap()
}

#[test]
fn who_may_not_read_the_file_reads_reports_and_is_told_what_to_do_for_more() {
    let mut collector = Collector::new("");
    start_and_store(&mut collector, 1);
    assert!(assert_done(&as_neighbour(&collector, &["query", "SELECT count() FROM events"])).contains('1'));
    assert_done(&as_neighbour(&collector, &["report", "overview", "--site", "clinic"]));
    let refused = as_neighbour(&collector, &["migrate"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("store.passwords: only its owner may read it; run this command as the user"),
        "{told}"
    );
    fs::set_permissions(file(&collector), Permissions::from_mode(0o600)).unwrap();
    assert!(collector.terminate().success());
    edit(&collector, "[store]", "[access]\nloopback_tokens = true\n[store]");
    start_and_store(&mut collector, 2);
    let secret = password(&collector, "footfall_analyst");
    for arguments in [&["query", "SELECT 1"][..], &["report", "overview", "--site", "clinic"]] {
        let refused = as_neighbour(&collector, arguments);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(
            told.contains("store.passwords, which only its owner may read") && !told.contains(&secret),
            "{told}"
        );
    }
}
