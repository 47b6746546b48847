//! What a reader's statement may use: bounds, statements that would use up the machine, and functions that nobody has looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{inhabited, store};
use crate::common::{allowed, http};

const ANALYST: &str = "user=footfall_analyst";

/// Table functions that stay inside of the store, or that grants keep a reader from. An engine that has another one makes the
/// test below fail, until somebody has looked at it.
const INSIDE: &[&str] = &[
    "dictionary",
    "format",
    "fuzzJSON",
    "fuzzQuery",
    "generateRandom",
    "generateSeries",
    "generate_series",
    "input",
    "loop",
    "merge",
    "mergeTreeAnalyzeIndexes",
    "mergeTreeAnalyzeIndexesUUID",
    "mergeTreeIndex",
    "mergeTreeProjection",
    "mergeTreeTextIndex",
    "null",
    "numbers",
    "numbers_mt",
    "primes",
    "prometheusQuery",
    "prometheusQueryRange",
    "SQLStandardValues",
    "timeSeriesData",
    "timeSeriesMetrics",
    "timeSeriesSamples",
    "timeSeriesSelector",
    "timeSeriesTags",
    "values",
    "view",
    "viewExplain",
    "viewIfPermitted",
    "zeros",
    "zeros_mt",
    // Tables that a program has registered in the engine's process; Footfall registers none.
    "arrowstream",
];

/// Arguments with which a function that reaches outside would try to.
const ARGUMENTS: &[&str] = &[
    "",
    "'/etc/passwd'",
    "'/etc/passwd', 'LineAsString'",
    "'http://127.0.0.1:1/a', 'LineAsString'",
    "'127.0.0.1:1', 'a', 'b'",
    "'127.0.0.1:1', 'a', 'b', 'c', 'd'",
    "'127.0.0.1:1', 'a', 'b', 'c', 'd', 'e', 'f'",
    "'default', 'http://127.0.0.1:1/a', 'LineAsString'",
    "'SELECT 1'",
];

#[test]
fn each_table_function_of_the_engine_is_one_that_was_looked_at_or_is_refused() {
    let store = inhabited();
    let names = store.text("SELECT name FROM system.table_functions ORDER BY name");
    let mut refused = 0;
    for name in names.lines().filter(|name| !INSIDE.contains(name)) {
        for arguments in ARGUMENTS {
            let sql = format!("SELECT * FROM {name}({arguments})");
            let answer = store.ask(ANALYST, &sql);
            let text = answer.text();
            assert_ne!(answer.status, 200, "{sql} is new here and is answered: {text}");
            assert!(!text.contains("root:"), "{sql}: {text}");
            refused += usize::from(text.contains("ACCESS_DENIED"));
        }
    }
    assert!(refused >= 50, "{refused} were refused for want of rights");
}

#[test]
fn a_bound_may_be_lowered_and_not_raised() {
    let store = inhabited();
    let asked = |bound: &str| format!("SELECT getSetting('{bound}')");
    for (bound, value) in [
        ("max_execution_time", "60"),
        ("max_memory_usage", "4294967296"),
        ("max_untracked_memory", "4194304"),
        ("use_query_cache", "false"),
    ] {
        let ask = asked(bound);
        assert_eq!(store.text_with(ANALYST, &ask).trim(), value);
        for more in ["0", "99999999999", "1"] {
            if more == "1" && ["max_execution_time", "max_memory_usage"].contains(&bound)
                || more == "0" && value == "false"
            {
                continue;
            }
            for sql in [
                format!("{ask} SETTINGS {bound} = {more}"),
                format!("{ask} SETTINGS max_threads = 1, {bound} = {more}"),
                format!("EXPLAIN {ask} SETTINGS {bound} = {more}"),
                format!("SET {bound} = {more}"),
            ] {
                for session in ["", "&session_id=raise"] {
                    let answer = store.ask(&format!("{ANALYST}{session}"), &sql);
                    assert_ne!(answer.status, 200, "{sql}: {}", answer.text());
                }
            }
            assert_ne!(
                store.ask(&format!("{ANALYST}&{bound}={more}"), "SELECT 1").status,
                200,
                "{bound}={more}"
            );
        }
        assert_eq!(store.text_with(&format!("{ANALYST}&session_id=raise"), &ask).trim(), value);
    }
    for sql in [
        "SET profile = 'default'",
        "SELECT 1 SETTINGS profile = 'default'",
        "SET readonly = 0",
        "SET readonly = 1",
    ] {
        assert_ne!(store.ask(ANALYST, sql).status, 200, "{sql}");
    }
    assert_ne!(store.ask(&format!("{ANALYST}&profile=default"), "SELECT 1").status, 200);
    let lower = format!("{ANALYST}&max_execution_time=5&max_threads=1");
    assert_eq!(store.text_with(&lower, asked("max_execution_time")), "5\n");
    assert_eq!(store.text_with("user=footfall_collector", asked("max_execution_time")), "0\n");
}

#[test]
fn statements_that_would_use_up_the_machine_end_while_the_collector_is_answered() {
    let store = inhabited();
    let nested = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let long = format!("SELECT {}1", "1+".repeat(100_000));
    let bombs = [
        "SELECT count() FROM numbers(1000000000000000000) WHERE sipHash64(number) = 7",
        "SELECT count() FROM numbers_mt(1000000000000000000) WHERE NOT ignore(sipHash64(number))",
        "SELECT count() FROM numbers(1000000) AS a, numbers(1000000) AS b WHERE a.number * b.number = 7",
        "SELECT groupArray(number) FROM numbers(100000000000)",
        "SELECT number, count() FROM numbers(100000000000) GROUP BY number ORDER BY number DESC LIMIT 1",
        "SELECT repeat('x', 1000000000) FROM numbers(100)",
        "SELECT length(repeat(repeat('x', 1000000), 1000000))",
        "SELECT range(1000000000)",
        "SELECT arrayMap(x -> range(x), range(100000))",
        "SELECT match(repeat('a', 100000), '(a+)+$b') FROM numbers(1000000000)",
        "SELECT sleepEachRow(3) FROM numbers(1000)",
        "SELECT * FROM generateRandom('a Array(Array(String))', 1, 1000000, 1000000) FORMAT Null",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
        &nested,
        &long,
    ];
    std::thread::scope(|scope| {
        let running: Vec<_> = bombs
            .iter()
            .map(|bomb| {
                let store = &store;
                scope.spawn(move || {
                    let path = format!("/?{ANALYST}&max_execution_time=10");
                    http::post(store.address(), &path, "", bomb.as_bytes())
                })
            })
            .collect();
        // The collector's inserts go on beside them.
        let begun = Instant::now();
        let mut inserted = 0;
        while begun.elapsed() < Duration::from_secs(8) {
            let sql =
                format!("INSERT INTO footfall.audit (time, action) VALUES (now(), 'beside {inserted}')");
            store.text_with("user=footfall_collector", sql);
            inserted += 1;
        }
        assert!(inserted > 0);
        for (bomb, running) in bombs.iter().zip(running) {
            let short: String = bomb.chars().take(80).collect();
            // ClickHouse cuts the connection where a statement fails behind its first rows.
            if let Ok(answer) = running.join().unwrap() {
                let failed = answer.status != 200 || answer.text().contains("DB::Exception");
                assert!(failed, "{short}: {}", answer.status);
            }
        }
    });
    assert_eq!(store.text_with(ANALYST, "SELECT 1"), "1\n");
}

#[test]
fn readers_leave_room_for_the_collector() {
    let store = store();
    let is_refused = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let many: Vec<_> = (0..80)
            .map(|number| {
                let user = ["footfall_analyst", "footfall_sre", "footfall_viewer"][number % 3];
                let (store, is_refused) = (&store, &is_refused);
                scope.spawn(move || {
                    let parameters = format!("user={user}&max_execution_time=20");
                    let mut is_answered = false;
                    let started = Instant::now();
                    // On a busy machine the first readers end before the last ones begin, so they begin again.
                    while !is_refused.load(Ordering::Relaxed)
                        && started.elapsed() < allowed(Duration::from_secs(60))
                    {
                        let sql = "SELECT sleepEachRow(1) FROM numbers(3) FORMAT Null";
                        match store.ask(&parameters, sql).status {
                            200 => is_answered = true,
                            _ => is_refused.store(true, Ordering::Relaxed),
                        }
                    }
                    is_answered
                })
            })
            .collect();
        store.wait_until_it_sleeps();
        for _ in 0..20 {
            assert_eq!(
                store.text_with("user=footfall_collector", "SELECT 1"),
                "1\n",
                "the collector finds a place"
            );
        }
        let answers: Vec<bool> = many.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert!(answers.contains(&true), "no reader was answered");
    });
    assert!(is_refused.into_inner(), "80 readers at once are too many");
}

#[test]
fn no_setting_of_a_reader_takes_the_places_of_inserts() {
    let store = inhabited();
    let lifted = "SELECT sleepEachRow(1) FROM numbers(3) FORMAT Null SETTINGS max_concurrent_queries_for_user = DEFAULT, \
                  max_concurrent_queries_for_all_users = DEFAULT, max_execution_time = DEFAULT";
    std::thread::scope(|scope| {
        let many: Vec<_> = (0..150).map(|_| scope.spawn(|| store.ask(ANALYST, lifted).status)).collect();
        store.wait_until_it_sleeps();
        for number in 0..10 {
            let sql = format!("INSERT INTO footfall.audit (time, action) VALUES (now(), 'beside {number}')");
            store.text_with("user=footfall_collector", sql);
            assert_eq!(store.text_with("user=footfall_collector", "SELECT 1"), "1\n");
        }
        let statuses: Vec<u16> = many.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert!(statuses.iter().filter(|status| **status == 200).count() > 100, "{statuses:?}");
    });
}
