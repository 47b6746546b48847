//! What a reader's statement may use: bounds that no setting lifts, bombs that end, and functions that nobody has looked at.

use std::time::{Duration, Instant};

use super::{encode, store};

const READER: &str = "user=footfall_reader";

/// Table functions that stay inside of the store, or that ClickHouse's grants and Footfall keep a reader from. An engine that
/// brings another one makes the test below fail, until somebody has looked at it.
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
    let store = store();
    let names = store.text("SELECT name FROM system.table_functions ORDER BY name");
    let mut refused = 0;
    for name in names.lines().filter(|name| !INSIDE.contains(name)) {
        for arguments in ARGUMENTS {
            let sql = format!("SELECT * FROM {name}({arguments})");
            let answer = store.ask(READER, &sql);
            let text = answer.text();
            assert_ne!(answer.status, 200, "{sql} is new here and is answered: {text}");
            assert!(!text.contains("root:"), "{sql}: {text}");
            refused += usize::from(text.contains("ACCESS_DENIED"));
        }
    }
    assert!(refused >= 50, "{refused} were refused for want of rights");
}

#[test]
fn no_setting_lifts_a_bound_wherever_it_stands() {
    let store = store();
    let asked = |bound: &str| format!("SELECT getSetting('{bound}')");
    for (bound, value) in [
        ("max_execution_time", "60"),
        ("max_memory_usage", "4294967296"),
        ("max_untracked_memory", "4194304"),
    ] {
        let ask = asked(bound);
        assert_eq!(store.text_with(READER, &ask).trim(), value);
        for more in ["0", "99999999999", "DEFAULT", "'0'", "-1", "1e18"] {
            for sql in [
                format!("{ask} SETTINGS {bound} = {more}"),
                format!("{ask} SETTINGS max_threads = 1, {bound} = {more}"),
                format!("{ask} SETTINGS/**/`{bound}`={more}"),
                format!("SELECT * FROM ({ask} SETTINGS {bound} = {more})"),
                format!("SELECT 1 SETTINGS {bound} = {more} UNION ALL {ask}"),
                format!("WITH (SELECT 1 SETTINGS {bound} = {more}) AS x {ask}"),
                format!("EXPLAIN {ask} SETTINGS {bound} = {more}"),
                format!("SET {bound} = {more}"),
                format!("SET max_threads = 1, {bound} = {more}"),
            ] {
                for session in ["", "&session_id=lift"] {
                    let answer = store.ask(&format!("{READER}{session}"), &sql);
                    assert_ne!(answer.status, 200, "{sql}: {}", answer.text());
                }
            }
            let url = format!("{READER}&{bound}={}", encode(more.trim_matches('\'')));
            assert_ne!(store.ask(&url, "SELECT 1").status, 200, "{url}");
        }
        assert_eq!(store.text_with(&format!("{READER}&session_id=lift"), &ask).trim(), value);
    }
    for sql in [
        "SET profile = 'default'",
        "SET profile = DEFAULT",
        "SET readonly = DEFAULT",
        "SELECT 1 SETTINGS profile = 'default'",
        "SELECT * FROM (SELECT 1 SETTINGS profile = 'default')",
        "SELECT 1 SETTINGS use_query_cache",
        "SELECT 1 SETTINGS max_threads = 1, use_query_cache",
    ] {
        assert_ne!(store.ask(&format!("{READER}&session_id=lift"), sql).status, 200, "{sql}");
        assert_ne!(store.ask(READER, sql).status, 200, "{sql}");
    }
    assert_ne!(store.ask(&format!("{READER}&profile=default"), "SELECT 1").status, 200);
    // Less may be asked for, and a session goes back to what it had.
    let session = format!("{READER}&session_id=less");
    assert_eq!(
        store.text_with(&format!("{session}&max_execution_time=5"), asked("max_execution_time")),
        "5\n"
    );
    assert_eq!(store.text_with(&session, asked("max_execution_time")), "60\n");
    assert_eq!(store.text_with(READER, "SELECT getSetting('max_threads') SETTINGS max_threads = 1"), "1\n");
    // A table may be called `settings`.
    store.text("CREATE DATABASE footfall");
    store.text("CREATE TABLE footfall.settings (max_threads UInt8, name String) ENGINE = Memory");
    for sql in [
        "SELECT * FROM footfall.settings",
        "SELECT name FROM footfall.settings s, footfall.settings t WHERE s.max_threads = 9",
    ] {
        assert_eq!(store.text_with(READER, sql), "", "{sql}");
    }
    // The writer is not bounded.
    assert_eq!(store.text(asked("max_execution_time")), "0\n");
}

#[test]
fn bombs_of_a_reader_end_by_a_bound_while_others_are_answered() {
    let store = store();
    store.text("CREATE DATABASE footfall");
    store.text("CREATE TABLE footfall.t (a UInt64) ENGINE = MergeTree ORDER BY a");
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
                scope.spawn(move || store.ask(&format!("{READER}&max_execution_time=10"), bomb))
            })
            .collect();
        // The writer's inserts go on beside them, each within what the shipper waits.
        let begun = Instant::now();
        let mut inserted = 0;
        while begun.elapsed() < Duration::from_secs(8) {
            store.text(format!("INSERT INTO footfall.t VALUES ({inserted})"));
            inserted += 1;
        }
        assert!(inserted > 0);
        for (bomb, running) in bombs.iter().zip(running) {
            let answer = running.join().unwrap();
            let short: String = bomb.chars().take(80).collect();
            assert!(
                answer.status != 200 || answer.text().contains("DB::Exception"),
                "{short}: {}",
                answer.status
            );
        }
        assert_eq!(store.text("SELECT count() FROM footfall.t").trim(), inserted.to_string());
    });
    assert_eq!(store.text_with(READER, "SELECT 1"), "1\n");
}

#[test]
fn readers_leave_room_for_the_writer() {
    let store = store();
    std::thread::scope(|scope| {
        let many: Vec<_> = (0..80)
            .map(|_| {
                scope.spawn(|| {
                    store
                        .ask(
                            &format!("{READER}&max_execution_time=20"),
                            "SELECT sleepEachRow(1) FROM numbers(3) FORMAT Null",
                        )
                        .status
                })
            })
            .collect();
        store.wait_until_it_sleeps();
        for _ in 0..20 {
            assert_eq!(store.text("SELECT 1"), "1\n", "the writer finds a place");
        }
        let statuses: Vec<u16> = many.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert!(statuses.contains(&200));
        assert!(statuses.iter().any(|status| *status != 200), "80 readers at once are too many");
    });
    for session in 0..400 {
        let _ = store.ask(&format!("{READER}&session_id=s{session}&session_timeout=60"), "SELECT 1");
    }
    assert_eq!(store.text("SELECT 1"), "1\n", "a writer without a session is not kept out");
}
