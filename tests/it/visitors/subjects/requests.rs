//! Each request, and what it finds, moves and leaves.

use std::collections::BTreeSet;

use super::*;

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
