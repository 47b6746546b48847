//! The processes of the product: the store alone while it is filled, and the collector with its store while reports run.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{SITES, ZONE};

/// A store with many parts takes a while to open.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// `footfall embedded`. Dropping it ends the process.
pub struct Store {
    process: Process,
    pub listen: SocketAddr,
}

/// `footfall serve` with its embedded store. Dropping it ends both.
pub struct Collector {
    process: Process,
    pub reports: SocketAddr,
    pub store: SocketAddr,
}

struct Process(Child);

impl Store {
    pub fn start(data: &Path) -> Self {
        let listen = free();
        let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
        command.args(["embedded", "--listen", &listen.to_string(), "--data"]).arg(data);
        let store = Self { process: Process::start(&mut command), listen };
        store.process.wait_until_listening(listen);
        store
    }

    /// CPU time of the store so far.
    pub fn cpu(&self) -> Duration {
        self.process.cpu()
    }
}

impl Collector {
    /// Its settings and its key lie in `directory`.
    pub async fn start(data: &Path, directory: &Path) -> Self {
        let [listen, admin, reports, store] = std::array::from_fn(|_| free());
        let key = directory.join("key");
        let mut text = format!(
            "timezone = \"{ZONE}\"\nlisten = \"{listen}\"\nadmin = \"{admin}\"\nreports = \"{reports}\"\ndata = {data:?}\n\
             key = {key:?}\nkey_on_disk = true\n[store]\nlisten = \"{store}\"\n"
        );
        for site in (1..=SITES).map(site) {
            text.push_str(&format!("[[site]]\nid = \"{site}\"\nhosts = [\"{site}.example\"]\n"));
        }
        let settings = directory.join("footfall.toml");
        std::fs::write(&settings, text).expect("settings can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
        command.arg("serve").arg("--config").arg(settings);
        let collector = Self { process: Process::start(&mut command), reports, store };
        collector.process.wait_until_listening(reports);
        collector.process.wait_until_listening(store);
        collector
    }

    /// CPU time of the collector and its store so far.
    pub fn cpu(&self) -> Duration {
        self.process.cpu()
    }
}

/// The name of a site; 1 is the largest.
pub fn site(number: u32) -> String {
    format!("site-{number:02}")
}

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("footfall starts"))
    }

    fn wait_until_listening(&self, address: SocketAddr) {
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < START_TIMEOUT, "nothing listens on {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// User and system time of the process and its descendants, in steps of 10 ms.
    fn cpu(&self) -> Duration {
        let mut ticks = 0;
        let mut processes = vec![self.0.id()];
        while let Some(id) = processes.pop() {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // The name in parentheses may contain spaces. User time is the twelfth field after it.
            let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
            ticks += fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
            for task in std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
                let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                processes.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGTERM, so that the store ends in order.
        let id = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}
