//! `footfall config check` and `footfall serve` find the same problems, and `SIGHUP` takes new settings or keeps the old ones.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::common::{Collector, StoreClient, eventually, good_beacon, http, ports, process};

const PATIENCE: Duration = Duration::from_secs(60);
/// `nobody`, on most systems; there need be no such user.
const NEIGHBOUR: u32 = 65_534;
const SITE: &str = "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n";

/// A directory in which commands run, with free ports and a key on the disk.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a command with these settings in `footfall.toml`.
    fn run(&self, arguments: &[&str], settings: &str) -> Output {
        fs::write(self.path().join("footfall.toml"), settings).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
        for name in ["LISTEN", "ADMIN", "REPORTS", "STORE_LISTEN"] {
            let is_set = settings.lines().any(|line| {
                let key = name.to_lowercase().replace('_', ".");
                line.starts_with(&format!("{key} ="))
                    || (key == "store.listen" && line.starts_with("[store]"))
            });
            if !is_set {
                command.env(format!("FOOTFALL_{name}"), ports::free().to_string());
            }
        }
        if !settings.contains("key") {
            command.env("FOOTFALL_KEY", self.path().join("key")).env("FOOTFALL_KEY_ON_DISK", "true");
        }
        command.args(arguments).current_dir(self.path()).output().unwrap()
    }

    /// Both commands end with code 3 and name each of the texts, and make nothing.
    #[track_caller]
    fn assert_refused(&self, settings: &str, expected: &[&str]) {
        let before = names(self.path());
        for arguments in [&["config", "check"][..], &["serve"]] {
            let output = self.run(arguments, settings);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{arguments:?}\n{settings}\n{said}");
            for part in expected {
                assert!(said.contains(part), "{arguments:?} does not say {part:?}:\n{said}");
            }
        }
        let made: Vec<_> = names(self.path()).into_iter().filter(|name| name != "footfall.toml").collect();
        assert!(made.iter().all(|name| before.contains(name)), "{before:?} became {made:?}");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_check_finds_what_stops_the_collector_and_both_end_with_code_3() {
    let directory = Directory::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let port = ports::free().port();
    fs::write(directory.path().join("file"), "").unwrap();
    let source = env!("CARGO_MANIFEST_DIR");
    for (settings, expected) in [
        (
            "[tls]\ncertificate = \"gone.pem\"\nkey = \"gone.key\"\n".to_owned(),
            &["line 2: tls.certificate: ", "line 3: tls.key: "][..],
        ),
        (
            format!("listen = \"0.0.0.0:{port}\"\nadmin = \"127.0.0.1:{port}\"\n"),
            &["line 2: admin: ", "same port as listen"],
        ),
        (
            format!("listen = \"[::]:{port}\"\nreports = \"127.0.0.1:{port}\"\n"),
            &["line 2: reports: ", "same port as listen"],
        ),
        (
            format!("admin = \"127.0.0.1:{port}\"\n[store]\nlisten = \"127.0.0.1:{port}\"\n"),
            &["line 3: store.listen: ", "same port as admin"],
        ),
        (format!("reports = \"{taken}\"\n"), &["line 1: reports: ", "another program"]),
        (format!("key = \"{source}/src\"\n"), &["line 1: key: ", "RAM-backed"]),
        (SITE.replace("[\"clinic.example\"]", "[]"), &["line 3: site.hosts must name the hosts"]),
        ("data = \"file/data\"\n".to_owned(), &["line 1: data: ", "is not a directory"]),
        ("geo = [\"gone.mmdb\",\n \"file\"]\n".to_owned(), &["line 1: geo: gone.mmdb", "line 2: geo: file"]),
        ("timezone = \"Mars/Base\"\n".to_owned(), &["line 1: timezone must be"]),
        ("store = \"http://\"\n".to_owned(), &["line 1: store.url must be"]),
        ("listen = \n".to_owned(), &["line 1: "]),
    ] {
        directory.assert_refused(&settings, expected);
    }
}

#[test]
fn all_problems_of_settings_files_and_addresses_are_told_at_once() {
    let directory = Directory::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let settings = format!(
        "lisen = \"x\"\nreports = \"{address}\"\ngeo = [\"gone.mmdb\"]\n[tls]\ncertificate = \"gone.pem\"\nkey = \"gone.key\"\n\
         [[site]]\nid = \"clinic\"\nhosts = []\n"
    );
    let lines = [
        "line 1: lisen",
        "line 2: reports",
        "line 3: geo",
        "line 5: tls.certificate",
        "line 6: tls.key",
        "line 9: site.hosts",
    ];
    directory.assert_refused(
        &settings,
        &lines.map(|line| format!("footfall.toml, {line}")).each_ref().map(String::as_str),
    );
}

#[test]
fn a_file_that_is_missing_or_cannot_be_read_is_no_empty_configuration() {
    let directory = Directory::new();
    let path = directory.path().join("footfall.toml");
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_footfall"))
            .args(arguments)
            .current_dir(directory.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for command in [&["config", "check"][..], &["serve"]] {
        let (code, said) = run(command);
        assert!(code == Some(3) && said.contains("footfall.toml: cannot be read"), "{said}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    for command in [&["config", "check"][..], &["serve"], &["serve", "--config", "gone.toml"]] {
        let (code, said) = run(command);
        assert!(code == Some(3) && said.contains("cannot be read"), "{said}");
    }
}

#[test]
fn a_user_who_may_not_use_what_the_settings_name_is_told_so() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can run a command as another user: nothing is tested");
        return;
    }
    let directory = Directory::new();
    let program = directory.path().join("footfall");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    if fs::hard_link(env!("CARGO_BIN_EXE_footfall"), &program).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_footfall"), &program).unwrap();
    }
    fs::create_dir_all(directory.path().join("data/spool/quarantine")).unwrap();
    let settings = format!(
        "listen = \"127.0.0.1:81\"\nadmin = \"{}\"\nreports = \"{}\"\n[store]\nlisten = \"{}\"\n",
        ports::free(),
        ports::free(),
        ports::free()
    );
    let check = |data: &str, mode: u32| {
        fs::set_permissions(directory.path().join("data"), Permissions::from_mode(mode)).unwrap();
        fs::write(directory.path().join("footfall.toml"), format!("data = \"{data}\"\n{settings}")).unwrap();
        let mut command = Command::new(&program);
        command.args(["config", "check"]).current_dir(directory.path()).uid(NEIGHBOUR).gid(NEIGHBOUR);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        said
    };
    for (data, mode, expected) in [
        ("data", 0o700, "may not write to"),
        ("data", 0o755, "may not write to"),
        ("data/new", 0o755, "may not create directories in"),
        ("data/new", 0o700, "may not"),
        ("data", 0o777, "data/spool"),
    ] {
        let said = check(data, mode);
        assert!(said.contains("line 1: data: ") && said.contains(expected), "{data} {mode:o}: {said}");
        let privileges = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
        if privileges.trim() == "1024" {
            assert!(said.contains("line 2: listen: ") && said.contains("port 81 needs privileges"), "{said}");
        }
    }
}

#[test]
fn beside_a_running_collector_the_check_says_so_and_finds_nothing_wrong() {
    let mut collector = Collector::new("");
    collector.start();
    eventually("the store answers", PATIENCE, || collector.store_answers());
    let checked = collector.command(&["config", "check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{checked:?}");
    assert!(said.contains("the configuration is right") && said.contains("a collector works in"), "{said}");
    let second = collector.command(&["serve"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "the settings are right: {said}");
    assert!(said.contains("is in use: a collector runs there or is still stopping"), "{said}");
    let file = collector.path("footfall.toml");
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("geo = [\"gone.mmdb\"]\n{settings}")).unwrap();
    let checked = collector.command(&["config", "check"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.code() == Some(3) && said.contains("line 1: geo: gone.mmdb"), "{said}");
}

#[test]
fn what_only_keeps_reports_away_is_an_error_of_the_check_and_keeps_no_beacon_away() {
    let mut collector = Collector::new("");
    fs::create_dir_all(collector.data()).unwrap();
    fs::write(collector.data().join("tokens.json"), "{").unwrap();
    let checked = collector.command(&["config", "check"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.code() == Some(3) && said.contains("tokens.json"), "{said}");
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/")).unwrap().status, 204);
    assert!(collector.log().contains("tokens.json"), "{}", collector.log());
}

/// A collector that was started with site `clinic`, and whose store does not exist.
struct Reloading {
    collector: Collector,
    settings: String,
}

impl Reloading {
    fn start() -> Self {
        let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), "");
        collector.start();
        let settings = fs::read_to_string(collector.path("footfall.toml")).unwrap();
        Self { collector, settings }
    }

    fn file(&self) -> std::path::PathBuf {
        self.collector.path("footfall.toml")
    }

    fn hang_up(&self) {
        process::signal(self.collector.pid(), process::Signal::HUP);
    }

    /// How often the log has this text.
    fn said(&self, text: &str) -> usize {
        self.collector.log().matches(text).count()
    }

    /// Status of a beacon of a page of the site.
    fn beacon(&self, site: &str, number: u64) -> u16 {
        let host = format!("{site}.example");
        let body = good_beacon(site, number, 0, "/").replace("clinic.example", &host);
        let headers = format!("Origin: https://{host}\r\nContent-Type: text/plain\r\n");
        http::post(self.collector.listen, "/b", &headers, body.as_bytes()).unwrap().status
    }
}

#[test]
fn a_new_site_is_taken_by_everything_and_a_removed_one_is_left_out() {
    let reloading = Reloading::start();
    let collector = &reloading.collector;
    let front_page = || http::get(collector.reports, "/").unwrap().text();
    assert_eq!(reloading.beacon("branch", 1), 403);
    assert!(!front_page().contains("/sites/branch"));
    let branch = "[[site]]\nid = \"branch\"\nhosts = [\"branch.example\"]\n";
    fs::write(reloading.file(), format!("{}{branch}", reloading.settings)).unwrap();
    reloading.hang_up();
    eventually("the site's beacons are accepted", PATIENCE, || reloading.beacon("branch", 2) == 204);
    eventually("the reports offer it", PATIENCE, || front_page().contains("/sites/branch"));
    assert!(collector.metrics().contains("footfall_sites 2\n"), "{}", collector.metrics());
    // With two sites a report must name one.
    let report = http::get(collector.reports, "/api/reports/pages").unwrap();
    assert!(report.status == 400 && report.text().contains("which site?"), "{}", report.text());
    assert!(collector.log().contains("branch"), "{}", collector.log());

    let (head, _) = reloading.settings.split_once("[[site]]").unwrap();
    fs::write(reloading.file(), format!("{head}{branch}")).unwrap();
    reloading.hang_up();
    eventually("the old site is refused", PATIENCE, || reloading.beacon("clinic", 3) == 403);
    eventually("the reports leave it out", PATIENCE, || !front_page().contains("/sites/clinic"));
    assert!(collector.metrics().contains("footfall_sites 1\n"));
    assert_ne!(
        http::get(collector.reports, "/api/reports/pages").unwrap().status,
        400,
        "one site need not be named"
    );
}

#[test]
fn a_file_that_cannot_be_used_leaves_the_old_settings_in_force() {
    let reloading = Reloading::start();
    let file = reloading.file();
    let mut refused = 0;
    let mut assert_kept = |what: &str| {
        reloading.hang_up();
        refused += 1;
        eventually(what, PATIENCE, || reloading.said("stays in use") == refused);
        assert_eq!(reloading.beacon("clinic", refused as u64), 204, "{what}");
        assert_eq!(reloading.beacon("localhost", 1), 403, "{what}: the default is not in force");
    };
    fs::remove_file(&file).unwrap();
    assert_kept("the file is gone");
    fs::create_dir(&file).unwrap();
    assert_kept("a directory is in its place");
    fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    assert_kept("a link leads nowhere");
    fs::remove_file(&file).unwrap();
    let no_sites = reloading.settings.split_once("[[site]]").unwrap().0.to_owned();
    for (what, text) in [
        ("the file is empty", &b""[..]),
        ("it has a comment alone", b"# nothing\n"),
        ("it is not text", b"\xff\xfe\x00"),
        ("its syntax is wrong", b"listen = \n"),
        ("it has no site", no_sites.as_bytes()),
        ("a site has no host", b"[[site]]\nid = \"clinic\"\nhosts = []\n"),
        ("a setting is unknown", b"lisen = 1\n[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n"),
    ] {
        fs::write(&file, text).unwrap();
        assert_kept(what);
    }
    fs::write(&file, &reloading.settings).unwrap();
    reloading.hang_up();
    eventually("the right file is taken", PATIENCE, || reloading.said("sites reloaded") == 1);
}

#[test]
fn what_needs_a_restart_is_named_and_so_is_what_would_keep_it_from_starting_again() {
    let reloading = Reloading::start();
    let listen = format!("listen = \"{}\"", reloading.collector.listen);
    let changed = reloading.settings.replace(&listen, "listen = \"192.0.2.1:80\"");
    assert_ne!(changed, reloading.settings);
    fs::write(
        reloading.file(),
        format!("geo = [\"gone.mmdb\"]\n{changed}[[site]]\nid = \"branch\"\nhosts = [\"branch.example\"]\n"),
    )
    .unwrap();
    reloading.hang_up();
    eventually("the site is taken", PATIENCE, || reloading.beacon("branch", 1) == 204);
    eventually("the rest is named", PATIENCE, || reloading.said("apply only after a restart") == 1);
    let log = reloading.collector.log();
    assert!(log.contains("geo, listen"), "{log}");
    eventually("a restart would fail", PATIENCE, || {
        reloading.said("a restart with these settings would fail") == 1
    });
    let log = reloading.collector.log();
    assert!(log.contains("geo: gone.mmdb") && log.contains("listen: cannot listen on 192.0.2.1:80"), "{log}");
    assert!(!log.contains("admin: cannot"), "its own addresses are not in its way: {log}");
}
