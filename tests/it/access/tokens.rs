//! Tokens: what each role sees, that a site's bounds hold, that revoking works at once, and that nothing is given away.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

use super::{add, bearer, beyond_loopback, get, get_as, wait_for};
use crate::common::{Collector, good_beacon, http};

const TWO_SITES: &str = "[access]\nloopback_tokens = true\n\
    [[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n\
    [[site]]\nid = \"library\"\nhosts = [\"library.example\"]\n";

fn names(answer: &crate::common::HttpResponse) -> Vec<String> {
    let list = answer.json();
    list["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| report["purpose"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_role_sees_what_it_is_for_and_nothing_else() {
    let mut collector = Collector::new(TWO_SITES);
    let [analyst, viewer, sre, privacy, sender] = ["analyst", "viewer", "sre", "privacy", "sender"]
        .map(|role| add(&collector, &[role, "--role", role]));
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, Duration::from_secs(60));
    let (reports, admin) = (collector.reports, collector.admin);
    let paths = [
        (reports, "/api/reports/pages?site=clinic&from=2d"),
        (reports, "/api/reports/errors?site=clinic&from=2d"),
        (reports, "/api/audit"),
        (admin, "/metrics"),
    ];
    for (token, expected) in [
        (&analyst, [200, 403, 403, 403]),
        (&viewer, [200, 403, 403, 403]),
        // Of the audience an SRE reads published figures.
        (&sre, [200, 200, 403, 200]),
        (&privacy, [403, 403, 200, 403]),
        (&sender, [403, 403, 403, 403]),
    ] {
        let found = paths.map(|(listener, path)| get_as(listener, path, token).status);
        assert_eq!(found, expected);
    }
    for (listener, path) in paths {
        let answer = get(listener, path, "");
        assert_eq!(answer.status, 401, "{path}");
        let ways: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "www-authenticate")
            .map(|(_, way)| way.as_str())
            .collect();
        assert_eq!(ways, ["Basic realm=\"Footfall\", charset=\"UTF-8\"", "Bearer realm=\"Footfall\""]);
    }
    assert!(names(&get_as(reports, "/api/reports", &analyst)).iter().all(|purpose| purpose == "audience"));
    assert!(names(&get_as(reports, "/api/reports", &viewer)).iter().all(|purpose| purpose == "audience"));
    assert!(names(&get_as(reports, "/api/reports", &sre)).iter().any(|purpose| purpose == "diagnostics"));
    let figures = |path: &str, token: &str| get_as(reports, path, token).json()["figures"].clone();
    for (path, token, kind) in [
        (paths[0].1, &analyst, "exact"),
        (paths[0].1, &viewer, "published"),
        (paths[0].1, &sre, "published"),
        (paths[1].1, &sre, "exact"),
    ] {
        assert_eq!(figures(path, token), kind, "{path}");
    }
    assert_eq!(names(&get_as(reports, "/api/reports", &sender)), Vec::<String>::new());
    let page = get_as(reports, "/", &analyst).text();
    assert!(page.contains("href=\"/sites/") && !page.contains("/diagnostics"), "{page}");
    // A browser sends the token as a password, under any name.
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("anna:{analyst}"));
    assert_eq!(get(reports, "/", &format!("Authorization: Basic {basic}\r\n")).status, 200);
    // Never in the address.
    for parameter in ["token", "access_token", "password", "key"] {
        assert_eq!(get(reports, &format!("/?{parameter}={analyst}"), "").status, 401);
    }
    // Balancers have no token; what is wrong with the collector is not for them.
    assert_eq!(get(admin, "/healthz", "").status, 200);
    let ready = get(admin, "/readyz", "");
    assert_eq!((ready.status, ready.text().trim()), (200, "{\"ready\":true}"));
    assert!(get_as(admin, "/readyz", &sre).json()["checks"]["spool"].is_object());
    assert!(get_as(admin, "/readyz", &analyst).json()["checks"].is_null());
    assert!(!collector.log().contains(&analyst[3..]), "a token is in the log");
}

#[test]
fn a_token_that_is_kept_to_sites_sees_and_names_no_other() {
    let mut collector = Collector::new(TWO_SITES);
    let clinic = add(&collector, &["c", "--role", "analyst", "--site", "clinic"]);
    let both = add(&collector, &["b", "--role", "analyst", "--site", "clinic", "--site", "library"]);
    let sre = add(&collector, &["s", "--role", "sre", "--site", "clinic"]);
    let officer = add(&collector, &["p", "--role", "privacy", "--site", "clinic"]);
    collector.start();
    let library = good_beacon("library", 1, 0, "/a").replace("clinic.example", "library.example");
    let headers = "Origin: https://library.example\r\nContent-Type: text/plain\r\nUser-Agent: Mozilla/5.0 Firefox/145.0\r\n";
    assert_eq!(http::post(collector.listen, "/b", headers, library.as_bytes()).unwrap().status, 204);
    collector.wait_for_events(1, Duration::from_secs(60));
    let ask = |token: &str, query: &str| {
        get_as(collector.reports, &format!("/api/reports/overview?{query}"), token)
    };
    assert_eq!(ask(&clinic, "site=library&from=2d").status, 403);
    assert_eq!(ask(&clinic, "site=clinic&site=library&from=2d").status, 403);
    assert_eq!(ask(&clinic, "site=library&site=clinic&from=2d").json()["site"], "clinic");
    assert_eq!(ask(&both, "site=library&from=2d").status, 200);
    assert_eq!(ask(&both, "from=2d").status, 400, "which of the two?");
    // Its own site goes without saying, and an empty answer names no other site.
    let answer = ask(&clinic, "from=2d");
    assert_eq!((answer.status, &answer.json()["site"]), (200, &Value::from("clinic")));
    assert!(!answer.text().contains("library"), "{}", answer.text());
    for filter in ["site%3Dlibrary", "path%3D%2Fa%27%20OR%20site%3D%27library"] {
        let answer = ask(&clinic, &format!("from=2d&filter={filter}"));
        assert!(answer.status == 400 || answer.json()["rows"][0]["views"] != 1, "{}", answer.text());
    }
    assert_eq!(get_as(collector.admin, "/metrics", &sre).status, 403, "metrics are of all sites");
    assert_eq!(get_as(collector.reports, "/api/audit", &officer).status, 403, "so is the audit");
}

#[test]
fn a_token_is_added_revoked_and_expires_while_the_collector_runs() {
    let mut collector = Collector::new(TWO_SITES);
    collector.start();
    let officer = add(&collector, &["officer", "--role", "privacy"]);
    let anna = add(&collector, &["anna", "--role", "analyst"]);
    let brief = add(&collector, &["brief", "--role", "analyst", "--expires", "3s"]);
    wait_for(&collector, "/", &brief, 200);
    wait_for(&collector, "/", &brief, 401);
    assert_eq!(get_as(collector.reports, "/", &anna).status, 200);
    let revoked = collector.command(&["token", "revoke", "anna"]);
    assert!(revoked.status.success(), "{revoked:?}");
    wait_for(&collector, "/", &anna, 401);
    assert_eq!(collector.command(&["token", "revoke", "anna"]).status.code(), Some(1));
    // What was done is in the audit.
    crate::common::eventually("the audit tells", Duration::from_secs(60), || {
        let audit = get_as(collector.reports, "/api/audit", &officer).json();
        let told = |action: &str, name: &str| {
            audit["audit"].as_array().is_some_and(|entries| {
                entries.iter().any(|entry| entry["action"] == action && entry["detail"]["name"] == name)
            })
        };
        told("token added", "anna") && told("token revoked", "anna")
    });
    let list = collector.command(&["token", "list", "--format", "json"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let listed: Vec<_> = list["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["name"].as_str().unwrap(), token["expired"].as_bool().unwrap()))
        .collect();
    assert_eq!(listed, [("officer", false), ("brief", true)]);
}

#[test]
fn each_use_of_exact_figures_is_in_the_audit_and_none_of_published_ones() {
    let mut collector = Collector::new(TWO_SITES);
    let [analyst, viewer, officer] = [("anna", "analyst"), ("vera", "viewer"), ("olga", "privacy")]
        .map(|(name, role)| add(&collector, &[name, "--role", role]));
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, Duration::from_secs(60));
    let path = "/api/reports/pages?site=clinic&from=2d&filter=country%3DRU";
    for token in [&viewer, &analyst, &analyst] {
        assert_eq!(get_as(collector.reports, path, token).status, 200);
    }
    let several = "/api/reports?names=pages,sources&site=clinic&from=2d";
    assert_eq!(get_as(collector.reports, several, &analyst).status, 200);
    let uses = || {
        let audit = get_as(collector.reports, "/api/audit", &officer).json();
        let entries = audit["audit"].as_array().unwrap().clone();
        entries.into_iter().filter(|entry| entry["action"] == "exact figures read").collect::<Vec<_>>()
    };
    crate::common::eventually("the audit tells", Duration::from_secs(60), || uses().len() >= 2);
    let uses = uses();
    assert_eq!(uses.len(), 2, "the same request is recorded once: {uses:?}");
    assert!(uses.iter().all(|entry| entry["detail"]["by"] == "anna"), "{uses:?}");
    assert_eq!(uses[1]["detail"]["filters"], serde_json::json!(["country=RU"]));
    assert_eq!(uses[0]["detail"]["reports"], serde_json::json!(["pages", "sources"]));
}

#[test]
fn a_command_that_reads_exact_figures_is_in_the_audit_while_the_collector_runs_and_one_of_a_viewer_is_not() {
    let mut collector = Collector::new("");
    let officer = add(&collector, &["olga", "--role", "privacy"]);
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, Duration::from_secs(60));
    let report = |arguments: &[&str]| {
        let fixed = ["report", "overview", "--site", "clinic", "--from", "2d"];
        collector.command(&[&fixed, arguments].concat())
    };
    for arguments in
        [&["--viewer"][..], &["--filter", "path=/a"], &["--viewer", "--filter", "path=/a"], &["--sql"]]
    {
        assert!(report(arguments).status.success(), "{arguments:?}");
    }
    for (refused, reason) in [
        (&["--viewer", "--filter", "path=/a", "--filter", "country=RU"][..], "one filter at most"),
        (&["--viewer", "--filter", "path!=/a"], "a filter is COLUMN=VALUE"),
        (&["--viewer", "--bots"], "published figures are of people"),
    ] {
        let output = report(refused);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(reason), "{output:?}");
    }
    assert!(collector.command(&["query", "SELECT visitor FROM events"]).status.success());
    let uses = || {
        let audit = get_as(collector.reports, "/api/audit", &officer).json();
        let entries = audit["audit"].as_array().unwrap().clone();
        entries.into_iter().filter(|entry| entry["action"] == "exact figures read").collect::<Vec<_>>()
    };
    // The collector looks once a minute.
    crate::common::eventually("the audit tells", Duration::from_secs(120), || uses().len() >= 2);
    let uses = uses();
    assert_eq!(uses.len(), 2, "{uses:?}");
    assert!(uses.iter().all(|entry| entry["detail"]["by"] == "command line"), "{uses:?}");
    let is_told =
        |name: &str, value: &str| uses.iter().any(|entry| entry["detail"][name].to_string().contains(value));
    assert!(is_told("filters", "path=/a") && is_told("statement", "SELECT visitor FROM events"), "{uses:?}");
}

#[test]
fn the_file_holds_no_token_and_is_its_owner_s_alone() {
    let collector = Collector::new(TWO_SITES);
    let token = add(&collector, &["anna", "--role", "analyst"]);
    let file = collector.data().join("tokens.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&token[3..]) && text.contains("\"sha256\""), "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    for (arguments, code, what) in [
        (&["anna", "--role", "sre"][..], 1, "already"),
        (&["boris", "--role", "root"], 2, "analyst"),
        (&["boris", "--role", "sre", "--site", "nowhere"], 1, "no site"),
        (&["boris", "--role", "sre", "--expires", "soon"], 2, "90d"),
        (&["b o", "--role", "sre"], 1, "a token's name"),
    ] {
        let output = collector.command(&[&["token", "add"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(what) && output.stdout.is_empty(),
            "{output:?}"
        );
    }
}

#[test]
fn who_tries_tokens_is_slowed_down_and_keeps_nobody_out() {
    let mut collector = Collector::new(TWO_SITES);
    let good = add(&collector, &["anna", "--role", "analyst"]);
    collector.start();
    let wrong = format!("ff_{}", "A".repeat(43));
    let statuses: Vec<u16> = (0..14).map(|_| get_as(collector.reports, "/", &wrong).status).collect();
    assert_eq!(statuses[..10], [401; 10]);
    assert!(statuses[11..].iter().all(|status| *status == 429), "{statuses:?}");
    let slowed = get_as(collector.admin, "/metrics", &wrong);
    assert_eq!(slowed.status, 429, "one limit for all listeners");
    assert!(slowed.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(get_as(collector.reports, "/api/reports", &good).status, 200);
    // Others are not slowed down; an IPv6 /64 is one address, and so is IPv4 within IPv6.
    let from = |client: &str| {
        get(collector.reports, "/", &format!("X-Forwarded-For: {client}\r\n{}", bearer(&wrong))).status
    };
    let rotating: Vec<u16> = (0..14).map(|n| from(&format!("2001:db8:0:7::{n:x}"))).collect();
    assert_eq!((rotating[9], rotating[13]), (401, 429));
    assert_eq!(from("2001:db8:0:8::1"), 401);
    let mapped: Vec<u16> =
        (0..14).map(|n| from(if n % 2 == 0 { "203.0.113.9" } else { "::ffff:203.0.113.9" })).collect();
    assert_eq!((mapped[9], mapped[13]), (401, 429));
    let sre = add(&collector, &["sre", "--role", "sre"]);
    wait_for(&collector, "/", &sre, 200);
    let metrics = get_as(collector.admin, "/metrics", &sre).text();
    assert!(metrics.contains("footfall_auth_failures_total{reason=\"token\"}"), "{metrics}");
    assert!(metrics.contains("footfall_auth_failures_total{reason=\"attempts\"}"), "{metrics}");
    assert!(!metrics.contains("203.0.113") && !collector.log().contains("203.0.113"));
}

#[test]
fn beyond_loopback_nobody_passes_without_a_token_and_beacons_are_taken_all_the_same() {
    let Some(address) = beyond_loopback() else {
        println!("this machine has no address beyond loopback: nothing is tested");
        return;
    };
    let mut collector = Collector::new("");
    let file = collector.path("footfall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace(&format!("reports = \"{}\"", collector.reports), &format!("reports = \"{address}\"")),
    )
    .unwrap();
    collector.reports = address;
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    for path in ["/", "/api/reports", "/api/reports/pages?site=clinic", "/nowhere"] {
        assert_eq!(get(address, path, "").status, 401, "{path}");
    }
    // A header that a stranger makes up does not make the request a local one.
    for headers in
        ["X-Forwarded-For: 127.0.0.1\r\n", "Forwarded: for=127.0.0.1\r\n", "X-Real-IP: 127.0.0.1\r\n"]
    {
        assert_eq!(get(address, "/", headers).status, 401, "{headers}");
    }
    let log = collector.log();
    assert!(log.contains("this listener requires a token") && log.contains("token add"), "{log}");
    assert!(log.contains("without encryption"), "{log}");
    assert_eq!(get(collector.admin, "/metrics", "").status, 200, "loopback needs none");
    let token = add(&collector, &["anna", "--role", "analyst"]);
    wait_for(&collector, "/", &token, 200);
}

#[test]
fn a_token_for_a_directory_that_no_collector_uses_says_so() {
    let mut collector = Collector::new("");
    let output = collector.command(&["token", "add", "anna", "--role", "analyst"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("This is shown once: anna (analyst, all sites, until 2"),
        "{said}"
    );
    let data = collector.data();
    assert!(said.contains(&format!("No collector has used {} yet", data.display())), "{said}");
    collector.start();
    let output = collector.command(&["token", "add", "boris", "--role", "sre"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("No collector"), "{output:?}");
}

#[test]
fn reports_are_read_as_the_analyst_where_no_passwords_are_found() {
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    assert_eq!(collector.beacon(&crate::common::good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, std::time::Duration::from_secs(90));
    let elsewhere = tempfile::tempdir().unwrap();
    let settings = std::fs::read_to_string(collector.path("footfall.toml")).unwrap();
    let data = format!("data = {:?}", collector.data());
    assert!(settings.contains(&data), "{settings}");
    let file = elsewhere.path().join("footfall.toml");
    std::fs::write(&file, settings.replace(&data, "data = \"./nowhere\"")).unwrap();
    let run = |arguments: &[&str]| {
        let program = std::process::Command::new(env!("CARGO_BIN_EXE_footfall"))
            .arg("--config")
            .arg(&file)
            .args(arguments)
            .current_dir(elsewhere.path())
            .output();
        program.unwrap()
    };
    let answer = run(&["query", "SELECT count() FROM events"]);
    assert!(
        answer.status.success() && String::from_utf8_lossy(&answer.stdout).contains("│       1 │"),
        "{answer:?}"
    );
    // What writes needs the password, and says where it was looked for.
    let refused = String::from_utf8_lossy(&run(&["migrate"]).stderr).into_owned();
    assert!(refused.contains("there is no ") && refused.contains("/nowhere/store.passwords"), "{refused}");
}
