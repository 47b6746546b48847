//! `footfall demo`: a demonstration with a store of its own, and invented visitors in a configured store.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use jiff::ToSpan;

use crate::common::{Collector, eventually, good_beacon, http, ports, process};

const PATIENCE: Duration = Duration::from_secs(60);
/// The listeners of a demonstration's collector, and the end of the variable that sets each.
const LISTENERS: [&str; 4] = ["LISTEN", "ADMIN", "REPORTS", "STORE_LISTEN"];

/// An empty directory in which demonstrations run.
struct Place {
    directory: tempfile::TempDir,
    /// Addresses of the listeners and of the clinic's site. Without them a demonstration chooses its own, as two at once cannot.
    addresses: Option<[SocketAddr; 5]>,
}

impl Place {
    fn new() -> Self {
        let addresses = Some(std::array::from_fn(|_| ports::free()));
        Self { directory: tempfile::tempdir().unwrap(), addresses }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        command.env("FOOTFALL_KEY", self.directory.path().join("key")).env("FOOTFALL_KEY_ON_DISK", "true");
        for (name, address) in LISTENERS.iter().zip(self.addresses.iter().flatten()) {
            command.env(format!("FOOTFALL_{name}"), address.to_string());
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A small demonstration in the store of this place. The next one leaves it as it is.
    fn fill(&self) -> String {
        let output = self.run(&["demo", "--visitors", "40", "--days", "30"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("site demo"), "{output:?}");
        said
    }

    /// Starts the demonstration and waits until it has said everything.
    fn start(&self) -> Demonstration {
        let mut command = self.command(&["demo"]);
        if let Some([.., site]) = self.addresses {
            command.args(["--site", &site.to_string()]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = String::new();
        for line in lines.by_ref() {
            said += &(line.unwrap() + "\n");
            if said.contains("Ctrl-C") {
                break;
            }
        }
        assert!(said.contains("Ctrl-C"), "it ended: {said}");
        Demonstration { child, said }
    }
}

struct Demonstration {
    child: Child,
    said: String,
}

impl Demonstration {
    /// The address on the line that begins so.
    fn url(&self, what: &str) -> String {
        let line = self.said.lines().find(|line| line.trim_start().starts_with(what)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    fn stop(mut self) {
        process::signal(self.child.id(), process::Signal::INT);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Demonstration {
    fn drop(&mut self) {
        process::signal(self.child.id(), process::Signal::KILL);
        let _ = self.child.wait();
    }
}

fn get(url: &str) -> crate::common::HttpResponse {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    http::get(address.parse().unwrap(), &format!("/{path}")).unwrap()
}

#[test]
fn every_address_link_and_command_that_a_demonstration_prints_works() {
    let place = Place::new();
    place.fill();
    let demonstration = place.start();
    let site = get(&demonstration.url("the clinic's site"));
    assert!(site.status == 200 && site.text().contains("data-site=\"demo\""), "{}", site.text());
    let script =
        site.text().split("src=\"").find_map(|rest| rest.split_once("/s.js").map(|(url, _)| url.to_owned()));
    assert_eq!(get(&format!("{}/s.js", script.unwrap())).status, 200);
    let reports = demonstration.url("its reports");
    let page = get(&format!("{reports}/sites/demo")).text();
    let links: Vec<_> = page.split("href=\"/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.len() > 30, "{page}");
    for link in links {
        let answer = get(&format!("{reports}{}", link.replace("&amp;", "&")));
        assert_eq!(answer.status, 200, "{link}: {}", answer.text());
    }
    let sql = get(&demonstration.url("SQL"));
    assert!(sql.status == 200 && sql.text().contains("/doctors "), "{}", sql.text());
    let program = env!("CARGO_BIN_EXE_footfall");
    let commands: Vec<_> =
        demonstration.said.lines().filter(|line| line.trim_start().starts_with(program)).collect();
    assert_eq!(commands.len(), 4, "{}", demonstration.said);
    for command in commands {
        let command = command.split(" (").next().unwrap();
        let output =
            Command::new("sh").args(["-c", command]).current_dir(place.directory.path()).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(output.stdout.len() > 200, "{command}: {output:?}");
    }
    demonstration.stop();
}

#[test]
fn a_demonstration_that_runs_again_adds_what_happened_since_and_nothing_twice() {
    let place = Place::new();
    let first = place.fill();
    assert!(first.contains("events of site demo written"), "{first}");
    let again = place.fill();
    let number = |said: &str, after: &str| -> u64 {
        said.split_once(after).unwrap().1.split(' ').next().unwrap().trim().parse().unwrap()
    };
    let before = number(&first, "it has ");
    if !again.contains("nothing was written") {
        assert_eq!(before + number(&again, ""), number(&again, "it has "), "{first}{again}");
    }
    let demonstration = place.start();
    let second = place.run(&["demo"]);
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && told.contains("a demonstration runs already in"), "{told}");
    // Into the store of the one that runs.
    let others = place.run(&["demo", "--visitors", "50", "--days", "2"]);
    assert!(others.status.success(), "{others:?}");
    let verify = place.run(&["--config", "data/demo/footfall.toml", "verify"]);
    let told = String::from_utf8_lossy(&verify.stdout).into_owned();
    assert!(
        verify.status.success() && told.contains("every acknowledged event is accounted for"),
        "{verify:?}"
    );
    demonstration.stop();
    assert!(!place.directory.path().join("data/spool").exists(), "the data directory itself is left alone");
}

#[test]
fn a_diagnosis_names_the_browser_in_which_a_release_of_the_demonstration_fails() {
    let place = Place::new();
    let filled = place.run(&["demo", "--visitors", "300", "--days", "44"]);
    assert!(filled.status.success(), "{filled:?}");
    let demonstration = place.start();
    // The last broken release that has been out for two days. One is published every four weeks.
    let broken = jiff::civil::date(2026, 11, 24);
    let today = jiff::Zoned::now().date();
    let age = i64::from(broken.until(today).unwrap().get_days()).rem_euclid(28);
    let age = if age < 2 { age + 28 } else { age };
    let published = today - age.days();
    let (from, to) = (published.to_string(), today.min(published + 6.days()).to_string());
    let arguments =
        ["report", "diagnosis", "--site", "demo", "--from", &from, "--to", &to, "--format", "json"];
    let output = place.run(&[&["--config", "data/demo/footfall.toml"], &arguments[..]].concat());
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let cause =
        ["dimension", "value", "detail"].map(|column| answer["rows"][1][column].as_str().unwrap_or_default());
    assert_eq!(cause, ["browser_version", "Safari", "16"], "{answer}");
    demonstration.stop();
}

#[test]
fn a_demonstration_that_was_killed_while_it_filled_the_store_is_completed() {
    let place = Place::new();
    let arguments = ["demo", "--visitors", "600", "--days", "6"];
    let mut child = place.command(&arguments).stdout(Stdio::null()).spawn().unwrap();
    let settings = place.directory.path().join("data/demo/footfall.toml");
    let address = || {
        let text = fs::read_to_string(&settings).ok()?;
        text.split_once("[store]")?.1.split('"').nth(1)?.parse::<SocketAddr>().ok()
    };
    let path = "/?user=footfall_analyst&query=SELECT%20count()%3E3000%20FROM%20footfall.events";
    eventually("the store has some events", PATIENCE, || {
        address().is_some_and(|store| http::get(store, path).is_ok_and(|answer| answer.text() == "1\n"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let completed = place.run(&arguments);
    assert!(completed.status.success(), "{completed:?}");
    let other = Place::new();
    let whole = other.run(&arguments);
    let stored = |output: &Output| {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let before = said.split_once("it has ").unwrap().1;
        before.split_whitespace().next().unwrap().parse::<i64>().unwrap()
    };
    // The second one was filled some seconds later.
    let (one, two) = (stored(&completed), stored(&whole));
    assert!((one - two).abs() < 50, "{one} and {two}");
    let demonstration = place.start();
    let verify = place.run(&["--config", "data/demo/footfall.toml", "verify"]);
    assert!(verify.status.success(), "{verify:?}");
    demonstration.stop();
}

#[test]
fn a_port_that_nobody_chose_gives_way_to_a_taken_one() {
    let mut place = Place::new();
    place.fill();
    place.addresses = None;
    // Whatever of these is free is taken now.
    let taken: Vec<_> = [8000, 8080, 8090, 8123, 9090]
        .into_iter()
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .collect();
    let demonstration = place.start();
    for what in ["the clinic's site", "its reports", "SQL"] {
        let url = demonstration.url(what);
        assert_eq!(get(&url).status, 200, "{url}");
        let used: SocketAddr = url["http://".len()..].split('/').next().unwrap().parse().unwrap();
        assert!(taken.iter().all(|other| other.local_addr().unwrap() != used), "{url}");
    }
    demonstration.stop();
}

#[test]
fn a_chosen_port_that_is_taken_ends_the_demonstration_with_the_setting_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for name in LISTENERS.into_iter().chain(["STORE_NATIVE"]) {
        let place = Place::new();
        let mut command = place.command(&["demo", "--site", &ports::free().to_string()]);
        let output = command.env(format!("FOOTFALL_{name}"), &address).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        let setting = name.to_lowercase().replace("store_", "store.");
        assert!(
            said.contains(&address) && said.contains(&setting) && said.contains(&format!("FOOTFALL_{name}")),
            "{said}"
        );
        assert!(output.stdout.is_empty(), "it says that all is well: {output:?}");
    }
    let place = Place::new();
    let output = place.run(&["demo", "--site", &address]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(3) && said.contains(&address) && said.contains("--site"), "{said}");
}

#[test]
fn a_real_site_gets_no_invented_visitors() {
    let mut collector = Collector::new("");
    collector.start();
    eventually("the store answers", PATIENCE, || collector.store_answers());
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/")).unwrap().status, 204);
    for _ in 0..2 {
        let output = collector.command(&["demo", "--visitors", "50", "--days", "2"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("--site demo"), "{output:?}");
    }
    eventually("the site's own event is stored", PATIENCE, || {
        collector.store.rows("SELECT count() FROM events WHERE site = 'clinic'") == ["1"]
    });
    assert_eq!(collector.store.rows("SELECT DISTINCT site FROM events ORDER BY site"), ["clinic", "demo"]);
    assert_eq!(collector.store.rows("SELECT count() - uniqExact(event_id) FROM events"), ["0"]);
    let verify = collector.command(&["verify"]);
    assert!(verify.status.success(), "{verify:?}");

    let file = collector.path("footfall.toml");
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{settings}[[site]]\nid = \"demo\"\nhosts = [\"demo.clinic.de\"]\n")).unwrap();
    let refused = collector.command(&["demo", "--visitors", "50", "--days", "2"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("demo.clinic.de"), "{said}");
}

#[test]
fn a_demonstration_takes_nothing_from_a_configuration_that_lies_there_unless_it_is_named() {
    let place = Place::new();
    place.fill();
    let real = "data = \"real\"\n[[site]]\nid = \"clinic\"\nhosts = [\"clinic.de\"]\n";
    fs::write(place.directory.path().join("footfall.toml"), real).unwrap();
    let demonstration = place.start();
    let page = get(&demonstration.url("its reports")).text();
    assert!(page.contains("/sites/demo") && !page.contains("/sites/clinic"), "{page}");
    assert!(!place.directory.path().join("real").exists());
    demonstration.stop();
    let named = place.command(&["demo", "--config", "footfall.toml"]).stdout(Stdio::null()).spawn().unwrap();
    let own: PathBuf = place.directory.path().join("real/demo/footfall.toml");
    eventually("its data is below the data directory that is named", PATIENCE, || own.exists());
    drop(Demonstration { child: named, said: String::new() });
    assert!(!place.directory.path().join("real/spool").exists());
}

#[test]
fn a_demonstration_is_put_into_the_store_of_a_collector_that_is_still_starting() {
    let mut collector = Collector::new("");
    collector.spawn();
    let lock = collector.data().join("store/lock");
    let is_locked = || File::open(&lock).is_ok_and(|file| file.try_lock().is_err());
    eventually("the store has locked its data", PATIENCE, is_locked);
    let store = collector.store_pid().unwrap();
    process::signal(store, process::Signal::STOP);
    std::thread::scope(|scope| {
        let demo = scope.spawn(|| collector.command(&["demo", "--visitors", "20", "--days", "1"]));
        std::thread::sleep(Duration::from_secs(2));
        process::signal(store, process::Signal::CONT);
        let output = demo.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}
