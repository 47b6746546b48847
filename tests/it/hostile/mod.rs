//! Hostile clients against the real collector over real sockets: what they do costs the others nothing.
//!
//! In each test a visitor from another address sends one good beacon after another, half of them on a connection of its
//! own, while the attack runs. All of them must be answered with 204, and memory and descriptors of the collector must
//! stay within bounds and come back. Latencies are printed, not judged: the machine has other things to do.

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

use crate::common::{Collector, Http, Store, eventually, good_beacon, ports, process};

/// Long enough for any bound of time that the collector keeps.
const PATIENCE: Duration = Duration::from_secs(60);
/// Address of the visitor whose beacons must get through.
const VISITOR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Memory that no attack may bring the collector to, in bytes. Idle, a debug build takes about 30 MB.
const MAX_MEMORY: u64 = 256 << 20;
/// How long an attack goes on at least: a short one is repeated.
const SHORTEST: Duration = Duration::from_secs(1);
/// Descriptors that may be open more after an attack than before: the visitor's, and what ships and scrapes.
const SPARE_DESCRIPTORS: usize = 24;

/// A collector under attack. It ships to nobody: beacons are taken all the same.
pub struct Siege {
    pub collector: Collector,
    descriptors: usize,
}

/// What came of an attack.
#[derive(Debug)]
pub struct Outcome {
    /// Good beacons that were answered 204 meanwhile.
    pub answered: usize,
    /// The longest that one of them took.
    pub worst: Duration,
}

impl Siege {
    /// A collector with these settings that trusts no proxy.
    pub fn new(settings: &str) -> Self {
        let store = Store::at(ports::free());
        let top = if settings.contains("trusted_proxies") { "" } else { "trusted_proxies = []\n" };
        let mut collector = Collector::shipping_to(store, &format!("{top}{settings}"));
        collector.start();
        let descriptors = descriptors(collector.pid());
        Self { collector, descriptors }
    }

    /// Where it listens.
    pub fn target(&self) -> SocketAddr {
        self.collector.listen
    }

    /// Runs an attack, over and over for a second, while good beacons are sent, and looks at what it left behind.
    pub fn under<T>(&self, name: &str, attack: impl FnMut() -> T) -> (T, Outcome) {
        self.during(name, Visits::KeptAndNew, attack)
    }

    /// [`Siege::under`], with a visitor of another habit.
    pub fn during<T>(&self, name: &str, visits: Visits, mut attack: impl FnMut() -> T) -> (T, Outcome) {
        let visitor = Visitor::start(self.target(), &[], visits);
        let begun = Instant::now();
        let mut result = attack();
        while begun.elapsed() < SHORTEST {
            result = attack();
        }
        let outcome = visitor.stop();
        self.recovered(name, &outcome);
        (result, outcome)
    }

    /// Sees that memory stayed within its bound and descriptors came back.
    pub fn recovered(&self, name: &str, outcome: &Outcome) {
        let pid = self.collector.pid();
        let peak = process::peak_memory(pid).unwrap();
        println!(
            "{name}: {} good beacons answered, the worst in {:?}; memory at the peak {} MB",
            outcome.answered,
            outcome.worst,
            peak >> 20
        );
        assert!(outcome.answered > 0, "{name}: no good beacon was sent");
        assert!(peak < MAX_MEMORY, "{name}: {peak} bytes of memory");
        eventually("descriptors come back", PATIENCE, || {
            descriptors(pid) <= self.descriptors + SPARE_DESCRIPTORS
        });
    }
}

/// Open descriptors of a process.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Connects from an address of this machine.
pub fn connect_from(source: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&target.into())?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The request of one good beacon.
pub fn good_request() -> Vec<u8> {
    let body = good_beacon("clinic", fastrand::u64(..), 0, "/");
    let head = format!(
        "POST /b HTTP/1.1\r\nHost: stats.example\r\nOrigin: https://clinic.example\r\nContent-Type: text/plain\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// Over which connections a visitor sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visits {
    /// One that was there before the attack.
    Kept,
    /// That one, and a new one for each second beacon.
    KeptAndNew,
}

/// Sends good beacons until it is stopped.
pub struct Visitor {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Outcome>,
}

impl Visitor {
    /// Each of its connections begins with `first`.
    pub fn start(target: SocketAddr, first: &[u8], visits: Visits) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, first) = (stop.clone(), first.to_vec());
        let thread = std::thread::spawn(move || {
            let mut kept = visit(target, &first);
            let mut outcome = Outcome { answered: 0, worst: Duration::ZERO };
            // One more after the end, so that there is always one.
            while !stopped.load(Ordering::Relaxed) || outcome.answered < 2 {
                let begun = Instant::now();
                send_good(&mut kept);
                outcome.answered += 1;
                if visits == Visits::KeptAndNew {
                    send_good(&mut visit(target, &first));
                    outcome.answered += 1;
                }
                outcome.worst = outcome.worst.max(begun.elapsed());
                std::thread::sleep(Duration::from_millis(5));
            }
            outcome
        });
        Self { stop, thread }
    }

    /// Ends it; fails if any beacon was not answered with 204.
    pub fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every good beacon is answered")
    }
}

fn visit(target: SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = connect_from(VISITOR, target).expect("the collector accepts connections");
    stream.write_all(first).expect("the collector reads");
    stream
}

/// Sends one beacon and reads its answer, which has no body.
#[track_caller]
fn send_good(stream: &mut TcpStream) {
    stream.write_all(&good_request()).expect("the collector reads");
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !answer.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut chunk).expect("a good beacon is answered");
        assert!(count > 0, "a good beacon is answered, not {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
}

/// Reads all answers of a connection to its end, as statuses; a reset ends it as well.
pub fn statuses(http: &mut Http) -> Vec<u16> {
    std::iter::from_fn(|| http.answer().ok().map(|answer| answer.status)).collect()
}
