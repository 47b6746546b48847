//! Hostile clients attack a real collector over real sockets, and other clients must not suffer.
//!
//! While an attack runs, a client at another address sends valid beacons. Each of them must be answered with 204. The
//! collector's memory must stay within a bound, and its file descriptors must be released afterwards. Latencies are
//! only printed, since the machine is shared with other tests.

mod connections;
mod http1;
mod http2;
mod smuggling;
mod tls;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::common::{Collector, HttpConnection, StoreClient, eventually, good_beacon, ports, process};

/// Longer than any timeout of the collector.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Source address of the client that sends valid beacons.
const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// An attack that is shorter is repeated.
const SHORTEST_ATTACK: Duration = Duration::from_secs(1);
/// After an attack, this many more descriptors may be open: those of the valid client, of shipping and of scraping.
const SPARE_DESCRIPTORS: usize = 24;

/// A collector to attack. Its store does not exist; it accepts beacons all the same.
pub struct TestTarget {
    pub collector: Collector,
    descriptors: usize,
}

/// What the valid client saw during an attack.
#[derive(Debug)]
pub struct ClientStats {
    /// Valid beacons that were answered with 204.
    pub answered: usize,
    pub longest: Duration,
}

impl TestTarget {
    /// Starts a collector with these settings. Unless they say otherwise, it trusts no proxy.
    pub fn new(settings: &str) -> Self {
        let store = StoreClient::without_password(ports::free());
        let top = if settings.contains("trusted_proxies") { "" } else { "trusted_proxies = []\n" };
        let mut collector = Collector::shipping_to(store, &format!("{top}{settings}"));
        collector.start();
        let descriptors = descriptors(collector.pid());
        Self { collector, descriptors }
    }

    pub fn address(&self) -> SocketAddr {
        self.collector.listen
    }

    /// Runs an attack for at least [`SHORTEST_ATTACK`] while valid beacons are sent, and calls [`Self::check`].
    ///
    /// Returns the result of the last repetition.
    pub fn attack<T>(&self, name: &str, attack: impl FnMut() -> T) -> T {
        self.attack_beside(name, ConnectionUse::KeptAndNew, attack)
    }

    /// Like [`Self::attack`]; the valid client uses `connections`.
    pub fn attack_beside<T>(
        &self,
        name: &str,
        connections: ConnectionUse,
        mut attack: impl FnMut() -> T,
    ) -> T {
        let client = ValidClient::start(self.address(), &[], connections);
        let started = Instant::now();
        let mut result = attack();
        while started.elapsed() < SHORTEST_ATTACK {
            result = attack();
        }
        self.check(name, &client.stop());
        result
    }

    /// Fails if an attack made the collector use too much memory, or if it does not release descriptors.
    pub fn check(&self, name: &str, stats: &ClientStats) {
        let pid = self.collector.pid();
        let peak = process::peak_memory(pid).unwrap();
        println!(
            "{name}: {} valid beacons answered, the longest took {:?}; peak memory {} MB",
            stats.answered,
            stats.longest,
            peak >> 20
        );
        assert!(stats.answered > 0, "{name}: no valid beacon was answered");
        assert!(peak < process::COLLECTOR_MEMORY_MAX, "{name}: {peak} bytes of memory");
        eventually("descriptors are released", TIMEOUT, || {
            descriptors(pid) <= self.descriptors + SPARE_DESCRIPTORS
        });
    }
}

pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

pub fn connect_from(source: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&target.into())?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

pub fn valid_request() -> Vec<u8> {
    let body = good_beacon("clinic", fastrand::u64(..), 0, "/");
    let head = format!(
        "POST /b HTTP/1.1\r\nHost: stats.example\r\nOrigin: https://clinic.example\r\nContent-Type: text/plain\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// The connections over which a valid client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionUse {
    /// One connection that is opened before the attack.
    Kept,
    /// The same, and a new connection for each second beacon.
    KeptAndNew,
}

pub struct ValidClient {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<ClientStats>,
}

impl ValidClient {
    /// Sends `first` at the start of each connection.
    pub fn start(target: SocketAddr, first: &[u8], connections: ConnectionUse) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, first) = (stop.clone(), first.to_vec());
        let thread = std::thread::spawn(move || {
            let mut kept = connect(target, &first);
            let mut stats = ClientStats { answered: 0, longest: Duration::ZERO };
            // At least two beacons are sent, also when the attack is very short.
            while !stopped.load(Ordering::Relaxed) || stats.answered < 2 {
                let started = Instant::now();
                send_valid(&mut kept);
                stats.answered += 1;
                if connections == ConnectionUse::KeptAndNew {
                    send_valid(&mut connect(target, &first));
                    stats.answered += 1;
                }
                stats.longest = stats.longest.max(started.elapsed());
                std::thread::sleep(Duration::from_millis(5));
            }
            stats
        });
        Self { stop, thread }
    }

    /// Stops it. Fails if a beacon was not answered with 204.
    pub fn stop(self) -> ClientStats {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every valid beacon is answered")
    }
}

fn connect(target: SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = connect_from(CLIENT_ADDRESS, target).expect("the collector accepts connections");
    stream.write_all(first).expect("the collector reads");
    stream
}

/// Sends one beacon and reads the response, which has no body.
#[track_caller]
fn send_valid(stream: &mut TcpStream) {
    stream.write_all(&valid_request()).expect("the collector reads");
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !answer.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut chunk).expect("a valid beacon is answered");
        assert!(count > 0, "the connection ended after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
}

/// Reads all responses until the connection ends or is reset, and returns their statuses.
pub fn statuses(http: &mut HttpConnection) -> Vec<u16> {
    std::iter::from_fn(|| http.answer().ok().map(|answer| answer.status)).collect()
}
