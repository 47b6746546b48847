//! TLS: incomplete handshakes, plain text and random bytes, while a valid client uses TLS.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{CLIENT_ADDRESS, ClientStats, TestTarget, connect_from, valid_request};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

fn connect_with_tls(
    target: std::net::SocketAddr,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = connect_from(CLIENT_ADDRESS, target).unwrap();
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
fn invalid_and_incomplete_handshakes_disturb_no_valid_client() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["stats.example".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let target = TestTarget::new(&format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());

    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, address) = (stop.clone(), target.address());
    let client = std::thread::spawn(move || {
        let mut stats = ClientStats { answered: 0, longest: Duration::ZERO };
        while !stopped.load(Ordering::Relaxed) || stats.answered == 0 {
            let started = Instant::now();
            let mut stream = connect_with_tls(address, &config);
            stream.write_all(&valid_request()).unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 204");
            stats.answered += 1;
            stats.longest = stats.longest.max(started.elapsed());
        }
        stats
    });

    let hello = record(22, &[&[1, 0, 1, 0, 3, 3][..], &[7; 60]].concat());
    let warning = record(21, &[1, 0]);
    let attacks: [(&str, Vec<u8>); 6] = [
        ("plain text", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("HTTP/2 in the clear", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("alerts", warning.repeat(20_000)),
        ("a record that is too long", record(22, &[0; 60_000])),
        ("empty records", record(22, &[]).repeat(20_000)),
        ("random bytes", (0..50_000).map(|_| fastrand::u8(..)).collect()),
    ];
    for (name, bytes) in attacks {
        for _ in 0..50 {
            let mut stream = connect_from(ATTACKER, target.address()).unwrap();
            let _ = stream.write_all(&bytes);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"HTTP"), "{name} is answered in plain text");
        }
    }
    // The collector waits 10 s for the rest of a handshake.
    let half: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = connect_from(ATTACKER, target.address()).unwrap();
            stream.write_all(&hello[..40]).unwrap();
            stream
        })
        .collect();
    for mut stream in half {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    stop.store(true, Ordering::Relaxed);
    let stats = client.join().expect("every valid beacon is answered");
    target.check("invalid and incomplete handshakes", &stats);
}
