//! HTTP/2 by hand, frame by frame (RFC 9113): floods that cost the sender little and were meant to cost us much.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::{Siege, connect_from};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long each flood goes on, unless it is cut before.
const FLOOD: Duration = Duration::from_millis(1_500);

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

/// `:method` (by its number in the static table), `:scheme` http, `:path`, `:authority` in HPACK without an index.
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

/// An attacker's connection, its settings exchanged.
struct Attack(TcpStream);

impl Attack {
    fn connect(siege: &Siege, settings: &[u8]) -> Self {
        let mut stream = connect_from(ATTACKER, siege.target()).unwrap();
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).unwrap();
        Self(stream)
    }

    /// Sends what `make` gives until the collector closes or [`FLOOD`] has passed; whether it closed.
    fn flood(&mut self, mut make: impl FnMut(u32) -> Vec<u8>) -> bool {
        self.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let end = Instant::now() + FLOOD;
        let mut number = 0;
        while Instant::now() < end {
            let batch: Vec<u8> = (0..64)
                .flat_map(|_| {
                    (make)({
                        number += 1;
                        number
                    })
                })
                .collect();
            match self.0.write_all(&batch) {
                Ok(()) => {}
                // It reads no more: nobody who does not read answers makes it hold them.
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    return false;
                }
                Err(_) => return true,
            }
        }
        false
    }

    /// Reads frames until one of this kind comes or the connection ends; its payload, if it came.
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
fn streams_that_are_opened_and_reset_at_once_end_the_connection() {
    let siege = Siege::new("");
    siege.under("rapid reset (CVE-2023-44487)", || {
        for _ in 0..5 {
            let mut attack = Attack::connect(&siege, &[]);
            let closed = attack.flood(|number| {
                let stream = 2 * number - 1;
                let mut bytes = frame(HEADERS, END_HEADERS, stream, &head(POST, "/b"));
                bytes.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
                bytes
            });
            assert!(closed, "the collector ends it");
        }
    });
}

#[test]
fn a_head_that_never_ends_ends_the_connection() {
    let siege = Siege::new("");
    siege.under("CONTINUATION flood (CVE-2024-27316)", || {
        let mut attack = Attack::connect(&siege, &[]);
        attack.0.write_all(&frame(HEADERS, 0, 1, &head(GET, "/"))).unwrap();
        // Literal headers that are never indexed.
        let block = [&[0x00, 1, b'a', 100][..], &[b'b'; 100]].concat().repeat(100);
        assert!(attack.flood(|_| frame(CONTINUATION, 0, 1, &block)), "full frames");
        let mut attack = Attack::connect(&siege, &[]);
        attack.0.write_all(&frame(HEADERS, 0, 1, &head(GET, "/"))).unwrap();
        assert!(attack.flood(|_| frame(CONTINUATION, 0, 1, &[])), "empty frames");
    });
}

#[test]
fn floods_of_frames_that_ask_for_answers_or_nothing_cost_no_memory() {
    let siege = Siege::new("");
    siege.under("SETTINGS, PING, PRIORITY, WINDOW_UPDATE and empty DATA floods", || {
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
                let siege = &siege;
                scope.spawn(move || {
                    // The answers are never read.
                    Attack::connect(siege, &[]).flood(flood);
                });
            }
        });
    });
}

#[test]
fn windows_that_stay_shut_or_run_over_hold_little_and_end_the_connection() {
    let siege = Siege::new("");
    siege.under("window tricks", || {
        // The initial window is 0: the answers wait, as many as there may be streams.
        let shut: Vec<Attack> = (0..300)
            .map(|_| {
                let mut attack = Attack::connect(&siege, &[0, 4, 0, 0, 0, 0]);
                let requests: Vec<u8> = (0..32).flat_map(|n| request(2 * n + 1, "/s.js")).collect();
                attack.0.write_all(&requests).unwrap();
                attack
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        drop(shut);
        for (name, payload) in [("no increment", 0), ("past the largest window", 0x7fff_ffff_u32)] {
            let mut attack = Attack::connect(&siege, &[]);
            attack.0.write_all(&frame(WINDOW, 0, 0, &payload.to_be_bytes())).unwrap();
            assert!(attack.wait_for(GO_AWAY).is_some(), "{name}");
        }
        let mut attack = Attack::connect(&siege, &[0, 4, 0xff, 0xff, 0xff, 0xff]);
        assert!(attack.wait_for(GO_AWAY).is_some(), "an initial window over the largest");
    });
}

#[test]
fn a_small_block_that_unpacks_to_megabytes_of_headers_is_refused() {
    let siege = Siege::new("");
    siege.under("HPACK bomb", || {
        for _ in 0..20 {
            let mut attack = Attack::connect(&siege, &[]);
            // One entry of the dynamic table, 3,000 bytes, then 8,000 references to it of one byte each.
            let mut block = head(GET, "/");
            block.extend([0x40, 1, b'a', 0x7f, 0xb9, 0x16]);
            block.extend([b'b'; 3_000]);
            block.extend([0xbe; 8_000]);
            attack.0.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)).unwrap();
            // An answer of 431, a stream reset or the end: but never the page.
            let answer = attack.wait_for(HEADERS);
            assert!(answer.is_none_or(|block| block.first() != Some(&0x88)), "it was answered 200");
        }
    });
}

#[test]
fn frames_out_of_order_end_the_connection() {
    let siege = Siege::new("");
    siege.under("frames out of order", || {
        let bad: [(&str, Vec<u8>); 8] = [
            ("ids going down", [request(5, "/"), request(3, "/")].concat()),
            ("an even id", request(2, "/")),
            ("no id", request(0, "/")),
            ("data for no stream", frame(DATA, 0, 1, b"x")),
            ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, b"x")),
            ("a frame over its bound", frame(DATA, 0, 1, &[0; 20_000])),
            ("a ping of the wrong length", frame(PING, 0, 0, b"x")),
            ("a header that is none", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 40])),
        ];
        for (name, bytes) in bad {
            let mut attack = Attack::connect(&siege, &[]);
            attack.0.write_all(&bytes).unwrap();
            assert!(attack.wait_for(GO_AWAY).is_some(), "{name}");
        }
    });
}
