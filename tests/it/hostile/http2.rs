//! HTTP/2 floods that are cheap for the sender and expensive for a server. Frames are built by hand (RFC 9113).

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::{TIMEOUT, TestTarget, connect_from};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A flood that the collector may bear ends after this time.
const FLOOD_DURATION: Duration = Duration::from_millis(1_500);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `:method` (as its index in the static table), `:scheme`, `:path` and `:authority`, encoded with HPACK.
fn head(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![0x80 | method, 0x86, 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'x']);
    block
}

const GET: u8 = 2;
const POST: u8 = 3;

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head(GET, path))
}

/// An attacker's connection. Preface and settings are sent.
struct Http2Attacker(TcpStream);

impl Http2Attacker {
    fn connect(target: &TestTarget, settings: &[u8]) -> Self {
        let mut stream = connect_from(ATTACKER, target.address()).unwrap();
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).unwrap();
        Self(stream)
    }

    /// Sends frames made by `make` for [`FLOOD_DURATION`], or until the collector reads no more or closes the connection.
    fn flood(&mut self, make: impl FnMut(u32) -> Vec<u8>) {
        self.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        self.send_frames(FLOOD_DURATION, make);
    }

    /// Sends frames made by `make` until the collector closes the connection; false if it does not.
    fn flood_until_closed(&mut self, make: impl FnMut(u32) -> Vec<u8>) -> bool {
        self.send_frames(TIMEOUT, make)
    }

    /// Returns whether the collector closed the connection.
    fn send_frames(&mut self, duration: Duration, mut make: impl FnMut(u32) -> Vec<u8>) -> bool {
        let end = Instant::now() + duration;
        let mut number = 0;
        while Instant::now() < end {
            let batch: Vec<u8> = (number + 1..=number + 64).flat_map(&mut make).collect();
            number += 64;
            if let Err(error) = self.0.write_all(&batch) {
                // After a timeout the connection is open: the collector reads no more until its responses are read.
                return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
        false
    }

    /// Reads frames until one of this kind arrives. Returns its payload, or `None` if the connection ends first.
    fn wait_for(&mut self, kind: u8) -> Option<Vec<u8>> {
        let mut header = [0; 9];
        loop {
            self.0.read_exact(&mut header).ok()?;
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).ok()?;
            if header[3] == kind {
                return Some(payload);
            }
        }
    }
}

#[test]
fn rapid_resets_of_streams_end_the_connection() {
    let target = TestTarget::new("");
    target.attack("rapid reset (CVE-2023-44487)", || {
        for _ in 0..5 {
            let mut attack = Http2Attacker::connect(&target, &[]);
            let closed = attack.flood_until_closed(|number| {
                let stream = 2 * number - 1;
                let mut bytes = frame(HEADERS, END_HEADERS, stream, &head(POST, "/b"));
                bytes.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
                bytes
            });
            assert!(closed, "the collector closes the connection");
        }
    });
}

#[test]
fn endless_headers_end_the_connection() {
    let target = TestTarget::new("");
    target.attack("CONTINUATION flood (CVE-2024-27316)", || {
        let mut attack = Http2Attacker::connect(&target, &[]);
        attack.0.write_all(&frame(HEADERS, 0, 1, &head(GET, "/"))).unwrap();
        // Literal headers without indexing.
        let block = [&[0x00, 1, b'a', 100][..], &[b'b'; 100]].concat().repeat(100);
        assert!(attack.flood_until_closed(|_| frame(CONTINUATION, 0, 1, &block)), "full frames");
        let mut attack = Http2Attacker::connect(&target, &[]);
        attack.0.write_all(&frame(HEADERS, 0, 1, &head(GET, "/"))).unwrap();
        assert!(attack.flood_until_closed(|_| frame(CONTINUATION, 0, 1, &[])), "empty frames");
    });
}

#[test]
fn floods_of_control_frames_use_no_memory() {
    let target = TestTarget::new("");
    target.attack("SETTINGS, PING, PRIORITY, WINDOW_UPDATE and empty DATA floods", || {
        std::thread::scope(|scope| {
            let floods: [fn(u32) -> Vec<u8>; 5] = [
                |_| frame(SETTINGS, 0, 0, &[]),
                |number| frame(PING, 0, 0, &u64::from(number).to_be_bytes()),
                |number| frame(PRIORITY, 0, 2 * number + 1, &[0, 0, 0, 0, 16]),
                |_| frame(WINDOW, 0, 0, &[0, 0, 0, 1]),
                |number| match number {
                    1 => frame(HEADERS, END_HEADERS, 1, &head(POST, "/b")),
                    _ => frame(DATA, 0, 1, &[]),
                },
            ];
            for flood in floods {
                let target = &target;
                scope.spawn(move || {
                    // The responses are never read.
                    Http2Attacker::connect(target, &[]).flood(flood);
                });
            }
        });
    });
}

#[test]
fn closed_windows_use_little_memory_and_overflowing_windows_end_the_connection() {
    let target = TestTarget::new("");
    target.attack("closed and overflowing windows", || {
        // With an initial window of 0, the collector must keep the responses of all streams.
        let shut: Vec<Http2Attacker> = (0..300)
            .map(|_| {
                let mut attack = Http2Attacker::connect(&target, &[0, 4, 0, 0, 0, 0]);
                let requests: Vec<u8> = (0..32).flat_map(|n| request(2 * n + 1, "/s.js")).collect();
                attack.0.write_all(&requests).unwrap();
                attack
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        drop(shut);
        for (name, payload) in
            [("an increment of 0", 0), ("an increment beyond the largest window", 0x7fff_ffff_u32)]
        {
            let mut attack = Http2Attacker::connect(&target, &[]);
            attack.0.write_all(&frame(WINDOW, 0, 0, &payload.to_be_bytes())).unwrap();
            assert!(attack.wait_for(GO_AWAY).is_some(), "{name}");
        }
        let mut attack = Http2Attacker::connect(&target, &[0, 4, 0xff, 0xff, 0xff, 0xff]);
        assert!(attack.wait_for(GO_AWAY).is_some(), "an initial window beyond the largest");
    });
}

#[test]
fn a_small_header_block_that_expands_to_megabytes_is_refused() {
    let target = TestTarget::new("");
    target.attack("HPACK bomb", || {
        for _ in 0..20 {
            let mut attack = Http2Attacker::connect(&target, &[]);
            // An entry of 3,000 bytes in the dynamic table, then 8,000 references of one byte each.
            let mut block = head(GET, "/");
            block.extend([0x40, 1, b'a', 0x7f, 0xb9, 0x16]);
            block.extend([b'b'; 3_000]);
            block.extend([0xbe; 8_000]);
            attack.0.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)).unwrap();
            // The collector answers 431, resets the stream or closes the connection.
            let answer = attack.wait_for(HEADERS);
            assert!(answer.is_none_or(|block| block.first() != Some(&0x88)), "the response was 200");
        }
    });
}

#[test]
fn frames_out_of_order_end_the_connection() {
    let target = TestTarget::new("");
    target.attack("frames out of order", || {
        let bad: [(&str, Vec<u8>); 8] = [
            ("decreasing ids", [request(5, "/"), request(3, "/")].concat()),
            ("an even id", request(2, "/")),
            ("id 0", request(0, "/")),
            ("DATA on a stream that is not open", frame(DATA, 0, 1, b"x")),
            ("CONTINUATION without HEADERS", frame(CONTINUATION, END_HEADERS, 1, b"x")),
            ("a frame that is too long", frame(DATA, 0, 1, &[0; 20_000])),
            ("a PING of the wrong length", frame(PING, 0, 0, b"x")),
            ("an invalid header block", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 40])),
        ];
        for (name, bytes) in bad {
            let mut attack = Http2Attacker::connect(&target, &[]);
            attack.0.write_all(&bytes).unwrap();
            assert!(attack.wait_for(GO_AWAY).is_some(), "{name}");
        }
    });
}
