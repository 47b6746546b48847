//! `footfall serve` in its own directory and on its own ports.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{self, Signal};
use super::{
    EpochKeys, HttpResponse, StoreClient, allowed, eventually_while_progressing, http, noon_zone, ports,
};

/// A collector with an embedded store must be ready within this time, also while other tests use the machine.
const READY_TIMEOUT: Duration = Duration::from_secs(90);
/// A collector that was asked to end must have ended within this time.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Collector {
    /// Where it accepts beacons and serves the script.
    pub listen: SocketAddr,
    /// Where it serves metrics and health.
    pub admin: SocketAddr,
    pub reports: SocketAddr,
    pub store: StoreClient,
    program: PathBuf,
    directory: TempDir,
    environment: Vec<(OsString, OsString)>,
    child: Option<Child>,
    /// The embedded store of a collector that was killed. It serves until it notices that.
    orphaned_store: Option<u32>,
}

impl Collector {
    /// A collector for site `clinic` with an embedded store. It does not run yet.
    ///
    /// `settings` are TOML: top-level keys first, then tables. `[store]` and the listeners are already set.
    pub fn new(settings: &str) -> Self {
        let store = ports::free();
        let mut collector = Self::with_store(
            StoreClient::without_password(store),
            &format!("listen = \"{store}\""),
            settings,
        );
        collector.store = StoreClient::with_password_file(store, collector.data().join("store.passwords"));
        collector
    }

    /// A collector that ships to a store in another process.
    pub fn shipping_to(store: StoreClient, settings: &str) -> Self {
        Self::with_store(
            store,
            &format!("url = \"http://{}\"\nuser = \"footfall_collector\"", store.listen),
            settings,
        )
    }

    /// `address` are lines of `[store]`.
    pub fn with_store(store: StoreClient, address: &str, settings: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let [listen, admin, reports] = std::array::from_fn(|_| ports::free());
        let collector = Self {
            listen,
            admin,
            reports,
            store,
            program: PathBuf::from(env!("CARGO_BIN_EXE_footfall")),
            directory,
            environment: Vec::new(),
            child: None,
            orphaned_store: None,
        };
        let (top, tables) = split(settings);
        let mut text = format!("listen = \"{listen}\"\nadmin = \"{admin}\"\nreports = \"{reports}\"\n");
        let _ = write!(
            text,
            "data = {:?}\nkey = {:?}\nkey_on_disk = true\n",
            collector.data(),
            collector.path("key")
        );
        if !top.contains("timezone") {
            let _ = writeln!(text, "timezone = {:?}", noon_zone());
        }
        if !top.contains("trusted_proxies") {
            text += "trusted_proxies = [\"127.0.0.0/8\"]\n";
        }
        let _ = write!(text, "{top}\n[store]\n{address}\n{tables}\n");
        if !tables.contains("[limits]") {
            // All load comes from one address. Tests of the rate limit set their own.
            text += "[limits]\nrate = 0\n";
        }
        if !tables.contains("[[site]]") {
            text += "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\nquery = [\"utm_*\", \"q\"]\n";
        }
        std::fs::write(collector.path("footfall.toml"), text).expect("the configuration can be written");
        collector
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The key that it uses now.
    pub fn key(&self) -> EpochKeys {
        EpochKeys::read(&self.path("key"))
    }

    /// Runs another executable.
    pub fn program(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts it and waits until it accepts beacons.
    pub fn start(&mut self) {
        self.spawn();
        self.wait_until_ready();
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the collector is already running");
        self.spawn_logging_to(self.log_file());
    }

    /// Starts it with another destination for its log, and waits until it accepts beacons.
    pub fn start_logging_to(&mut self, log: impl Into<Stdio>) {
        self.spawn_logging_to(log);
        self.wait_until_ready();
    }

    fn log_file(&self) -> File {
        File::options().create(true).append(true).open(self.path("log")).expect("a log file")
    }

    fn spawn_logging_to(&mut self, log: impl Into<Stdio>) {
        let child = Command::new(&self.program)
            .arg("serve")
            .arg("--config")
            .arg(self.path("footfall.toml"))
            .current_dir(self.directory.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(self.log_file())
            .stderr(log)
            .spawn()
            .expect("footfall starts");
        self.child = Some(child);
    }

    /// Waits until it accepts beacons. Fails with its log if it ends first.
    pub fn wait_until_ready(&mut self) {
        let started = Instant::now();
        loop {
            if http::get(self.admin, "/readyz").is_ok_and(|answer| answer.status == 200) {
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "the collector ended with {ended:?}:\n{}", self.log());
            let elapsed = started.elapsed();
            assert!(
                elapsed < allowed(READY_TIMEOUT),
                "the collector is not ready after {elapsed:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs another command of the program with the same configuration and returns its output.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(self.path("footfall.toml"))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .expect("footfall starts")
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the collector was started").id()
    }

    /// The process id of its embedded store, or `None` while no store runs.
    pub fn store_pid(&self) -> Option<u32> {
        process::children(self.pid()).first().copied()
    }

    /// Whether it was started, and neither [`Self::kill`] nor [`Self::try_wait`] has seen its end.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Its exit status, if it ended by itself.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().expect("a child can be waited for")?;
        self.child = None;
        Some(status)
    }

    /// Ends it at once, as `kill -9` does. Its embedded store notices that and ends too.
    pub fn kill(&mut self) {
        if self.child.is_some() {
            self.orphaned_store = self.store_pid();
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the collector was started");
        process::signal(child.id(), Signal::TERM);
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if started.elapsed() > allowed(DRAIN_TIMEOUT) {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the collector did not end within {:?}:\n{}", started.elapsed(), self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether its store answers, and not the one of a collector that was killed before it.
    pub fn store_answers(&self) -> bool {
        !self.orphaned_store.is_some_and(process::is_running) && self.store.pings()
    }

    /// Sends it with the headers of a browser.
    pub fn beacon(&self, body: &str) -> io::Result<HttpResponse> {
        let headers = "Origin: https://clinic.example\r\nContent-Type: text/plain;charset=UTF-8\r\n\
                       User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n";
        http::post(self.listen, "/b", headers, body.as_bytes())
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path("log")).unwrap_or_default()).into_owned()
    }

    pub fn metrics(&self) -> String {
        http::get(self.admin, "/metrics").expect("the metrics are served").text()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        process::memory(self.pid()).expect("the collector runs")
    }

    /// Resident memory without pages of files, in bytes.
    pub fn own_memory(&self) -> u64 {
        process::own_memory(self.pid()).expect("the collector runs")
    }

    /// Waits until the store holds at least `count` rows of events. Fails if it gets none for `timeout`.
    #[track_caller]
    pub fn wait_for_events(&self, count: u64, timeout: Duration) {
        eventually_while_progressing(&format!("{count} events are stored"), timeout, || {
            let stored = self.stored_events();
            stored.is_none_or(|stored| stored < count).then_some(stored)
        });
    }

    /// The number of stored rows of events, or `None` while the store does not answer.
    pub fn stored_events(&self) -> Option<u64> {
        let stored = self.store.query("SELECT count() FROM events").ok()?;
        String::from_utf8_lossy(&stored).trim().parse().ok()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let store = self.child.as_ref().map(|child| process::children(child.id())).unwrap_or_default();
        if std::thread::panicking() {
            println!("the collector's log:\n{}", self.log());
        }
        self.kill();
        for pid in store {
            process::signal(pid, Signal::KILL);
        }
    }
}

/// Splits settings into the top-level keys and the tables.
fn split(settings: &str) -> (&str, &str) {
    let table = settings.lines().find(|line| line.trim_start().starts_with('['));
    let at = table.map_or(settings.len(), |line| line.as_ptr() as usize - settings.as_ptr() as usize);
    settings.split_at(at)
}
