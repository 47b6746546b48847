//! Starts, measures and ends the servers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bare::{self, Shape};
use crate::common::{Collector, good_beacon, ports, process};
use crate::load::HOST;

/// How often the store is looked at while it comes to rest.
const REST_STEP: Duration = Duration::from_secs(1);
/// The share of a core below which the store counts as idle.
const IDLE_SHARE: f64 = 0.1;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Bare(Shape),
    /// nginx; it answers 204 and writes an access log.
    Nginx,
    /// Footfall with all features.
    Footfall,
    /// Another build of Footfall: its place in [`other_builds`].
    OtherBuild(usize),
}

/// The executables of other builds of Footfall, named by `BENCH_AGAINST` and separated by commas.
pub fn other_builds() -> Vec<PathBuf> {
    let named = std::env::var("BENCH_AGAINST").unwrap_or_default();
    named.split(',').filter(|file| !file.is_empty()).map(PathBuf::from).collect()
}

impl Subject {
    /// The name in the table.
    pub fn name(self) -> String {
        match self {
            Self::Bare(shape) => {
                let name = Shape::ALL.iter().find(|(_, known)| *known == shape).map_or("", |(name, _)| *name);
                format!("bare hyper ({name})")
            }
            Self::Nginx => "nginx, access log".to_owned(),
            Self::Footfall => "Footfall".to_owned(),
            Self::OtherBuild(index) => {
                let program = &other_builds()[index];
                format!("Footfall, {}", program.file_name().unwrap_or_default().display())
            }
        }
    }

    /// Starts it and waits for its first 204.
    pub fn start(self, sites: usize) -> Server {
        match self {
            Self::Bare(shape) => Server::bare(shape),
            Self::Nginx => Server::nginx(),
            Self::Footfall => Server::footfall(sites, None),
            Self::OtherBuild(index) => Server::footfall(sites, Some(&other_builds()[index])),
        }
    }
}

pub struct Server {
    pub listen: SocketAddr,
    /// From its start to the first accepted beacon.
    pub first_accepted: Duration,
    kind: ServerKind,
}

enum ServerKind {
    Child(Child),
    /// nginx with its configuration. Its worker processes use the CPU.
    Nginx(Child, #[allow(dead_code)] tempfile::TempDir),
    Footfall(Box<Collector>),
}

impl Server {
    fn bare(shape: Shape) -> Self {
        let listen = ports::free();
        let started = Instant::now();
        let (name, _) = Shape::ALL.iter().find(|(_, known)| *known == shape).expect("every shape has a name");
        let program = std::env::current_exe().expect("the benchmark knows its own file");
        let child = spawn(Command::new(program).args([bare::COMMAND, name, &listen.to_string()]));
        Self { listen, first_accepted: first_accepted(listen, started), kind: ServerKind::Child(child) }
    }

    fn nginx() -> Self {
        let listen = ports::free();
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let settings = format!(
            "daemon off; worker_processes {cores}; pid nginx.pid; error_log error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log access.log; keepalive_requests 1000000000; client_body_temp_path body;\n\
             proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
             server {{ listen {listen} reuseport; location / {{ return 204; }} }} }}\n"
        );
        std::fs::write(directory.path().join("nginx.conf"), settings)
            .expect("the configuration can be written");
        let started = Instant::now();
        let child = spawn(Command::new("nginx").arg("-p").arg(directory.path()).args(["-c", "nginx.conf"]));
        let first_accepted = first_accepted(listen, started);
        Self { listen, first_accepted, kind: ServerKind::Nginx(child, directory) }
    }

    fn footfall(sites: usize, program: Option<&Path>) -> Self {
        let mut settings = geo_setting();
        for site in 0..sites {
            let id = if site == 0 { "clinic".to_owned() } else { format!("site-{site}") };
            settings += &format!(
                "[[site]]\nid = \"{id}\"\nhosts = [\"{HOST}\", \"*.site-{site}.example\"]\nretention = \"400d\"\n\
                 query = [\"utm_*\", \"q\"]\ncookies = {{ ab = \"value\", uid = \"hmac\" }}\n"
            );
        }
        let mut collector = Collector::new(&settings);
        if let Some(program) = program {
            collector = collector.program(program);
        }
        let started = Instant::now();
        collector.spawn();
        let listen = collector.listen;
        let first_accepted = first_accepted(listen, started);
        collector.wait_until_ready();
        Self { listen, first_accepted, kind: ServerKind::Footfall(Box::new(collector)) }
    }

    /// CPU time of the server without its store.
    pub fn cpu(&self) -> Duration {
        let pids = match &self.kind {
            ServerKind::Child(child) => vec![child.id()],
            ServerKind::Nginx(child, _) => process::children(child.id()),
            ServerKind::Footfall(collector) => vec![collector.pid()],
        };
        pids.into_iter().filter_map(process::cpu).sum()
    }

    pub fn store_cpu(&self) -> Duration {
        self.store_pid().and_then(process::cpu).unwrap_or_default()
    }

    /// Waits until the store's parts have not changed and its CPU was nearly idle for `time`, but no longer than `at_most`.
    ///
    /// Returns at once without a store. The collector's user may read no table of merges, but a merge needs CPU and changes the parts.
    pub fn wait_for_rest(&self, time: Duration, at_most: Duration) {
        let Some(collector) = self.collector() else { return };
        let parts = || {
            let query = "SELECT sum(parts), sum(active_parts), sum(total_rows) FROM system.tables WHERE database = 'footfall'";
            collector.store.query(query).ok()
        };
        let began = Instant::now();
        let (mut before, mut cpu, mut quiet_since) = (parts(), self.store_cpu(), Instant::now());
        while quiet_since.elapsed() < time && began.elapsed() < at_most {
            std::thread::sleep(REST_STEP);
            let (now, used) = (parts(), self.store_cpu());
            if now != before || used - cpu > REST_STEP.mul_f64(IDLE_SHARE) {
                quiet_since = Instant::now();
            }
            (before, cpu) = (now, used);
        }
        if began.elapsed() >= at_most {
            println!("the store is still busy after {at_most:?}");
        }
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        process::memory(self.pid()).unwrap_or_default()
    }

    /// The highest resident memory so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        process::peak_memory(self.pid()).unwrap_or_default()
    }

    /// Resident memory of the embedded store in bytes.
    pub fn store_memory(&self) -> u64 {
        self.store_pid().and_then(process::memory).unwrap_or_default()
    }

    /// The collector, if the server is Footfall.
    pub fn collector(&self) -> Option<&Collector> {
        match &self.kind {
            ServerKind::Footfall(collector) => Some(collector),
            ServerKind::Child(_) | ServerKind::Nginx(..) => None,
        }
    }

    fn pid(&self) -> u32 {
        match &self.kind {
            ServerKind::Child(child) | ServerKind::Nginx(child, _) => child.id(),
            ServerKind::Footfall(collector) => collector.pid(),
        }
    }

    fn store_pid(&self) -> Option<u32> {
        self.collector().and_then(Collector::store_pid)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let ServerKind::Child(child) | ServerKind::Nginx(child, _) = &mut self.kind {
            // nginx ends its workers only when it is asked to end.
            process::signal(child.id(), process::Signal::TERM);
            let _ = child.wait();
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a server starts")
}

/// Sends beacons until one is answered with 204. Returns the time since the start.
fn first_accepted(listen: SocketAddr, started: Instant) -> Duration {
    let headers = format!("Origin: https://{HOST}\r\nContent-Type: text/plain\r\n");
    let body = good_beacon("clinic", fastrand::u64(..), 0, "/");
    loop {
        let answer = crate::common::http::post(listen, "/b", &headers, body.as_bytes());
        match answer {
            Ok(answer) if answer.status == 204 => return started.elapsed(),
            Ok(answer) if answer.status != 503 => panic!("refused: {} {}", answer.status, answer.text()),
            _ => {}
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no beacon was accepted within a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The MaxMind files in `BENCH_GEO`. Without them, places stay empty.
pub fn geo_files() -> Vec<String> {
    let named = std::env::var("BENCH_GEO").unwrap_or_default();
    named.split(',').filter(|file| !file.is_empty()).map(str::to_owned).collect()
}

fn geo_setting() -> String {
    let files = geo_files();
    for file in &files {
        assert!(Path::new(file).is_file(), "BENCH_GEO: {file} is not a file");
    }
    if files.is_empty() { String::new() } else { format!("geo = {files:?}\n") }
}
