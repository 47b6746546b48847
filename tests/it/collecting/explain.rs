//! `footfall explain` says what the collector does: each request goes to both, and the answers and rows are compared.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Collector, http, page_load_id};

const PATIENCE: Duration = Duration::from_secs(60);
const SITES: &str = "[spool]\nseal_after = \"200ms\"\n[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\nquery = [\"utm_*\"]\n\
    [site.cookies]\nab = \"value\"\n\
    [[site]]\nid = \"drops\"\nhosts = [\"drops.example\"]\ndrop_bots = true\n";
const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
/// Columns that depend on the key, or on the time.
const CHANGING: [&str; 8] =
    ["page_load", "seq", "time", "received", "expires", "visitor", "address", "epoch"];

fn explain(collector: &Collector, input: &[u8], arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_footfall"))
        .args(["explain", "--config"])
        .arg(collector.path("footfall.toml"))
        .args(arguments)
        .current_dir(collector.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn explained(collector: &Collector, input: &[u8]) -> Value {
    let output = explain(collector, input, &["--format", "json", "-"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A request of a page. `headers` end with a line end each.
fn request(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /b HTTP/1.1\r\nHost: stats.example\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn beacon(site: &str, events: &str) -> String {
    let page_load = page_load_id(fastrand::u64(1 << 60..));
    format!(
        r#"{{"v":1,"s":"{site}","l":"{page_load}","o":3,"w":1536,"g":"ru","z":"Europe/Moscow","ck":{{"ab":"B","x":"y"}},"e":[{events}]}}"#
    )
}

fn headers(origin: &str, more: &str) -> String {
    format!(
        "Origin: https://{origin}\r\nUser-Agent: {BROWSER}\r\nContent-Type: text/plain\r\nX-Forwarded-For: 203.0.113.9\r\n{more}"
    )
}

const EVENTS: &str = r#"{"k":"view","u":"https://clinic.example/%D0%B2%D1%80%D0%B0%D1%87%D0%B8?utm_source=vk&token=t","r":"android-app://org.telegram.messenger/"},
    {"k":"event","n":"call","p":{"tel":"+7 916 123-45-67","n":0.3333333333333333,"list":[]}},
    {"k":"error","m":"cannot reach ivan@mail.ru","st":42},{"k":"nonsense"},{"k":"view","u":"https://evil.example/"},
    {"k":"leave","u":"https://clinic.example/a","ms":7,"sd":20}"#;

#[test]
fn what_it_says_is_what_the_collector_does_and_nothing_is_stored() {
    let mut collector = Collector::new(SITES);
    let crawler =
        "Origin: https://drops.example\r\nUser-Agent: Googlebot/2.1\r\nContent-Type: text/plain\r\n";
    let view = |host: &str| format!(r#"{{"k":"view","u":"https://{host}/"}}"#);
    let requests: Vec<(Vec<u8>, u16, &str)> = vec![
        (request(&headers("clinic.example", ""), &beacon("clinic", EVENTS)), 204, ""),
        (request(&headers("clinic.example", "Sec-GPC: 1\r\n"), &beacon("clinic", EVENTS)), 204, ""),
        (request(crawler, &beacon("drops", &view("drops.example"))), 204, ""),
        (request(&headers("evil.example", ""), &beacon("clinic", EVENTS)), 403, "foreign_origin"),
        (request(&headers("clinic.example", ""), &beacon("clinic", &view("evil.example"))), 403, "foreign_page"),
        (request(&headers("clinic.example", ""), &beacon("other", EVENTS)), 403, "unknown_site"),
        (request(&headers("clinic.example", ""), "{}"), 400, "malformed"),
        (request(&headers("clinic.example", "").replace("text/plain", "text/html"), "{}"), 415, "content_type"),
        (request(&headers("clinic.example", ""), &"x".repeat(70_000)), 413, "too_large"),
        (request(&headers("clinic.example", "Authorization: Bearer ff_x\r\n"), &beacon("clinic", EVENTS)), 401, "token"),
        (b"GET /b.gif?s=clinic&u=https://clinic.example/p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(), 200, ""),
        (b"GET /b.gif?s=clinic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(), 400, "malformed"),
        (b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(), 405, ""),
        (b"POST /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec(), 404, ""),
    ];
    let before: Vec<Value> = requests.iter().map(|(request, ..)| explained(&collector, request)).collect();
    assert!(!collector.data().exists(), "explaining stores nothing");
    collector.start();
    let mut expected = Vec::new();
    for ((request, status, reason), told) in requests.iter().zip(&before) {
        let shown = String::from_utf8_lossy(request).chars().take(300).collect::<String>();
        let answer = http::exchange(collector.listen, request).unwrap();
        assert_eq!(
            (answer.status, &told["answer"]["status"]),
            (*status, &json!(status)),
            "{shown}\n{told:#}"
        );
        assert_eq!(told["answer"]["reason"].as_str().unwrap_or_default(), *reason, "{told:#}");
        let dropped = answer.header("x-footfall-dropped").unwrap_or_default();
        let told_dropped = told["answer"]["dropped"].as_object().unwrap();
        for pair in dropped.split(',').filter(|pair| !pair.is_empty() && !pair.ends_with("=0")) {
            let (reason, events) = pair.split_once('=').unwrap();
            assert_eq!(told_dropped[reason].to_string(), events, "{told:#}");
        }
        assert_eq!(dropped.is_empty(), told_dropped.is_empty(), "{dropped} {told:#}");
        for event in told["events"].as_array().unwrap().iter().filter(|event| event["dropped"].is_null()) {
            expected.push(event["columns"].clone());
        }
    }
    collector.wait_for_events(expected.len() as u64, PATIENCE);
    let columns: Vec<&str> =
        footfall::event::COLUMNS.iter().copied().filter(|name| !CHANGING.contains(name)).collect();
    let sql = format!(
        "SELECT {} FROM events SETTINGS output_format_json_quote_64bit_integers = 0",
        columns.join(", ")
    );
    let mut stored = collector.store.objects(&sql);
    let mut expected: Vec<Value> = expected
        .into_iter()
        .map(|row| {
            columns
                .iter()
                .map(|name| ((*name).to_owned(), row[name].clone()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        })
        .collect();
    for rows in [&mut stored, &mut expected] {
        rows.sort_by_key(|row| (row["kind"].to_string(), row["path"].to_string()));
    }
    assert_eq!(stored, expected);
}

#[test]
fn it_goes_on_after_a_bad_line_and_knows_the_site() {
    let collector = Collector::new(SITES);
    let lines = "{\"ua\":\"x\"\n{\"contry\":1}\n{\"stack\":\"at f\",\"error\":\"boom\",\"ip\":\"nonsense\"}\n[]\n\
                 {\"error\":\"boom\",\"stack\":\"at f\",\"source\":\"https://clinic.example/a.js\"}\n\
                 {\"ad\":\"spring\",\"slot\":\"top\",\"action\":\"click\"}\n\
                 {\"event\":\"booking\",\"props\":{\"doctor\":\"Petrova\",\"n\":2},\"cookies\":{\"ab\":\"B\"}}\n\
                 {\"url\":\"https://drops.example/\",\"ua\":\"Googlebot/2.1\"}\n\
                 {\"url\":\"https://elsewhere.example/x\",\"vitals\":{\"lcp\":1200},\"headers\":{\"DNT\":\"1\"}}\n";
    let output = explain(&collector, lines.as_bytes(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("4 of 9 lines cannot be explained"));
    let told: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(told.len(), 9);
    for (line, error) in told[..4].iter().enumerate() {
        assert_eq!(error["line"], line + 1);
        assert!(error["error"].is_string(), "{error}");
    }
    assert!(told[1]["error"].as_str().unwrap().contains("contry"), "{}", told[1]);
    assert_eq!(
        (&told[4]["kind"], &told[4]["host"], &told[4]["site"]),
        (&json!("error"), &json!("clinic.example"), &json!("clinic"))
    );
    assert_eq!(
        (&told[4]["error_stack"], &told[4]["error_source"]),
        (&json!("at f"), &json!("clinic.example/a.js"))
    );
    assert_eq!(
        (&told[5]["kind"], &told[5]["name"], &told[5]["ad"], &told[5]["slot"]),
        (&json!("ad"), &json!("click"), &json!("spring"), &json!("top"))
    );
    assert_eq!(
        (&told[6]["name"], &told[6]["props"], &told[6]["cookies"]),
        (&json!("booking"), &json!({"doctor":"Petrova","n":"2"}), &json!({"ab":"B"}))
    );
    assert_eq!(
        (&told[7]["bot"], &told[7]["site"], &told[7]["dropped"]),
        (&json!("Googlebot"), &json!("drops"), &json!("bot"))
    );
    assert_eq!((&told[8]["lcp_ms"], &told[8]["dropped"]), (&json!(1200), &json!("optout")));
}

#[test]
fn options_describe_a_beacon_and_curl_sends_it() {
    let mut collector = Collector::new(SITES);
    let arguments = [
        "--event",
        "booking",
        "--prop",
        "doctor=it's Petrova",
        "--cookie",
        "ab=B",
        "--ua",
        BROWSER,
        "--referrer",
        "https://yandex.ru/",
    ];
    let text = explain(&collector, b"", &arguments);
    assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for line in [
        "site       clinic, with pages on clinic.example",
        "consent    the visitor does not refuse",
        "source Yandex, channel Organic Search: by the referrer",
        "    props              {\"doctor\":\"it's Petrova\"}",
        "answer     204 1 event would be stored, none dropped",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let command = explain(&collector, b"", &[&arguments[..], &["--curl"]].concat());
    let command = String::from_utf8(command.stdout).unwrap();
    assert!(command.starts_with(&format!("curl -i 'http://{}/b'", collector.listen)), "{command}");
    // The printed command is read back, as one that a browser copied.
    let told = explained(&collector, command.as_bytes());
    assert_eq!(told["events"][0]["columns"]["props"]["doctor"], "it's Petrova");
    if Command::new("curl").arg("--version").output().is_ok() {
        collector.start();
        let sent = Command::new("sh").args(["-c", &command]).output().unwrap();
        assert!(String::from_utf8_lossy(&sent.stdout).starts_with("HTTP/1.1 204"), "{command}");
    }
}

#[test]
fn a_page_on_a_host_of_no_site_is_refused_as_the_collector_would() {
    let mut collector = Collector::new(SITES);
    let arguments = ["--url", "https://www.elsewhere.example/", "--ua", BROWSER];
    let text = explain(&collector, b"", &arguments);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("answer     403 refused (foreign_page)"), "{text}");
    collector.start();
    let command = explain(&collector, b"", &[&arguments[..], &["--curl"]].concat());
    let sent = Command::new("sh").args(["-c", &String::from_utf8(command.stdout).unwrap()]).output().unwrap();
    assert!(String::from_utf8_lossy(&sent.stdout).starts_with("HTTP/1.1 403"), "{sent:?}");
}

#[test]
fn a_beacon_that_says_how_many_events_were_withheld_is_explained_as_they_are_booked() {
    let collector = Collector::new(SITES);
    let told = explained(&collector, br#"{"v":1,"s":"clinic","l":"0","x":3,"e":[]}"#);
    assert_eq!(told["answer"]["dropped"]["optout"], 3, "{told:#}");
}

#[test]
fn a_command_for_curl_names_the_client_where_a_proxy_on_this_machine_may() {
    let trusting = Collector::new(&format!("trusted_proxies = [\"127.0.0.1\"]\n{SITES}"));
    let arguments = ["--ip", "203.0.113.9", "--ua", BROWSER, "--curl"];
    let command = explain(&trusting, b"", &arguments);
    assert!(
        String::from_utf8_lossy(&command.stdout).contains("-H 'x-forwarded-for: 203.0.113.9'"),
        "{command:?}"
    );
    let command =
        explain(&Collector::new(&format!("trusted_proxies = [\"10.0.0.1\"]\n{SITES}")), b"", &arguments);
    assert!(!String::from_utf8_lossy(&command.stdout).contains("x-forwarded-for"), "{command:?}");
    assert!(String::from_utf8_lossy(&command.stderr).contains("not from 203.0.113.9"), "{command:?}");
}

#[test]
fn output_that_nobody_reads_on_ends_a_command_quietly() {
    let collector = Collector::new(SITES);
    let lines = "{\"ua\":\"x\"}\n".repeat(2_000);
    for arguments in [
        &["config", "check"][..],
        &["explain"],
        &["report"],
        &["token", "list"],
        &["spool", "status"],
        &["key", "status"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = Command::new(env!("CARGO_BIN_EXE_footfall"))
            .args(arguments)
            .env("FOOTFALL_CONFIG", collector.path("footfall.toml"))
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!told.contains("pipe") && !told.contains("panicked"), "{arguments:?}: {told}");
    }
}

#[test]
fn a_command_without_a_store_says_where_it_looked_and_what_to_do() {
    let collector = Collector::new(SITES);
    let listen = collector.store.listen.to_string();
    for arguments in
        [&["report", "overview", "--site", "clinic"][..], &["query", "SELECT 1"], &["migrate"], &["verify"]]
    {
        let output = collector.command(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(
            told.contains(&listen) && told.contains("`store.listen`") && told.contains("footfall serve"),
            "{arguments:?}: {told}"
        );
    }
}
