//! What users of the store try in order to read or write what is not theirs: files of the system, files of the store, tables of
//! others, settings, other hosts.
//!
//! ClickHouse permits some of it. Each such statement stands in [`PERMITTED`] with the control that makes it harmless, and
//! docs/embedded.md lists the same. The invariants hold for every statement and every user.

use std::fs;
use std::path::Path;

use super::{Running, encode, inhabited};
use crate::common::http;

/// Everybody who can log in, but the administrator of the tests.
const USERS: [&str; 7] = [
    "footfall_analyst",
    "footfall_viewer",
    "footfall_sre",
    "footfall_operator",
    "footfall_privacy",
    "footfall_reports",
    "footfall_collector",
];
/// What no answer may contain: a file outside, a file of this system, a table of another database.
const SECRETS: [&str; 3] = ["SECRETFILE", "root:", "TABLESECRET"];

/// Statements that ClickHouse runs for everybody, and what makes each harmless. `{path}` is a file outside of the store.
const PERMITTED: &[(&str, &str)] = &[
    ("SELECT 1 SETTINGS max_execution_time = DEFAULT", "the quota"),
    ("SELECT 1 SETTINGS readonly = DEFAULT", "grants"),
    ("SELECT 1 SETTINGS max_concurrent_queries_for_user = DEFAULT", "the bound of connections"),
    ("SELECT 1 SETTINGS max_threads = 1, max_memory_usage = DEFAULT", "max_server_memory_usage"),
    ("SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)", "max_server_memory_usage"),
    ("SELECT 1 SETTINGS format_schema = DEFAULT", "the default is empty"),
    (
        "SELECT * FROM (SELECT 1 AS a SETTINGS additional_result_filter = 'throwIf(1, file(''{path}''))')",
        "ClickHouse ignores the setting within a subquery, and the function `file` always fails",
    ),
    (
        "SYSTEM STOP MERGES",
        "it stops the merges of tables for which the user has that right, and no user has it",
    ),
];

/// Statements that ClickHouse refuses to everybody, or that run into the sandbox. `{path}` is a file outside of the store,
/// `{part}` a file of a table of another database.
const REFUSED: &[&str] = &[
    // The function `file`: replaced by one that fails.
    "SELECT file('{path}')",
    "SELECT file('{part}')",
    "SELECT file('/etc/passwd')",
    "SELECT hex(file('{part}'))",
    "SELECT file('{part}', NULL)",
    "SELECT `file`('{path}')",
    "SELECT `f\\x69le`('{path}')",
    "SELECT \u{201c}file\u{201d}('{path}')",
    "SELECT arrayMap(file, ['{path}'])",
    "SELECT arrayMap(file, ['{part}'])",
    "SELECT arrayMap(`f\\x69le`, ['{path}'])",
    "SELECT arrayMap(x -> file(x), ['{part}'])",
    "SELECT '{path}' AS p, file(p)",
    "SELECT * APPLY(file) FROM (SELECT '{part}')",
    "SELECT columns('.*') APPLY(file) FROM (SELECT '{part}')",
    "SELECT 1, // '\nfile('{path}')",
    "SELECT 1, # '\nfile('{path}')",
    "SELECT $ $'$ $, file('{path}'), $ $'$ $",
    "SELECT x'41'', file('{path}') --'",
    "SELECT 1e--file('{path}')",
    "SELECT (WITH f AS (SELECT file('{part}') AS c) SELECT c FROM f)",
    "SELECT file('{part}') SETTINGS enable_analyzer = 0",
    "SELECT file('{part}') SETTINGS allow_experimental_analyzer = DEFAULT",
    "SELECT evalMLMethod(file('{part}'), 1)",
    "WITH (x -> file(x)) AS f SELECT f('{part}')",
    "CREATE FUNCTION evil AS x -> file(x)",
    "CREATE OR REPLACE FUNCTION file AS x -> x",
    "DROP FUNCTION file",
    "SELECT * FROM format(Values, 'a String', '(file(''{part}''))')",
    "SELECT * FROM (SELECT * FROM format(Values, 'a String', '(file(''{path}''))') SETTINGS input_format_values_interpret_expressions = 1)",
    "SELECT * FROM eval('SELECT file(''{path}'')')",
    "SELECT * FROM eval('SELECT file(''{path}'')') SETTINGS allow_experimental_eval_table_function = 1",
    "SELECT * FROM (SELECT * FROM eval('SELECT * FROM private.t') SETTINGS allow_experimental_eval_table_function = 1)",
    "SELECT catboostEvaluate('{path}', 1)",
    // Table functions and engines.
    "SELECT * FROM file('{path}', 'LineAsString')",
    "SELECT * FROM file('{part}', 'LineAsString')",
    "SELECT * FROM file('{path}', 'LineAsString', 'a String')",
    "DESCRIBE TABLE file('{path}')",
    "SELECT * FROM default.`{path}`",
    "SELECT * FROM url('file://{path}', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/a', 'TSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1', 'private', 't')",
    "SELECT * FROM remote('127.0.0.1', 'private', 't', 'admin', '')",
    "SELECT * FROM cluster('default', 'private', 't')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('{path}', 't')",
    "SELECT * FROM icebergLocal('/etc')",
    "SELECT * FROM deltaLakeLocal('/etc')",
    "SELECT * FROM executable('ls', 'TSV', 'a String')",
    "SELECT * FROM python('x')",
    "INSERT INTO FUNCTION file('{path}', 'TSV', 'a UInt8') VALUES (1)",
    "INSERT INTO FUNCTION file('inside.tsv', 'TSV', 'a UInt8') VALUES (1)",
    "CREATE TABLE footfall.f (a String) ENGINE = File(TSV, '{path}')",
    "CREATE TABLE footfall.f (a String) ENGINE = File(TSV)",
    "CREATE TABLE footfall.f (a String) ENGINE = URL('http://127.0.0.1:1/', TSV)",
    "CREATE TABLE footfall.f (a String) ENGINE = Executable('ls', TSV)",
    "CREATE TABLE footfall.f (a String) ENGINE = Memory",
    "CREATE DATABASE f ENGINE = Filesystem('/etc')",
    "CREATE DICTIONARY footfall.d (a UInt64, b String) PRIMARY KEY a SOURCE(FILE(path '{path}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE DICTIONARY footfall.d (a UInt64, b String) PRIMARY KEY a SOURCE(EXECUTABLE(command 'touch {path}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE TABLE footfall.f (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '{path}.d/')",
    "BACKUP TABLE footfall.events TO File('{path}')",
    "BACKUP TABLE footfall.events TO File('../outside')",
    "BACKUP TABLE footfall.events TO Disk('default', 'outside')",
    "BACKUP TABLE footfall.events TO S3('http://127.0.0.1:1/bucket', 'a', 'b')",
    "RESTORE TABLE footfall.events AS footfall.f FROM File('../outside')",
    "RESTORE TABLE footfall.events AS footfall.f FROM S3('http://127.0.0.1:1/bucket', 'a', 'b')",
    "RESTORE TABLE private.t AS footfall.t FROM File('{path}')",
    "ATTACH TABLE footfall.f FROM '{path}' (a String) ENGINE = MergeTree ORDER BY a",
    // Files of a client.
    "SELECT 'x' INTO OUTFILE '{path}' TRUNCATE FORMAT TSV",
    "SELECT 'x' INTO /**/ OUTFILE '{path}' TRUNCATE",
    "INSERT INTO footfall.audit (action) FROM INFILE '{path}' FORMAT LineAsString",
    // Settings that name files or hold SQL.
    "SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '{path}'",
    "SELECT 1 AS a FORMAT Template SETTINGS format_template_resultset = '{path}'",
    "SELECT 1 AS a FORMAT Template SETTINGS max_threads = 1, `format_template_row` = '{path}'",
    "SELECT 1 AS a FORMAT Protobuf SETTINGS format_schema = '{path}:a'",
    "SELECT 1 AS a FORMAT Protobuf SETTINGS output_format_schema = '{path}'",
    "SELECT 1 AS a FORMAT Protobuf SETTINGS format_schema_source = 'query', format_schema_message_name = 'a', format_schema = 'SELECT file(''{path}'')'",
    "SELECT 1 AS a SETTINGS additional_result_filter = 'throwIf(1, file(''{path}''))'",
    "SELECT count() FROM footfall.events SETTINGS additional_table_filters = {'footfall.events': 'throwIf(1, file(''{path}''))'}",
    // Rights.
    "CREATE USER evil",
    "ALTER USER footfall_analyst IDENTIFIED BY 'x'",
    "GRANT ALL ON *.* TO footfall_analyst",
    "SET ROLE admin",
    "EXECUTE AS admin SELECT * FROM private.t",
    "SELECT * FROM system.users",
    "SELECT * FROM system.grants",
    "SHOW CREATE USER admin",
    "SHOW GRANTS FOR admin",
    "SET readonly = 0, max_execution_time = 0, max_memory_usage = 0, allow_ddl = 2",
    // The server itself.
    "SYSTEM SHUTDOWN",
    "SYSTEM KILL",
    "SYSTEM STOP LISTEN HTTP",
    "SYSTEM STOP LISTEN QUERIES ALL",
    "SYSTEM STOP MERGES footfall.events",
    "SYSTEM RELOAD CONFIG",
    "SYSTEM RELOAD USERS",
    "SYSTEM RELOAD FUNCTIONS",
    "SYSTEM FAILPOINT x",
    "KILL QUERY WHERE 1 SYNC",
    "CREATE NAMED COLLECTION evil AS a = 1",
    "CREATE WORKLOAD evil",
    // Tables of others.
    "SELECT * FROM private.t",
    "SELECT * FROM merge('private', 't')",
    "SELECT * FROM loop(private.t)",
    "SELECT * FROM view(SELECT * FROM private.t)",
    "SELECT * FROM mergeTreeIndex('private', 't')",
    "SELECT * FROM mergeTreeProjection('private', 't', 'p')",
    "SHOW CREATE TABLE private.t",
    "DESCRIBE private.t",
    "EXPLAIN SELECT * FROM private.t",
    "CREATE VIEW footfall.v SQL SECURITY NONE AS SELECT * FROM private.t",
    "CREATE VIEW footfall.v DEFINER = admin SQL SECURITY DEFINER AS SELECT * FROM private.t",
    "CREATE MATERIALIZED VIEW footfall.v TO private.t AS SELECT path AS s FROM footfall.events",
    "ALTER TABLE footfall.events ATTACH PARTITION ALL FROM private.t",
    "DROP DATABASE private",
    "DROP TABLE private.t",
];

struct Outside<'a> {
    store: &'a Running,
    path: String,
    part: String,
}

impl<'a> Outside<'a> {
    fn new(store: &'a Running) -> Self {
        let path = store.directory.path().join("outside");
        fs::write(&path, "SECRETFILE ${data}").unwrap();
        // The path as ClickHouse itself gives it; `columns.txt` is text, and any other file of the part would do.
        let part = store
            .text("SELECT path FROM system.parts WHERE database = 'private' AND active")
            .trim()
            .to_owned();
        let part = format!("{part}data.bin");
        assert!(Path::new(&part).is_file(), "{part}");
        Self { store, path: path.display().to_string(), part }
    }

    fn sql(&self, statement: &str) -> String {
        statement.replace("{path}", &self.path).replace("{part}", &self.part)
    }

    /// Asks, checks that nothing leaked, and returns whether ClickHouse ran it.
    fn run(&self, user: &str, sql: &str) -> bool {
        let answer = self.store.ask(user, sql);
        let text = answer.text();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{sql} as {user}: {text}");
        }
        answer.status == 200
    }

    fn check_unchanged(&self) {
        assert_eq!(fs::read_to_string(&self.path).unwrap(), "SECRETFILE ${data}");
        let mut names: Vec<_> = fs::read_dir(self.store.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["outside", "store"]);
        assert_eq!(self.store.text("SELECT count() FROM footfall.events"), "2\n");
        assert_eq!(self.store.text("SELECT count() FROM private.t"), "1\n");
        // Merges still run.
        self.store.text("OPTIMIZE TABLE footfall.events FINAL");
        assert_eq!(
            self.store.text(
                "SELECT count() FROM system.tables WHERE database = 'footfall' AND name IN ('f', 'd', 'v')"
            ),
            "0\n"
        );
    }
}

#[test]
fn no_statement_of_any_user_reads_or_writes_what_is_not_its_own() {
    let store = inhabited();
    let outside = Outside::new(&store);
    let mut answered = Vec::new();
    for user in USERS {
        for statement in REFUSED {
            let sql = outside.sql(statement);
            for parameters in [format!("user={user}"), format!("user={user}&session_id=attack-{user}")] {
                if outside.run(&parameters, &sql) {
                    answered.push(format!("{user}: {statement}"));
                }
            }
        }
    }
    outside.check_unchanged();
    assert!(answered.is_empty(), "ClickHouse ran:\n{}", answered.join("\n"));
}

#[test]
fn what_clickhouse_permits_is_known_and_leaks_nothing() {
    let store = inhabited();
    let outside = Outside::new(&store);
    for (statement, control) in PERMITTED {
        for user in USERS {
            let ran = outside.run(&format!("user={user}"), &outside.sql(statement));
            assert!(ran, "{statement} ({control}) is refused to {user} now: move it");
        }
    }
    // With the bound on writing lifted, grants still refuse.
    for sql in [
        "INSERT INTO footfall.events SETTINGS readonly = DEFAULT SELECT * FROM footfall.events",
        "ALTER TABLE footfall.events DELETE WHERE 1 SETTINGS readonly = DEFAULT",
        "CREATE TABLE footfall.f ENGINE = Memory SETTINGS readonly = DEFAULT AS SELECT 1",
    ] {
        assert!(!outside.run("user=footfall_analyst", sql), "{sql}");
    }
    let session = "user=footfall_analyst&session_id=lifted";
    store.ask(session, "SET readonly = DEFAULT");
    for statement in REFUSED {
        outside.run(session, &outside.sql(statement));
    }
    outside.check_unchanged();
    let page = include_str!("../../../docs/embedded.md");
    for (statement, control) in PERMITTED {
        let shown = statement.replace("{path}", "/etc/passwd");
        let listed = page.contains(&shown) && page.contains(control);
        assert!(listed, "docs/embedded.md does not list {shown} with {control}");
    }
}

#[test]
fn settings_and_tables_that_come_with_a_request_read_no_file() {
    let store = inhabited();
    let outside = Outside::new(&store);
    let path = &outside.path;
    for user in USERS {
        for (parameter, sql) in [
            (format!("format_template_row={path}"), "SELECT 1 AS a FORMAT Template".to_owned()),
            (format!("format_schema={path}:a"), "SELECT 1 AS a FORMAT Protobuf".to_owned()),
            (
                format!("additional_result_filter={}", encode(&format!("throwIf(1, file('{path}'))"))),
                "SELECT 1 AS a".to_owned(),
            ),
            ("param_f=file".to_owned(), format!("SELECT arrayMap({{f:Identifier}}, ['{path}'])")),
            ("param_f=f%5Cx69le".to_owned(), format!("SELECT arrayMap({{f:Identifier}}, ['{path}'])")),
        ] {
            assert!(!outside.run(&format!("user={user}&{parameter}"), &sql), "{user}: {parameter}");
        }
        // A table that comes with the request is data.
        for (structure, format, body) in [
            ("a String", "Values", format!("(file('{path}'))")),
            ("a String DEFAULT file('x')", "TSV", "1".to_owned()),
            ("a String) ENGINE = Memory AS SELECT s AS a FROM private.t --", "TSV", "1".to_owned()),
        ] {
            let form = format!(
                "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x\"\r\n\r\n{body}\r\n--b--\r\n"
            );
            let query = encode("SELECT * FROM x");
            let target =
                format!("/?user={user}&x_structure={}&x_format={format}&query={query}", encode(structure));
            let header = "Content-Type: multipart/form-data; boundary=b\r\n";
            let text = http::post(store.address(), &target, header, form.as_bytes()).unwrap().text();
            assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{user}: {structure}: {text}");
        }
    }
    outside.check_unchanged();
}

#[test]
fn pages_of_other_sites_and_other_names_are_refused() {
    let store = inhabited();
    let status = |headers: &str| {
        let request = format!(
            "GET /?user=footfall_analyst&query=SELECT%201 HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"
        );
        http::exchange(store.address(), request.as_bytes()).unwrap().status
    };
    for host in ["localhost", "LOCALHOST:8123", "127.0.0.1", "127.0.0.1:1", "[::1]:8123", "192.0.2.7"] {
        assert_eq!(status(&format!("Host: {host}\r\n")), 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil",
        "evil.example:8123",
        "",
    ] {
        assert_ne!(status(&format!("Host: {host}\r\n")), 200, "{host}");
    }
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(status(&format!("Host: localhost\r\n{header}\r\n")), 403, "{header}");
    }
    assert_eq!(status("Host: localhost\r\nSec-Fetch-Site: none\r\n"), 200);
    for path in ["/play", "/dashboard", "/binary", "/merges", "/js/uplot.js", "/ws"] {
        let answer = http::get(store.address(), path).unwrap();
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    for path in ["/", "/ping", "/replicas_status"] {
        let answer = http::get(store.address(), path).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "Ok.\n"), "{path}");
    }
}
