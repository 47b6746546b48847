//! The generator itself, against a server that fails as servers do.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use fastrand::Rng;

use super::*;

#[derive(Default)]
struct Answers {
    /// How often each event was answered with 204.
    taken: HashMap<(u64, u32), u32>,
    /// Beacons that were answered with 503.
    refused: u32,
    /// Beacons at which the connection was closed.
    cut: u32,
}

type SharedAnswers = Arc<Mutex<Answers>>;

/// A server that answers a third of the beacons with 503, breaks off at some, and takes the others.
fn moody_server() -> (SocketAddr, SharedAnswers) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let answers = SharedAnswers::default();
    let shared = answers.clone();
    std::thread::spawn(move || {
        for (seed, stream) in listener.incoming().enumerate() {
            let (stream, shared) = (stream.expect("a connection comes"), shared.clone());
            std::thread::spawn(move || serve(stream, &shared, &mut Rng::with_seed(seed as u64)));
        }
    });
    (address, answers)
}

fn serve(mut stream: TcpStream, answers: &SharedAnswers, rng: &mut Rng) {
    let mut read = Vec::new();
    loop {
        let body = loop {
            if let Some(body) = take_body(&mut read) {
                break body;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk) {
                Ok(count) if count > 0 => read.extend_from_slice(&chunk[..count]),
                _ => return,
            }
        };
        let mut answers = answers.lock().expect("no thread panics");
        let answer: &[u8] = match rng.u32(..12) {
            0 => {
                answers.cut += 1;
                return;
            }
            1..=4 => {
                answers.refused += 1;
                b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nlater"
            }
            _ => {
                let mended = footfall::beacon::MendedBody::default();
                let beacon = footfall::beacon::json::parse(&body, &mended).expect("the load sends beacons");
                for seq in beacon.first_seq..beacon.first_seq + beacon.events.len() as u32 {
                    *answers.taken.entry((beacon.page_load, seq)).or_default() += 1;
                }
                b"HTTP/1.1 204 No Content\r\n\r\n"
            }
        };
        drop(answers);
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// The body of the request at the start of `read`, once it is whole.
fn take_body(read: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head = memchr::memmem::find(read, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&read[..head]).expect("a head is ASCII");
    let length =
        text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length is given");
    let end = head + length.parse::<usize>().expect("a length is a number");
    (read.len() >= end).then(|| {
        let body = read[head..end].to_vec();
        read.drain(..end);
        body
    })
}

#[test]
fn what_was_refused_or_cut_off_is_sent_again_until_it_is_taken_and_then_no_more() {
    for events in [1, 10] {
        let (target, answers) = moody_server();
        let plan = Plan {
            target,
            connections: 8,
            events,
            site: "clinic".to_owned(),
            seed: 1,
            rate: Some(2_000),
            longest_pause: super::RETRY_PAUSE,
        };
        let load = Running::start(plan, Ledger::default());
        let started = Instant::now();
        loop {
            let answers = answers.lock().expect("no thread panics");
            // The load may stop before it has read the last answers.
            if answers.taken.len() > 100 * events as usize && answers.refused > 10 && answers.cut > 10 {
                break;
            }
            drop(answers);
            assert!(started.elapsed() < ANSWER_TIMEOUT, "the load sends too few beacons");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (outcome, ledger) = load.stop();
        assert!(
            outcome.taken > 20 && outcome.broken > 0 && outcome.refused.contains_key(&503),
            "{outcome:?}"
        );
        let answers = answers.lock().expect("no thread panics");
        let id = |page_load: u64, seq: u32| page_load ^ u64::from(seq) << 40;
        let answered = answers
            .taken
            .iter()
            .flat_map(|((page_load, seq), count)| std::iter::repeat_n(id(*page_load, *seq), *count as usize));
        ledger.compare(answered, |page_load, seq| vec![id(page_load, seq)]).assert_none();
        assert_eq!(ledger.len() as u64, outcome.taken * u64::from(events));
    }
}

#[test]
fn a_rate_is_kept_and_a_seed_repeats_its_beacons() {
    let (target, _) = moody_server();
    let beacons = || {
        let mut traffic = Traffic::new(7, "clinic", target, 1);
        let mut page = traffic.page_load();
        let mut request = Vec::new();
        traffic.beacon(&mut page, &mut request);
        request
    };
    assert_eq!(beacons(), beacons());
    let plan = Plan {
        target,
        connections: 8,
        events: 1,
        site: "clinic".to_owned(),
        seed: 1,
        rate: Some(100),
        longest_pause: super::RETRY_PAUSE,
    };
    let begun = Instant::now();
    let outcome = run(&plan, Duration::from_millis(500)).expect("sockets work");
    // A busy machine may end the half second late.
    let most = 100.0 * begun.elapsed().as_secs_f64() + 1.0;
    assert!(outcome.taken as f64 <= most, "{} beacons, at 100 a second at most {most}", outcome.taken);
}
