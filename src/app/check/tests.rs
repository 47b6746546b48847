//! What the machine shows of a configuration: each problem with its line, its setting and its severity.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// A directory with everything that a collector needs, and the settings that name it.
struct Machine {
    directory: TempDir,
    /// Lines of top-level settings and tables.
    settings: String,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings =
            ["listen", "admin", "reports"].map(|name| format!("{name} = \"127.0.0.1:0\"\n")).concat();
        Self { directory, settings: settings + "key_on_disk = true\n" }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The problems with these settings, as `severity file, line n: …`.
    fn problems(&self, settings: &str) -> Vec<String> {
        let mut text = self.settings.clone();
        for name in ["data", "key"] {
            if !settings.lines().any(|line| line.starts_with(&format!("{name} ="))) {
                text += &format!("{name} = {:?}\n", self.path(name));
            }
        }
        let store = format!("[store]\nlisten = \"127.0.0.1:{}\"\n", free_port());
        let store = if settings.contains("[store]") { "" } else { &*store };
        let first = settings.lines().next().unwrap_or_default();
        let text = if first.starts_with('[') {
            format!("{text}{settings}\n{store}")
        } else {
            format!("{settings}\n{text}{store}")
        };
        let mut read = ReadConfig::parse("footfall.toml", &text, &[]);
        check(&mut read, CheckedFor::ThisProcess, &[]);
        let problems = match read.complete() {
            Ok((_, problems)) => problems,
            Err(crate::config::ConfigError::Wrong { problems, .. }) => problems,
            Err(other) => panic!("{other}"),
        };
        problems.lines().map(|(severity, line)| format!("{severity:?} {line}")).collect()
    }

    #[track_caller]
    fn assert_one(&self, settings: &str, expected: &[&str]) {
        let problems = self.problems(settings);
        let [problem] = &problems[..] else { panic!("not one problem of\n{settings}: {problems:#?}") };
        for part in expected {
            assert!(problem.contains(part), "{part:?} is not in {problem:?}");
        }
    }
}

/// A port that no program has at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Without the remark that a temporary directory is kept in memory, on a machine where it is.
fn without_remarks(problems: Vec<String>) -> Vec<String> {
    problems.into_iter().filter(|problem| !problem.starts_with("Remark")).collect()
}

fn pem(from: i32, to: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (certificate.not_before, certificate.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    (certificate.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_machine_with_everything_has_no_problem_and_nothing_is_made_on_it() {
    let machine = Machine::new();
    assert_eq!(machine.problems(""), Vec::<String>::new());
    assert_eq!(fs::read_dir(machine.directory.path()).unwrap().count(), 0);
}

#[test]
fn each_thing_that_is_wrong_with_a_certificate_and_its_key_is_told() {
    let machine = Machine::new();
    let (certificate, key) = pem(2020, 2100);
    let (other, _) = pem(2020, 2100);
    let (old, old_key) = pem(2020, 2021);
    let (early, early_key) = pem(2100, 2101);
    let good = (machine.write("certificate", &certificate), machine.write("good.key", &key));
    let tls =
        |(certificate, key): (&str, &str)| format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    assert_eq!(machine.problems(&tls((&good.0, &good.1))), Vec::<String>::new());
    let gone = machine.path("gone");
    let problems = machine.problems(&tls((&gone, &gone)));
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].contains("tls.certificate: ") && problems[1].contains("tls.key: "), "{problems:#?}");
    let directory = machine.path("");
    let nonsense = machine.write("nonsense", "nonsense");
    let garbage = machine.write("garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let other = machine.write("other", &other);
    let (old, old_key) = (machine.write("old", &old), machine.write("old.key", &old_key));
    let (early, early_key) = (machine.write("early", &early), machine.write("early.key", &early_key));
    for (files, expected) in [
        ((&*directory, &*good.1), "tls.certificate: "),
        ((&nonsense, &good.1), "holds no certificate"),
        ((&good.1, &good.1), "holds no certificate"),
        ((&garbage, &good.1), "does not belong to the certificate"),
        ((&other, &good.1), "does not belong to the certificate"),
        ((&good.0, &nonsense), "tls.key: "),
        ((&good.0, &good.0), "tls.key: "),
        ((&old, &old_key), "expired at 2021-01-01"),
        ((&early, &early_key), "is not valid before 2100-01-01"),
    ] {
        machine.assert_one(&tls(files), &["Stops footfall.toml, line ", expected]);
    }
}

#[test]
fn a_certificate_that_expires_soon_is_worth_a_remark() {
    let machine = Machine::new();
    let key = KeyPair::generate().unwrap();
    let mut soon = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    soon.not_after = (std::time::SystemTime::now() + std::time::Duration::from_secs(86_400)).into();
    let certificate = machine.write("certificate", &soon.self_signed(&key).unwrap().pem());
    let key = machine.write("key.pem", &key.serialize_pem());
    machine.assert_one(
        &format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"),
        &["Remark", "tls.certificate: ", "expires at"],
    );
}

#[test]
fn two_listeners_on_one_port_are_told_apart_from_a_port_that_another_program_has() {
    let machine = Machine { settings: "key_on_disk = true\n".to_owned(), ..Machine::new() };
    let others = |taken: &[&str]| {
        let names = ["listen", "admin", "reports"].into_iter().filter(|name| !taken.contains(name));
        names.map(|name| format!("{name} = \"127.0.0.1:0\"\n")).collect::<String>()
    };
    for first in ["0.0.0.0", "[::]", "127.0.0.1"] {
        let port = free_port();
        let settings = format!(
            "listen = \"{first}:{port}\"\nadmin = \"127.0.0.1:{port}\"\n{}",
            others(&["listen", "admin"])
        );
        machine.assert_one(
            &settings,
            &["Stops footfall.toml, line 2: admin: ", "same port as listen", "another port"],
        );
    }
    let port = free_port();
    let settings = format!(
        "reports = \"127.0.0.1:{port}\"\n{}[store]\nlisten = \"127.0.0.1:{port}\"\n",
        others(&["reports"])
    );
    let problems = machine.problems(&settings);
    assert!(
        problems.iter().any(|it| it.contains("store.listen: ") && it.contains("as reports")),
        "{problems:#?}"
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let settings = format!("admin = \"{address}\"\n{}", others(&["admin"]));
    machine.assert_one(
        &settings,
        &["Stops footfall.toml, line 1: admin: ", "another program", "choose another port"],
    );
    let settings = format!("admin = \"192.0.2.1:80\"\n{}", others(&["admin"]));
    machine
        .assert_one(&settings, &["Stops footfall.toml, line 1: admin: ", "does not belong to this machine"]);
}

#[test]
fn a_port_of_the_store_that_another_program_has_keeps_reports_away_and_not_beacons() {
    let machine = Machine::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let settings = format!("[store]\nlisten = \"{address}\"\n");
    machine.assert_one(
        &settings,
        &["Degrades footfall.toml, line ", "store.listen: ", "beacons wait in the spool"],
    );
}

#[test]
fn a_data_directory_that_cannot_be_used_is_refused() {
    let machine = Machine::new();
    let file = machine.write("file", "");
    symlink(machine.path("nowhere"), machine.path("link")).unwrap();
    fs::create_dir_all(machine.path("old/spool/aside")).unwrap();
    fs::create_dir_all(machine.path("strange/spool")).unwrap();
    machine.write("strange/spool/identity", "nonsense");
    fs::create_dir_all(machine.path("spool-is-a-file")).unwrap();
    machine.write("spool-is-a-file/spool", "");
    for (data, expected) in [
        (file.clone(), "is not a directory"),
        (format!("{file}/below"), "is not a directory"),
        (machine.path("link"), "leads nowhere"),
        ("/proc/data".to_owned(), "file system of the kernel"),
        (machine.path("old"), "earlier format"),
        (machine.path("strange"), "is not the identity of a spool"),
        (machine.path("spool-is-a-file"), "spool is not a directory"),
    ] {
        machine.assert_one(&format!("data = {data:?}"), &["Stops footfall.toml, line 1: data: ", expected]);
    }
}

#[test]
fn a_key_directory_that_cannot_be_used_is_refused() {
    let machine = Machine::new();
    let file = machine.write("file", "");
    fs::create_dir(machine.path("open")).unwrap();
    fs::set_permissions(machine.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(machine.path("newer")).unwrap();
    fs::set_permissions(machine.path("newer"), fs::Permissions::from_mode(0o700)).unwrap();
    machine.write("newer/key", "footfall key 9\n");
    fs::set_permissions(machine.path("newer/key"), fs::Permissions::from_mode(0o600)).unwrap();
    for (key, expected) in [
        (file, "is not a directory"),
        (machine.path("open"), "other users may write"),
        (machine.path("newer"), "another version"),
        (machine.path("data/spool/key"), "must not lie in"),
        ("/proc/key".to_owned(), "file system of the kernel"),
    ] {
        let problems = machine.problems(&format!("key = {key:?}"));
        let told = problems
            .iter()
            .any(|it| it.starts_with("Stops footfall.toml, line 1: key") && it.contains(expected));
        assert!(told, "{key}: {problems:#?}");
    }
}

#[test]
fn a_key_on_a_disk_is_refused_whether_its_directory_exists_or_not() {
    let machine = Machine::new();
    let disk = Path::new(env!("CARGO_MANIFEST_DIR"));
    for key in [disk.join("src"), disk.join("target/none/key")] {
        if directory_is_in_memory(disk) {
            return;
        }
        let text = format!("key_on_disk = false\nkey = {key:?}\ndata = {:?}\n", machine.path("data"));
        let mut read = ReadConfig::parse("footfall.toml", &text, &[]);
        files::check(&mut read, false);
        let error = read.startable().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("footfall.toml, line 2: key: ") && error.contains("RAM-backed"), "{error}");
        assert!(!disk.join("target/none").exists());
    }
}

fn directory_is_in_memory(path: &Path) -> bool {
    crate::secret::directory::is_ram_backed(path).unwrap()
}

#[test]
fn each_place_file_that_cannot_be_used_is_told_with_its_line() {
    let machine = Machine::new();
    let (text, empty) = (machine.write("text", "not a database"), machine.write("empty", ""));
    let settings = format!(
        "geo = [\n  {:?},\n  {text:?},\n  {empty:?},\n  {:?}]",
        machine.path("gone"),
        machine.path("")
    );
    let problems = without_remarks(machine.problems(&settings));
    assert_eq!(problems.len(), 4, "{problems:#?}");
    for (line, problem) in (2..).zip(&problems) {
        let expected = format!("Stops footfall.toml, line {line}: geo: ");
        assert!(problem.starts_with(&expected) && problem.contains("footfall geo install"), "{problem}");
    }
}

#[test]
fn a_map_that_cannot_be_used_is_told_with_its_line_and_keeps_no_beacon_away() {
    let machine = Machine::new();
    let good = machine.write("good.tsv", "10\t5\nRU\tM0 0h1v1z\n");
    assert_eq!(machine.problems(&format!("[page]\nmap = {good:?}")), Vec::<String>::new());
    let bad = machine.write("bad.tsv", "10\t5\nRU\t<script>\n");
    let settings = format!("[page]\nmap = {bad:?}");
    machine.assert_one(
        &settings,
        &["Degrades footfall.toml, line ", "page.map: ", "bad.tsv", "line 2", "built-in map"],
    );
}

#[test]
fn a_bad_token_file_and_a_bad_password_file_keep_no_beacon_away() {
    let machine = Machine::new();
    fs::create_dir(machine.path("data")).unwrap();
    machine.write("data/tokens.json", "{");
    machine.assert_one("", &["Degrades footfall.toml, line ", "data: ", "tokens.json", "no token is valid"]);
    fs::remove_file(machine.path("data/tokens.json")).unwrap();
    let passwords = machine.write("data/store.passwords", "footfall_collector:secret\n");
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o644)).unwrap();
    machine.assert_one("", &["Degrades footfall.toml, line ", "data: ", "store.passwords", "chmod 600"]);
}

#[test]
fn a_reserve_that_no_disk_has_is_refused() {
    Machine::new()
        .assert_one("[spool]\nreserve = \"900 TiB\"\n", &["Stops footfall.toml, line ", "spool.reserve: "]);
}

#[test]
fn a_data_directory_in_use_is_told_and_is_no_fault_of_the_settings() {
    let machine = Machine::new();
    let directory = Path::new(&machine.path("data")).join(spool::DIRECTORY);
    let limits = crate::config::Config::check("footfall.toml", "", &[]).unwrap().spool;
    let open = crate::spool::Spool::open(&directory, &limits).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!("[store]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    let problems = machine.problems(&settings);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(
        problems.iter().any(|it| it.starts_with("Remark") && it.contains("a collector works in")),
        "{problems:#?}"
    );
    assert!(
        problems.iter().any(|it| it.starts_with("Remark") && it.contains("store.listen")),
        "{problems:#?}"
    );
    drop(open);
    assert_eq!(without_remarks(machine.problems("")), Vec::<String>::new());
}
