//! Requests of visitors: found, blocked, unblocked, exported and erased, with rows in reports, in quarantine and in the spool; under load, with
//! the store down, and over crashes. `verify` accounts for every event throughout.

mod interruptions;
mod requests;

use std::time::Duration;

use serde_json::Value;

use crate::common::{Collector, HttpResponse, eventually, good_beacon, http};

const PATIENCE: Duration = Duration::from_secs(120);
const ANNA: (&str, &str) =
    ("192.0.2.77", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0");
const BORIS: (&str, &str) =
    ("198.51.100.9", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0");

fn post(
    collector: &Collector,
    (address, user_agent): (&str, &str),
    body: &str,
) -> std::io::Result<HttpResponse> {
    let headers = format!(
        "Origin: https://clinic.example\r\nContent-Type: text/plain;charset=UTF-8\r\nX-Forwarded-For: {address}\r\nUser-Agent: {user_agent}\r\n"
    );
    http::post(collector.listen, "/b", &headers, body.as_bytes())
}

#[track_caller]
fn visit(collector: &Collector, who: (&str, &str), page_load: u64, path: &str) -> HttpResponse {
    let answer =
        post(collector, who, &good_beacon("clinic", page_load, 0, path)).expect("the collector answers");
    assert_eq!(answer.status, 204, "{}", answer.text());
    answer
}

#[track_caller]
fn run(collector: &Collector, arguments: &[&str]) -> Value {
    let output = collector.command(arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

fn refused(collector: &Collector, arguments: &[&str]) -> String {
    let output = collector.command(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `footfall subject ACTION` of a visitor.
#[track_caller]
fn subject(collector: &Collector, action: &str, (address, user_agent): (&str, &str), more: &[&str]) -> Value {
    let mut arguments =
        vec!["subject", action, "--site", "clinic", "--address", address, "--user-agent", user_agent];
    arguments.extend(["--format", "json"]);
    if action != "find" {
        arguments.extend(["--ground", "letter 17 of 2 November"]);
    }
    arguments.extend(["--operator", "Olga"]);
    arguments.extend(more);
    run(collector, &arguments)
}

#[track_caller]
fn assert_verified(collector: &Collector) -> Value {
    let verified = run(collector, &["verify", "--format", "json"]);
    assert_eq!(verified["reconciled"], true, "{verified:#}");
    verified
}

fn audit(collector: &Collector, action: &str) -> Vec<Value> {
    let rows =
        collector.store.rows(&format!("SELECT detail FROM audit WHERE action = '{action}' ORDER BY time"));
    rows.iter().map(|row| serde_json::from_str(&row.replace("\\'", "'")).expect("JSON")).collect()
}

/// Views in the report of pages, and events that analysts can read.
fn views(collector: &Collector) -> (u64, u64) {
    let report = run(collector, &["report", "pages", "--site", "clinic", "--format", "json"]);
    let rows = report["rows"].as_array().unwrap();
    let views = rows.iter().map(|row| row["views"].as_u64().unwrap()).sum();
    (views, collector.stored_events().unwrap())
}

/// Whether any file below the data directory has the text.
fn has_text(directory: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(directory).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => has_text(&path, text),
            false => std::fs::read(&path)
                .is_ok_and(|bytes| memchr::memmem::find(&bytes, text.as_bytes()).is_some()),
        }
    })
}
