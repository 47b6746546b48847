//! TLS: half handshakes, plain text and garbage on the port, while visitors come over TLS.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{Outcome, Siege, VISITOR, connect_from, good_request};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

fn visit(
    target: std::net::SocketAddr,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = connect_from(VISITOR, target).unwrap();
    let name = ServerName::try_from("stats.example").unwrap();
    StreamOwned::new(ClientConnection::new(config.clone(), name).unwrap(), stream)
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 3, 3];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend(payload);
    bytes
}

#[test]
fn what_is_no_tls_or_half_of_it_holds_up_no_visitor() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["stats.example".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let siege = Siege::new(&format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());

    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, target) = (stop.clone(), siege.target());
    let visitor = std::thread::spawn(move || {
        let mut outcome = Outcome { answered: 0, worst: Duration::ZERO };
        while !stopped.load(Ordering::Relaxed) || outcome.answered == 0 {
            let begun = Instant::now();
            let mut stream = visit(target, &config);
            stream.write_all(&good_request()).unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 204");
            outcome.answered += 1;
            outcome.worst = outcome.worst.max(begun.elapsed());
        }
        outcome
    });

    let hello = record(22, &[&[1, 0, 1, 0, 3, 3][..], &[7; 60]].concat());
    let warning = record(21, &[1, 0]);
    let attacks: [(&str, Vec<u8>); 6] = [
        ("plain text", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("HTTP/2 in the clear", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("alerts", warning.repeat(20_000)),
        ("a record over its bound", record(22, &[0; 60_000])),
        ("empty records", record(22, &[]).repeat(20_000)),
        ("garbage", (0..50_000).map(|_| fastrand::u8(..)).collect()),
    ];
    for (name, bytes) in attacks {
        for _ in 0..50 {
            let mut stream = connect_from(ATTACKER, siege.target()).unwrap();
            let _ = stream.write_all(&bytes);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"HTTP"), "{name} is answered in plain text");
        }
    }
    // Half a handshake is waited for, for 10 s.
    let half: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = connect_from(ATTACKER, siege.target()).unwrap();
            stream.write_all(&hello[..40]).unwrap();
            stream
        })
        .collect();
    for mut stream in half {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    stop.store(true, Ordering::Relaxed);
    let outcome = visitor.join().expect("every good beacon is answered");
    siege.recovered("TLS garbage and half handshakes", &outcome);
}
