//! Malformed, oversized, truncated and hostile requests. Each gets the documented answer and does not disturb the next good
//! event. No hostile text breaks a row, no answer repeats what was sent, and no address or user agent reaches the disk.

mod bodies;
mod case;
mod texts;
mod wire;

use std::path::Path;
use std::time::Duration;

use crate::common::{Collector, HttpConnection, HttpResponse, good_beacon, http, page_load_id};
use crate::load::Ledger;
use case::{CANARY, Case, Expect, HEADER_CANARY, PAGE_LOAD, Request, beacon, on_page};

/// Addresses that the trusted proxy names as clients'. Nothing may keep them.
const CLIENTS: [&str; 2] = ["203.0.113.77", "2001:db8:77:7777::7777"];
/// A user agent that is on no list. Nothing may keep it unchanged.
const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0 zqxagent/7.31";
/// First page loads of good and bad beacons. All have 13 digits, so that bodies have the declared sizes.
const GOOD: u64 = 15_000_000_000_000_000_000;
const BAD: u64 = 16_000_000_000_000_000_000;
const CATCH_UP: Duration = Duration::from_secs(120);

#[test]
fn every_bad_request_gets_the_documented_answer_and_the_next_good_event_is_stored() {
    let mut cases = bodies::cases();
    cases.extend(texts::cases());
    cases.extend(wire::cases());
    println!("{} bad requests", cases.len());
    assert!(cases.len() >= 200);

    let mut collector = Collector::new("[spool]\nseal_after = \"500ms\"\n");
    collector.start();
    let mut good = Ledger::default();
    let mut stored = Ledger::default();
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let page_load = BAD + index as u64;
        let answer = send(&collector, case, page_load, index);
        if let Err(what) = check_answer(case, answer.as_ref()) {
            wrong.push(format!("{}: {what}", case.name));
        } else if matches!(case.expect, Expect::Stored | Expect::FieldLeftOut(_) | Expect::FirstStored(_)) {
            stored.note(page_load, 0, 1).expect("the ledger can be written");
        }
        let page_load = GOOD + index as u64;
        let answer = post(&collector, "", good_beacon("clinic", page_load, 0, "/good").as_bytes(), index);
        assert!(
            answer.as_ref().is_some_and(|answer| answer.status == 204),
            "after {:?}: {answer:?}",
            case.name
        );
        good.note(page_load, 0, 1).expect("the ledger can be written");
    }
    assert!(wrong.is_empty(), "{} of {} answers are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));

    collector.wait_for_events((good.len() + stored.len()) as u64, CATCH_UP);
    let (all, key) = (collector.store.events(), collector.key());
    let ids = |page_load, number| key.event_ids("clinic", page_load, number);
    for ledger in [good, stored] {
        let difference = ledger.compare(all.iter().copied(), ids);
        assert!(difference.missing.is_empty() && difference.twice.is_empty(), "{difference:?}");
    }
    nothing_broke_a_row(&collector, &cases);
    nothing_kept_an_address_or_a_user_agent(&collector);
}

#[test]
fn a_stranger_cannot_speak_for_a_client_and_a_trusted_proxy_can() {
    let mut trusting = Collector::new("");
    let mut strict = Collector::new("trusted_proxies = []\n");
    for (collector, distinct) in [(&mut trusting, 2), (&mut strict, 1)] {
        collector.start();
        for (index, client) in ["198.51.100.1", "198.51.100.2"].iter().enumerate() {
            let headers = format!("X-Forwarded-For: {client}\r\nForwarded: for={client}\r\n");
            let body = good_beacon("clinic", GOOD + index as u64, 0, "/good");
            let answer = http::post(collector.listen, "/b", &headers, body.as_bytes()).expect("it answers");
            assert_eq!(answer.status, 204, "{}", answer.text());
        }
        collector.wait_for_events(2, CATCH_UP);
        assert_eq!(collector.store.number("SELECT uniqExact(address) FROM events"), distinct);
    }
}

/// Sends a case like a browser behind a trusted proxy, or its bytes unchanged.
fn send(collector: &Collector, case: &Case, page_load: u64, index: usize) -> Option<HttpResponse> {
    let id = page_load_id(page_load);
    match &case.request {
        Request::Body(body) => post(collector, "", &replace(body, &id), index),
        Request::Headers(headers) => {
            let body = beacon(&on_page(r#""k":"view""#)).replace(PAGE_LOAD, &id);
            post(collector, headers, body.as_bytes(), index)
        }
        Request::Raw(bytes) => {
            let mut connection = HttpConnection::connect(collector.listen).expect("the collector listens");
            // The collector may close early. Its answer can still be read.
            let _ = connection.send(&replace(bytes, &id));
            let _ = connection.shutdown_write();
            connection.answer().ok()
        }
    }
}

/// `POST /b` with a browser's headers, except those that `headers` sets.
fn post(collector: &Collector, headers: &str, body: &[u8], index: usize) -> Option<HttpResponse> {
    let mut text = headers.to_owned();
    let lower = headers.to_ascii_lowercase();
    let client = CLIENTS[index % CLIENTS.len()];
    for (name, value) in [
        ("Content-Type", "text/plain;charset=UTF-8"),
        ("User-Agent", USER_AGENT),
        ("Origin", "https://clinic.example"),
        ("X-Forwarded-For", client),
    ] {
        let said =
            lower.split("\r\n").any(|line| line.starts_with(&format!("{}:", name.to_ascii_lowercase())));
        if !said {
            text += &format!("{name}: {value}\r\n");
        }
    }
    http::post(collector.listen, "/b", &text, body).ok()
}

/// Checks that the answer is the documented one and repeats nothing.
fn check_answer(case: &Case, answer: Option<&HttpResponse>) -> Result<(), String> {
    let Some(answer) = answer else {
        let closed_well = matches!(case.expect, Expect::NotHttp);
        return if closed_well { Ok(()) } else { Err(format!("no answer, expected {:?}", case.expect)) };
    };
    let text = String::from_utf8_lossy(&answer.raw).to_ascii_lowercase();
    for word in [CANARY, HEADER_CANARY, "zqxagent", "<script", "drop table", "etc/passwd", "evil.example"] {
        if text.contains(word) {
            return Err(format!("the answer repeats {word:?}: {text}"));
        }
    }
    if CLIENTS.iter().any(|client| text.contains(client)) {
        return Err(format!("the answer holds the client's address: {text}"));
    }
    let dropped = answer.header("x-footfall-dropped");
    let names = |place: &str| {
        let left_out = answer.header("x-footfall-left-out").unwrap_or_default();
        left_out.strip_prefix(place).is_some_and(|rest| rest.starts_with(' '))
    };
    let is_dropped = |reason: &str| {
        answer.status == 204 && dropped.is_some_and(|reasons| reasons.split(',').any(|one| one == reason))
    };
    let at = |place: &str| {
        answer.status == 400 && answer.json()["at"] == place && answer.json()["error"].is_string()
    };
    let right = match &case.expect {
        Expect::Stored => answer.status == 204 && dropped.is_none(),
        Expect::Dropped => is_dropped("optout=1"),
        Expect::EventLeftOut(place) => is_dropped("malformed=1") && names(place),
        Expect::FieldLeftOut(place) => answer.status == 204 && dropped.is_none() && names(place),
        Expect::FirstStored(reason) => is_dropped(reason),
        Expect::At(place) => at(place),
        Expect::Status(status) => answer.status == *status,
        Expect::OneOf(statuses) => statuses.contains(&answer.status),
        Expect::NotHttp => answer.status == 400 || answer.status == 408 || answer.status == 505,
    };
    if right {
        Ok(())
    } else {
        Err(format!("expected {:?}, got {} {}", case.expect, answer.status, answer.text().trim()))
    }
}

/// Hostile texts must be whole values, in their own columns.
fn nothing_broke_a_row(collector: &Collector, cases: &[Case]) {
    let (store, key) = (&collector.store, collector.key());
    for (what, text) in &texts::TEXTS[..2] {
        for (place, column) in
            [("the name of an event", "name"), ("a property", "props['p']"), ("a campaign", "ad")]
        {
            let name = format!("{what} as {place}");
            let index = cases.iter().position(|case| case.name == name).expect("the case is in the table");
            let sql = format!(
                "SELECT {column} AS value FROM events WHERE page_load = {}",
                key.page_load("clinic", BAD + index as u64)
            );
            let rows = store.objects(&sql);
            assert_eq!(rows, [serde_json::json!({ "value": text })], "{name}");
        }
    }
    for (what, sql) in [
        ("a row of another site", "site != 'clinic'"),
        ("a row of a foreign host", "host != 'clinic.example'"),
        (
            "a row out of time",
            "time > now() + 60 OR time < now() - INTERVAL 25 HOUR OR received < now() - 3600",
        ),
        (
            "a text longer than its field",
            "length(name) > 512 OR length(error_message) > 512 OR length(error_stack) > 2048",
        ),
        ("a number out of range", "scroll_depth > 100 OR ip_version NOT IN (4, 6)"),
        (
            "a language or zone that is none",
            "match(language, '[^A-Za-z0-9-]') OR match(timezone, '[^A-Za-z0-9/_+-]')",
        ),
        ("a fragment or user info", "path LIKE '%#%' OR host LIKE '%@%' OR path LIKE '%zqxcanary@%'"),
        (
            "text that is not UTF-8",
            "NOT isValidUTF8(concat(name, path, query, error_message, referrer_host, referrer_path))",
        ),
    ] {
        assert_eq!(store.number(&format!("SELECT count() FROM events WHERE {sql}")), 0, "{what}");
    }
}

/// Searches the files of the collector's directory, log lines, metrics and rows.
fn nothing_kept_an_address_or_a_user_agent(collector: &Collector) {
    let v6: std::net::Ipv6Addr = CLIENTS[1].parse().expect("an address");
    let forbidden: Vec<Vec<u8>> = CLIENTS
        .iter()
        .map(|client| client.as_bytes().to_vec())
        .chain([v6.octets().to_vec(), USER_AGENT.into(), "zqxagent".into(), HEADER_CANARY.into()])
        .collect();
    let search = |place: &str, bytes: &[u8]| {
        for word in &forbidden {
            let found = memchr::memmem::find(bytes, word).is_some();
            assert!(!found, "{place} holds {}", String::from_utf8_lossy(word));
        }
    };
    search("a metric", collector.metrics().as_bytes());
    search("the log", collector.log().as_bytes());
    for (place, text) in [("a metric", collector.metrics()), ("the log", collector.log())] {
        assert!(!text.contains(CANARY), "{place} repeats what was sent");
    }
    // The store's files are compressed, so its rows are searched through queries.
    search("a row", &collector.store.query("SELECT * FROM events FORMAT TSVRaw").expect("the store answers"));
    let mut files = 0;
    for_each_file(&collector.data(), &mut |file| {
        // A segment or a part may be deleted while the directory is walked.
        if let Ok(bytes) = std::fs::read(file) {
            files += 1;
            search(&file.display().to_string(), &bytes);
        }
    });
    assert!(files > 0, "there is nothing under {}", collector.data().display());
}

fn for_each_file(directory: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => for_each_file(&entry.path(), visit),
            Ok(kind) if kind.is_file() => visit(&entry.path()),
            _ => {}
        }
    }
}

/// `bytes` with the placeholder of the page load's id replaced by `id`.
fn replace(bytes: &[u8], id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + id.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, PAGE_LOAD.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(id.as_bytes());
        rest = &rest[at + PAGE_LOAD.len()..];
    }
    out.extend_from_slice(rest);
    out
}
