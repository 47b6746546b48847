//! What the collector's memory holds of visitors after their connections have closed. The attacker reads `/proc/PID/mem`.

use std::collections::HashSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use aho_corasick::AhoCorasick;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use crate::common::{Collector, StoreClient, good_beacon, ports};

/// Visitors of each of the four ways to connect.
const VISITORS: usize = 100;
/// The promise holds this long after the last connection closed.
const SETTLE: Duration = Duration::from_secs(5);
/// The collector closes a connection that is not used for 10 s. Its timeouts are checked twice a second.
const IDLE: Duration = Duration::from_secs(12);
/// Bytes of memory that are searched at once, and how many of the next piece are read with them.
const PIECE: u64 = 64 << 10;
const OVERLAP: u64 = 64;
const PAGE: u64 = 4 << 10;

/// One visitor, whose every value is random.
struct Visitor {
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    /// Part of the user agent.
    agent: String,
    cookie: String,
    /// The address that connects.
    peer: Ipv4Addr,
}

impl Visitor {
    fn random(random: &mut fastrand::Rng) -> Self {
        let mut hex = |length: usize| -> String {
            (0..length).map(|_| char::from(b"0123456789abcdef"[random.usize(..16)])).collect()
        };
        let (agent, cookie) = (format!("probe{}", hex(16)), format!("ck{}", hex(20)));
        let mut octets = [0; 16];
        random.fill(&mut octets);
        // Global unicast, so that it is taken as it is.
        octets[..2].copy_from_slice(&[0x2a, 0x0b]);
        let v4 = Ipv4Addr::new(random.u8(80..95), random.u8(..), random.u8(..), random.u8(1..255));
        let peer = Ipv4Addr::new(127, random.u8(10..250), random.u8(..), random.u8(1..255));
        Self { v4, v6: octets.into(), agent, cookie, peer }
    }
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

/// Visits, half of them by IPv4 and half by IPv6. Returns what keeps their connections open.
async fn visit(
    listen: SocketAddr,
    tls: Option<&Arc<ClientConfig>>,
    protocol: Protocol,
    visitors: &[Visitor],
) -> Vec<Box<dyn Send>> {
    let mut open = Vec::new();
    for (index, visitor) in visitors.iter().enumerate() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((visitor.peer, 0).into()).unwrap();
        let stream = socket.connect(listen).await.unwrap();
        let client = if index % 2 == 0 { IpAddr::V4(visitor.v4) } else { IpAddr::V6(visitor.v6) };
        let mut beacon = good_beacon("clinic", 0, index as u32, "/");
        beacon = beacon.replacen('{', &format!("{{\"ck\":[\"sid={}\"],", visitor.cookie), 1);
        let request = Request::post("http://stats.example/b")
            .header("host", "stats.example")
            .header("user-agent", format!("Mozilla/5.0 (X11; {}) Firefox/140.0", visitor.agent))
            .header("x-forwarded-for", client.to_string())
            .header("cookie", format!("sid={}", visitor.cookie))
            .header("content-type", "text/plain")
            .body(Full::new(Bytes::from(beacon)))
            .unwrap();
        open.push(match tls {
            Some(config) => send(handshake(stream, config, protocol).await, protocol, request).await,
            None => send(stream, protocol, request).await,
        });
    }
    open
}

async fn handshake(stream: TcpStream, config: &ClientConfig, protocol: Protocol) -> TlsStream<TcpStream> {
    let mut config = config.clone();
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("stats.example").unwrap(), stream).await.unwrap()
}

/// Sends a beacon and returns what keeps its connection open.
async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    protocol: Protocol,
    mut request: Request<Full<Bytes>>,
) -> Box<dyn Send> {
    let stream = TokioIo::new(stream);
    let check = |response: Response<_>| assert_eq!(response.status(), 204);
    match protocol {
        Protocol::Http1 => {
            *request.uri_mut() = "/b".parse().unwrap();
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            check(sender.send_request(request).await.unwrap().map(drop));
            Box::new(sender)
        }
        Protocol::Http2 => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            check(sender.send_request(request).await.unwrap().map(drop));
            Box::new(sender)
        }
    }
}

/// Which patterns occur in a process's writable memory, by their index.
fn found_in_memory(pid: u32, patterns: &[Vec<u8>]) -> HashSet<usize> {
    let search = AhoCorasick::new(patterns).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).expect("root or the same user may read it");
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let pages = File::open(format!("/proc/{pid}/pagemap")).unwrap();
    // The highest two bits of a page's entry: in memory, swapped. Reserved address space has neither.
    let is_used = |at: u64| {
        let mut entries = [0; (PIECE / PAGE * 8) as usize];
        pages.read_exact_at(&mut entries, at / PAGE * 8).is_ok()
            && entries.chunks(8).any(|entry| entry[7] & 0xc0 != 0)
    };
    let mut found = HashSet::new();
    let mut buffer = [0; (PIECE + OVERLAP) as usize];
    for map in maps.lines() {
        let mut fields = map.split_whitespace();
        let (range, permissions) = (fields.next().unwrap(), fields.next().unwrap());
        if !permissions.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        for at in (start..end).step_by(PIECE as usize).filter(|at| is_used(*at)) {
            let length = (end - at).min(PIECE + OVERLAP) as usize;
            // Some regions of the kernel cannot be read.
            let Ok(read) = memory.read_at(&mut buffer[..length], at) else { break };
            found.extend(search.find_overlapping_iter(&buffer[..read]).map(|hit| hit.pattern().as_usize()));
        }
    }
    found
}

/// What is looked for of each visitor.
const KINDS: [&str; 5] =
    ["addresses as text", "user agents", "cookie values", "IPv6 in binary", "IPv4 in binary"];

fn patterns(visitors: &[Visitor]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    visitors.iter().flat_map(|visitor| {
        [
            (0, visitor.v4.to_string().into_bytes()),
            (0, visitor.v6.to_string().into_bytes()),
            (1, visitor.agent.clone().into_bytes()),
            (2, visitor.cookie.clone().into_bytes()),
            (3, visitor.v6.octets().to_vec()),
            (4, visitor.v4.octets().to_vec()),
            (4, visitor.peer.octets().to_vec()),
        ]
    })
}

/// How many values of each of [`KINDS`] were found: of the visitors, and of the control.
fn count_found(pid: u32, visited: &[Visitor], control: &[Visitor]) -> [[usize; KINDS.len()]; 2] {
    let of = |group: usize, visitors| patterns(visitors).map(move |(kind, bytes)| ((group, kind), bytes));
    let (groups, patterns): (Vec<_>, Vec<_>) = of(0, visited).chain(of(1, control)).unzip();
    let mut counts = [[0; KINDS.len()]; 2];
    for index in found_in_memory(pid, &patterns) {
        let (group, kind) = groups[index];
        counts[group][kind] += 1;
    }
    counts
}

fn client_config(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn nothing_of_a_visitor_is_in_memory_after_the_connection_closed() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["stats.example".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let config = client_config(&certified);
    let tls = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    let site = "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\ncookies = { sid = \"hmac\" }\n";

    let mut random = fastrand::Rng::with_seed(16);
    let closed = Duration::ZERO;
    for (name, tables, tls, open_for) in [
        ("plain", "", None, closed),
        ("TLS", &*tls, Some(&config), closed),
        ("left open", &tls, Some(&config), IDLE),
    ] {
        let store = StoreClient::without_password(ports::free());
        let mut collector = Collector::shipping_to(store, &format!("\n{tables}{site}"));
        collector.start();
        let (mut all, mut open) = (Vec::new(), Vec::new());
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let visitors: Vec<Visitor> = (0..VISITORS).map(|_| Visitor::random(&mut random)).collect();
            open.extend(visit(collector.listen, tls, protocol, &visitors).await);
            all.extend(visitors);
        }
        tokio::time::sleep(open_for).await;
        if open_for.is_zero() {
            open.clear();
        }
        tokio::time::sleep(SETTLE).await;
        let control: Vec<Visitor> = (0..2 * VISITORS).map(|_| Visitor::random(&mut random)).collect();
        let [found, by_chance] = count_found(collector.pid(), &all, &control);
        println!("{name}: {KINDS:?}: {found:?} of {} visitors, control {by_chance:?}", all.len());
        assert_eq!(found[..4], [0; 4], "{name}: {KINDS:?}");
        assert!(
            found[4] <= by_chance[4] + 2,
            "{name}: IPv4 in binary: {} against {}",
            found[4],
            by_chance[4]
        );
    }
}
