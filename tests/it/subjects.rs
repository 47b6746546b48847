//! Requests of visitors: found, blocked, unblocked, exported and erased, with rows in reports, in quarantine and in the spool; under load, with
//! the store down, and over crashes. `verify` accounts for every event throughout.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::common::{Collector, HttpResponse, SetOnDrop, StoreProcess, eventually, good_beacon, http};

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

#[test]
fn a_visitor_is_found_blocked_unblocked_and_erased_and_every_event_is_accounted_for() {
    let mut collector = Collector::new("[spool]\nseal_after = \"1s\"\n");
    collector.start();
    for page in 0..3 {
        visit(&collector, ANNA, 10 + page, "/booking");
        visit(&collector, BORIS, 20 + page, "/prices");
    }
    collector.wait_for_events(6, PATIENCE);
    collector.store.query("ALTER TABLE events ADD CONSTRAINT no_poison CHECK path != '/poison'").unwrap();
    visit(&collector, ANNA, 13, "/poison");
    visit(&collector, BORIS, 23, "/poison");
    let quarantined = |collector: &Collector| {
        run(collector, &["spool", "list", "--format", "json"])["quarantined"].as_array().unwrap().len()
    };
    eventually("two segments are quarantined", PATIENCE, || quarantined(&collector) == 2);

    // Another user of the machine reaches the listener, and learns nothing.
    for secret in ["", "X-Footfall-Local-Secret: fs_guess\r\n"] {
        let headers = format!("Content-Type: application/json\r\n{secret}");
        let answer = http::post(collector.admin, "/subjects/find", &headers, b"{}").unwrap();
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    let found = subject(&collector, "find", ANNA, &[]);
    assert_eq!((&found["events"], &found["quarantined_events"]), (&3.into(), &1.into()), "{found:#}");
    assert_eq!(views(&collector), (6, 6));

    // Blocked: out of every report at once, and nothing new is stored.
    let blocked = subject(&collector, "block", ANNA, &[]);
    assert_eq!((&blocked["state"], &blocked["events"]), (&"in force".into(), &3.into()), "{blocked:#}");
    assert_eq!(views(&collector), (3, 3));
    let visits = "SELECT count() FROM visits WHERE site = 'clinic' AND day >= today() - 1";
    assert_eq!(collector.store.number(visits), 1);
    let dropped = visit(&collector, ANNA, 14, "/again");
    let reasons = dropped.header("x-footfall-dropped").unwrap_or_default().to_owned();
    assert!(reasons.contains("blocked=1"), "{reasons}");
    visit(&collector, BORIS, 24, "/again");
    collector.wait_for_events(4, PATIENCE);
    assert_verified(&collector);
    assert_eq!(
        subject(&collector, "block", ANNA, &[])["request"],
        blocked["request"],
        "it is blocked already"
    );

    // A blocked event that is lost would be missed.
    let change = |sql: &str| collector.store.query(sql).map(drop).unwrap();
    let one = "page_load IN (SELECT max(page_load) FROM blocked_events)";
    change("CREATE TABLE kept ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM blocked_events LIMIT 0");
    change(&format!("INSERT INTO kept SELECT * FROM blocked_events WHERE {one}"));
    change(&format!("ALTER TABLE blocked_events DELETE WHERE {one} SETTINGS mutations_sync = 1"));
    let missing = collector.command(&["verify"]);
    assert_eq!(missing.status.code(), Some(4), "{missing:?}");
    change("INSERT INTO blocked_events SELECT * FROM kept");
    assert_verified(&collector);

    // A block survives a crash.
    collector.kill();
    collector.start();
    let dropped = visit(&collector, ANNA, 15, "/again");
    assert!(dropped.header("x-footfall-dropped").is_some_and(|reasons| reasons.contains("blocked=1")));
    eventually("the store is back", PATIENCE, || collector.store_answers());

    // Unblocked: as it was.
    let unblocked = subject(&collector, "unblock", ANNA, &[]);
    assert_eq!((&unblocked["state"], &unblocked["events"]), (&"done".into(), &3.into()), "{unblocked:#}");
    assert_eq!(views(&collector), (7, 7));
    assert_eq!(collector.store.number("SELECT count() FROM removed_events FINAL"), 0);
    visit(&collector, ANNA, 16, "/thanks");
    collector.wait_for_events(8, PATIENCE);
    assert_verified(&collector);
    assert!(
        refused(
            &collector,
            &[
                "subject",
                "unblock",
                "--ground",
                "x",
                "--site",
                "clinic",
                "--address",
                ANNA.0,
                "--user-agent",
                ANNA.1
            ]
        )
        .contains("not blocked")
    );

    // Blocked again and erased by the number of the request.
    let blocked = subject(&collector, "block", ANNA, &[]);
    let id = blocked["request"].as_str().unwrap();
    let visitor = subject(&collector, "find", ANNA, &[])["scope"]["visitor"].as_str().unwrap().to_owned();
    let erased = run(
        &collector,
        &[
            "subject",
            "erase",
            "--request",
            id,
            "--ground",
            "letter 18",
            "--operator",
            "Olga",
            "--format",
            "json",
        ],
    );
    assert_eq!(
        (&erased["state"], &erased["events"], &erased["quarantined_events"]),
        (&"done".into(), &4.into(), &1.into()),
        "{erased:#}"
    );
    for place in ["events", "blocked_events", "visits", "waiting_events", "quarantined_events"] {
        assert_eq!(erased["search"][place], 0, "{erased:#}");
    }
    assert_eq!(views(&collector), (4, 4));
    for table in ["events", "visits_stored", "blocked_events"] {
        assert_eq!(
            collector.store.number(&format!("SELECT count() FROM {table} WHERE visitor = {visitor}")),
            0,
            "{table}"
        );
    }
    assert_eq!(quarantined(&collector), 1, "Boris's event stays");
    let verified = assert_verified(&collector);
    let day = &verified["days"][0];
    assert_eq!(
        (&day["stored"], &day["removed"], &day["quarantined"], &day["discarded"], &day["dropped"]["blocked"]),
        (&4.into(), &4.into(), &1.into(), &1.into(), &2.into()),
        "{verified:#}"
    );

    // What stays of it names nobody.
    eventually("the audit is shipped", PATIENCE, || !audit(&collector, "subject erased").is_empty());
    let rows = audit(&collector, "subject erased");
    assert_eq!(
        (&rows[0]["ground"], &rows[0]["operator"], &rows[0]["site"], &rows[0]["events"]),
        (&"letter 18".into(), &"Olga".into(), &"clinic".into(), &4.into())
    );
    assert_eq!(audit(&collector, "subject blocked").len(), 2);
    assert_eq!(audit(&collector, "subject unblocked").len(), 1);
    let all = collector.store.rows("SELECT detail FROM audit").concat();
    let listed = run(&collector, &["subject", "list", "--format", "json"]).to_string();
    for text in [ANNA.0, "Firefox/145", &visitor] {
        assert!(!all.contains(text) && !listed.contains(text), "{text}");
        assert!(!collector.log().contains(text), "{text}");
        let file = std::fs::read_to_string(collector.data().join("subjects.json")).unwrap();
        assert!(!file.contains(text), "{text}");
    }
    assert!(!has_text(&collector.data(), ANNA.0));
}

#[test]
fn cookies_and_pseudonyms_name_visitors_and_after_the_key_is_gone_only_requests_do() {
    let mut collector = Collector::new(
        "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\ncookies = { ab = \"value\", sid = \"hmac\", seen = \"presence\" }\n",
    );
    collector.start();
    let with_cookies = |page: u64, ab: &str, sid: &str| {
        let body = good_beacon("clinic", page, 0, "/a");
        body.replacen("\"e\":", &format!("\"ck\":[\"ab={ab}\",\"sid={sid}\"],\"e\":"), 1)
    };
    for (page, who, ab, sid) in [(1, ANNA, "A", "s-1"), (2, ANNA, "A", "s-1"), (3, BORIS, "B", "s-2")] {
        let answer = post(&collector, who, &with_cookies(page, ab, sid)).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    collector.wait_for_events(3, PATIENCE);
    let by = |action: &str, more: &[&str]| {
        let ground: &[&str] = if action == "find" { &[] } else { &["--ground", "article 6", "--wait", "60"] };
        run(
            &collector,
            &[&["subject", action, "--site", "clinic", "--format", "json"], ground, more].concat(),
        )
    };
    let anna = by("find", &["--cookie", "sid=s-1"]);
    assert_eq!(anna["events"], 2, "{anna:#}");
    let visitor = anna["visitors"][0]["visitor"].as_str().unwrap().to_owned();
    assert_eq!(by("find", &["--visitor", &visitor])["events"], 2);
    assert_eq!(by("find", &["--cookie", "ab=B"])["events"], 1);
    let cannot = refused(&collector, &["subject", "find", "--site", "clinic", "--cookie", "seen=1"]);
    assert!(cannot.contains("does not keep this cookie's value"), "{cannot}");
    // Every event without the cookie reads as one with an empty value, and what is scrubbed is the same for many.
    for (cookie, why) in [
        ("ab=", "without a value"),
        ("sid=", "without a value"),
        ("ab=anna@clinic.example", "scrubbed"),
        ("ab=:email", "scrubbed"),
    ] {
        let cannot = refused(&collector, &["subject", "find", "--site", "clinic", "--cookie", cookie]);
        assert!(cannot.contains(why), "{cookie}: {cannot}");
    }

    // An export for a state body, with the meaning of each column.
    let file = collector.path("export.json");
    let output = collector.command(&[
        "subject",
        "export",
        "--site",
        "clinic",
        "--visitor",
        &visitor,
        "--ground",
        "article 13",
        "--authority",
        "Court of Arbitration",
        "--number",
        "A40-1",
        "--operator",
        "Olga",
        "--output",
        file.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{output:?}");
    let export: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        (export["events"].as_array().unwrap().len(), export["visits"].as_array().unwrap().len()),
        (2, 0),
        "no day was computed"
    );
    let described: BTreeSet<&str> = export["columns"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|column| column["column"].as_str())
        .collect();
    let event = export["events"][0].as_object().unwrap();
    assert!(event.keys().all(|name| described.contains(name.as_str())), "{event:?}");
    assert_eq!(event["visitor"], visitor);
    eventually("the audit is shipped", PATIENCE, || !audit(&collector, "subject exported").is_empty());
    let row = &audit(&collector, "subject exported")[0];
    assert_eq!(
        (&row["authority"], &row["number"], &row["ground"]),
        (&"Court of Arbitration".into(), &"A40-1".into(), &"article 13".into())
    );
    assert!(!row.to_string().contains(&visitor));

    // Once the key is gone, nothing links an address; a request that was accepted before still does.
    let blocked = by("block", &["--cookie", "sid=s-1"]);
    assert_eq!((&blocked["state"], &blocked["events"]), (&"in force".into(), &2.into()), "{blocked:#}");
    let dropped = post(&collector, BORIS, &with_cookies(9, "A", "s-1")).unwrap();
    assert!(
        dropped.header("x-footfall-dropped").is_some_and(|reasons| reasons.contains("blocked=1")),
        "{dropped:?}"
    );
    let turned = collector.command(&["key", "rotate"]);
    assert!(turned.status.success(), "{turned:?}");
    let key = String::from_utf8_lossy(&turned.stdout).split_whitespace().nth(1).unwrap().to_owned();
    eventually("the turn is audited", PATIENCE, || !audit(&collector, "key turned").is_empty());
    assert_eq!(by("find", &["--cookie", "sid=s-1"])["events"], 0);
    let yesterday =
        (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48)).strftime("%Y-%m-%d").to_string();
    let gone = refused(
        &collector,
        &["subject", "find", "--site", "clinic", "--cookie", "sid=s-1", "--day", &yesterday],
    );
    assert!(gone.contains("nothing can be linked") && gone.contains(&key), "{gone}");
    let id = blocked["request"].as_str().unwrap();
    let unblocked = by("unblock", &["--request", id]);
    assert_eq!((&unblocked["state"], &unblocked["events"]), (&"done".into(), &2.into()), "{unblocked:#}");
    assert_eq!(collector.stored_events(), Some(3));
    assert_verified(&collector);
}

/// Sends beacons, each of the visitor of its page load, until `stop`. Returns how many were acknowledged.
fn load<'a>(
    collector: &Collector,
    stop: &AtomicBool,
    page_loads: &AtomicU64,
    visitor: impl Fn(u64) -> (Cow<'a, str>, &'a str),
) -> u64 {
    let mut acknowledged = 0;
    while !stop.load(Ordering::Relaxed) {
        let page_load = page_loads.fetch_add(1, Ordering::Relaxed);
        let (address, user_agent) = visitor(page_load);
        let answer =
            post(collector, (&address, user_agent), &good_beacon("clinic", page_load, 0, "/load")).unwrap();
        if answer.status == 204 {
            acknowledged += 1;
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    acknowledged
}

#[test]
fn under_load_and_with_the_store_down_a_request_is_kept_and_carried_out_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(directory.path());
    store.start();
    let mut collector = Collector::shipping_to(store.store, "[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    let (stop, anna_left, page_loads) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(1));
    let others = |page_load: u64| (format!("203.0.113.{}", page_load % 200).into(), BORIS.1);
    let (others, visitor) = std::thread::scope(|scope| {
        let set_stop = SetOnDrop(&stop);
        let set_anna_left = SetOnDrop(&anna_left);
        let loads = [(); 2].map(|()| scope.spawn(|| load(&collector, &stop, &page_loads, others)));
        let anna = scope.spawn(|| load(&collector, &anna_left, &page_loads, |_| (ANNA.0.into(), ANNA.1)));
        collector.wait_for_events(300, PATIENCE);
        store.kill();
        std::thread::sleep(Duration::from_secs(1));
        let waits = subject(&collector, "block", ANNA, &["--wait", "1"]);
        assert_eq!(waits["state"], "open", "{waits:#}");
        let dropped = visit(&collector, ANNA, 1 << 40, "/again");
        assert!(dropped.header("x-footfall-dropped").is_some_and(|reasons| reasons.contains("blocked=1")));
        let found = subject(&collector, "find", ANNA, &[]);
        assert!(found["waiting_events"].as_u64().unwrap() > 0 && found["store"].is_string(), "{found:#}");
        store.start();
        let id = waits["request"].as_str().unwrap();
        let state = || {
            run(&collector, &["subject", "list", "--format", "json"])["requests"]
                .as_array()
                .unwrap()
                .iter()
                .find(|request| request["request"] == id)
                .unwrap()["state"]
                .clone()
        };
        eventually("the block is in force", PATIENCE, || state() == "in force");
        let visitor = found["scope"]["visitor"].as_str().unwrap();
        let of_anna =
            || collector.store.number(&format!("SELECT count() FROM events WHERE visitor = {visitor}"));
        assert_eq!(of_anna(), 0);
        // An erasure ends the block: what Anna sent later would be stored.
        drop(set_anna_left);
        anna.join().unwrap();
        let erased = subject(&collector, "erase", ANNA, &[]);
        assert_eq!(erased["state"], "done", "{erased:#}");
        assert_eq!((of_anna(), &erased["search"]["blocked_events"]), (0, &0.into()));
        drop(set_stop);
        (loads.into_iter().map(|load| load.join().unwrap()).sum::<u64>(), visitor.to_owned())
    });
    let stored = || collector.store.number(&format!("SELECT count() FROM events WHERE visitor != {visitor}"));
    eventually("everything is shipped", PATIENCE, || stored() >= others);
    assert_eq!(stored(), others, "every event of others that was acknowledged is stored once");
    assert_verified(&collector);
}

#[test]
fn a_request_that_is_interrupted_by_crashes_at_any_time_is_completed_and_every_event_is_accounted_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(directory.path());
    store.start();
    let mut collector = Collector::shipping_to(store.store, "[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    for page in 0..40 {
        visit(&collector, if page % 2 == 0 { ANNA } else { BORIS }, page, "/a");
    }
    collector.wait_for_events(40, PATIENCE);
    for (action, state, delays) in [
        ("block", "in force", [40, 90, 160]),
        ("unblock", "done", [60, 110, 200]),
        ("erase", "done", [50, 120, 300]),
    ] {
        let waits = subject(&collector, action, ANNA, &["--wait", "0"]);
        let id = waits["request"].as_str().unwrap();
        for delay in delays {
            std::thread::sleep(Duration::from_millis(delay));
            collector.kill();
            collector.start();
        }
        let request = || {
            run(&collector, &["subject", "list", "--format", "json"])["requests"]
                .as_array()
                .unwrap()
                .iter()
                .find(|request| request["request"] == id)
                .unwrap()
                .clone()
        };
        eventually(&format!("{action} is complete"), PATIENCE, || request()["state"] == state);
        assert_eq!(request()["events"], 20, "{action}");
        let expected = if action == "unblock" { 40 } else { 20 };
        assert_eq!(collector.stored_events(), Some(expected), "{action}");
        assert_verified(&collector);
    }
    assert_eq!(collector.store.number("SELECT count() FROM blocked_events FINAL"), 0);
}

#[test]
fn a_block_that_is_accepted_while_another_one_ends_is_carried_out_and_a_whole_site_is_only_erased() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(directory.path());
    store.start();
    let mut collector = Collector::shipping_to(store.store, "[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    for page in 0..6 {
        visit(&collector, if page % 2 == 0 { ANNA } else { BORIS }, page, "/a");
    }
    collector.wait_for_events(6, PATIENCE);
    let first = subject(&collector, "block", ANNA, &[]);
    store.kill();
    let unblock = subject(&collector, "unblock", ANNA, &["--wait", "0"]);
    let second = subject(&collector, "block", ANNA, &["--wait", "0"]);
    assert_ne!(second["request"], first["request"], "the first one is about to end");
    // By its number, a whole site can be named too. Only the erasure is possible.
    let arguments = ["subject", "erase", "--site", "clinic", "--whole-site", "--ground", "x", "--wait", "0"];
    let site = run(&collector, &[&arguments[..], &["--format", "json"]].concat());
    let id = site["request"].as_str().unwrap();
    for action in ["block", "export"] {
        let mut arguments = vec!["subject", action, "--request", id, "--ground", "x"];
        let file = collector.path("never.json");
        if action == "export" {
            arguments.extend(["--output", file.to_str().unwrap()]);
        }
        let refused = refused(&collector, &arguments);
        assert!(refused.contains("a whole site can be erased, and nothing else"), "{action}: {refused}");
    }
    let erased_again = run(&collector, &[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(erased_again["request"], site["request"], "it is open");
    store.start();
    let listed = || run(&collector, &["subject", "list", "--format", "json"])["requests"].clone();
    let state = |id: &Value| {
        let requests = listed();
        let found = requests.as_array().unwrap().iter().find(|request| request["request"] == *id);
        found.map(|request| request["state"].clone()).unwrap_or_default()
    };
    for (request, expected) in [(&unblock, "done"), (&second, "in force"), (&first, "done"), (&site, "done")]
    {
        eventually(expected, PATIENCE, || state(&request["request"]) == expected);
    }
    let dropped = visit(&collector, ANNA, 100, "/again");
    assert!(dropped.header("x-footfall-dropped").is_some_and(|reasons| reasons.contains("blocked=1")));
    assert_eq!(collector.stored_events(), Some(0));
    assert_verified(&collector);
}
