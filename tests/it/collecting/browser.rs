//! A client's user agent and hints through the whole collector, and in `footfall explain`.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Collector, good_beacon, http};

const PATIENCE: Duration = Duration::from_secs(60);
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0";
const OPERA_HINTS: &str = "Sec-CH-UA: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\", \"Opera\";v=\"121\"\r\n\
                           Sec-CH-UA-Platform: \"Windows\"\r\nSec-CH-UA-Mobile: ?0\r\n";

#[test]
fn what_a_client_says_of_itself_reaches_the_row() {
    let mut collector = Collector::new("");
    collector.start();
    let clients = [
        (CHROME, OPERA_HINTS, ["Opera", "121", "Blink", "Windows", "10", "desktop", "", "", "0"]),
        (FIREFOX, "", ["Firefox", "144", "Gecko", "Windows", "10", "desktop", "", "", "0"]),
        (FIREFOX, OPERA_HINTS, ["", "", "", "", "", "other", "", "", "1"]),
        ("curl/8.9.1", "", ["", "", "", "", "", "bot", "curl", "library", "0"]),
    ];
    for (seq, (user_agent, hints, _)) in (0..).zip(&clients) {
        let headers = format!("Origin: https://clinic.example\r\nUser-Agent: {user_agent}\r\n{hints}");
        let body = good_beacon("clinic", 7, seq, "/");
        let answer = http::post(collector.listen, "/b", &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    collector.wait_for_events(4, PATIENCE);
    let rows = collector.store.rows(
        "SELECT browser, browser_version, engine, os, os_version, device, bot, bot_category, toUInt8(spoofed)
         FROM events ORDER BY seq FORMAT TSV",
    );
    let expected: Vec<String> = clients.iter().map(|(_, _, columns)| columns.join("\t")).collect();
    // The browser of a bot is the one that it claims.
    let claimed = |row: &String| row.split('\t').skip(5).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows[..3], expected[..3]);
    assert_eq!(claimed(&rows[3]), claimed(&expected[3]));
}

fn explain(line: &Value) -> Value {
    let mut child = Command::new(env!("CARGO_BIN_EXE_footfall"))
        .arg("explain")
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn explain_says_which_rule_decided() {
    let told = explain(&json!({ "ua": format!("{CHROME} YaBrowser/25.10.0") }));
    assert_eq!((&told["browser"], &told["browser_version"]), (&json!("Yandex Browser"), &json!("25")));
    assert_eq!(told["rules"]["browser"], "browsers.tsv: yabrowser");
    let told =
        explain(&json!({ "ua": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)" }));
    assert_eq!((&told["bot"], &told["bot_category"]), (&json!("Googlebot"), &json!("search")));
    assert!(told["rules"]["bot"].as_str().unwrap().starts_with("isbot.txt: "), "{told}");
    let told = explain(&json!({ "ua": format!("{CHROME} GTmetrix") }));
    assert_eq!(told["rules"]["bot"], "bots.tsv: gtmetrix");
}

#[test]
fn explain_takes_hints_as_the_script_asks_for_them_and_as_headers() {
    let script = json!({
        "brands": [{ "brand": "Chromium", "version": "142" }, { "brand": "Brave", "version": "142" }],
        "mobile": false, "platform": "Windows", "platformVersion": "15.0.0",
    });
    let headers = json!({
        "Sec-CH-UA": "\"Chromium\";v=\"142\", \"Brave\";v=\"142\"",
        "Sec-CH-UA-Mobile": "?0", "Sec-CH-UA-Platform": "\"Windows\"", "Sec-CH-UA-Platform-Version": "\"15.0.0\"",
    });
    for hints in [script, headers] {
        let told = explain(&json!({ "ua": CHROME, "hints": hints }));
        assert_eq!((&told["browser"], &told["os_version"]), (&json!("Brave"), &json!("11")), "{told}");
        assert_eq!(told["rules"]["os"], "hints: platform version");
    }
}
