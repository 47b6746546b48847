//! Who may do what, and what an attacker who may only read tries.

use std::process::{Command, Stdio};

use super::{Running, encode, refusal, store};
use crate::common::{eventually, http, ports};

const READER: &str = "user=footfall_reader";

fn with_data() -> Running {
    let store = store();
    store.text("CREATE DATABASE footfall");
    store.text("CREATE TABLE footfall.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    store.text("INSERT INTO footfall.t VALUES (1, 'public')");
    store.text("CREATE DATABASE private");
    store.text("CREATE TABLE private.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    store.text("INSERT INTO private.t VALUES (1, 'secret')");
    store
}

#[test]
fn a_reader_reads() {
    let store = with_data();
    for (sql, expected) in [
        ("SELECT s FROM footfall.t", "public\n"),
        ("SHOW TABLES FROM footfall", "t\n"),
        ("EXISTS TABLE footfall.t", "1\n"),
        ("WITH (SELECT s FROM footfall.t) AS x SELECT x", "public\n"),
        ("SELECT s FROM footfall.t SETTINGS max_threads = 1", "public\n"),
        ("SELECT count() FROM numbers(10)", "10\n"),
    ] {
        assert_eq!(store.text_with(READER, sql), expected, "{sql}");
    }
    assert!(store.text_with(READER, "DESCRIBE footfall.t").starts_with("a\t"));
    assert!(store.text_with(READER, "EXPLAIN SELECT * FROM footfall.t").contains("ReadFromMergeTree"));
    assert_eq!(
        store.text_with(&format!("{READER}&database=footfall&max_threads=1"), "SELECT s FROM t"),
        "public\n"
    );
    let session = format!("{READER}&session_id=s");
    store.text_with(&session, "SET max_block_size = 77");
    assert_eq!(store.text_with(&session, "SELECT getSetting('max_block_size')"), "77\n");
}

#[test]
fn a_reader_s_attacks_fail() {
    let store = with_data();
    let outside = store.directory.path().join("outside");
    let outfile = format!("SELECT s FROM footfall.t INTO OUTFILE '{}'", outside.display());
    let attacks = [
        "INSERT INTO footfall.t VALUES (2, 'x')",
        "INSERT INTO footfall.t SELECT 2, 'x'",
        "DROP TABLE footfall.t",
        "DROP DATABASE footfall",
        "TRUNCATE TABLE footfall.t",
        "ALTER TABLE footfall.t DELETE WHERE 1",
        "DELETE FROM footfall.t WHERE 1",
        "OPTIMIZE TABLE footfall.t",
        "CREATE TABLE footfall.u (a UInt8) ENGINE = Memory",
        "CREATE USER evil",
        "GRANT writer TO default",
        "SET ROLE ALL",
        "SET ROLE writer",
        "SET DEFAULT ROLE writer TO default",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SYSTEM SHUTDOWN",
        "SYSTEM STOP MERGES",
        "KILL QUERY WHERE 1",
        "DETACH TABLE footfall.t",
        "BACKUP TABLE footfall.t TO File('/tmp/x')",
        "EXECUTE AS footfall_writer SELECT 1",
        "SELECT * FROM private.t",
        "SELECT * FROM merge('private', 't')",
        "SELECT * FROM view(SELECT * FROM private.t)",
        "SELECT * FROM loop(private.t)",
        "SELECT * FROM mergeTreeIndex('private', 't')",
        "EXPLAIN SELECT * FROM private.t",
        "SHOW CREATE TABLE private.t",
        "DESCRIBE private.t",
        "SELECT file('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT `f\\x69le`('/etc/passwd')",
        "SELECT '/etc/passwd' APPLY file",
        "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
        "SELECT 1 /* /* */ ' */, file('/etc/passwd') --'",
        "SELECT \u{2018}'\u{2019}, file('/etc/passwd'), \u{2018}'\u{2019}",
        "SELECT $a$'$a$, file('/etc/passwd'), $a$'$a$",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/a', 'TSV')",
        "SELECT * FROM remote('127.0.0.1', 'private', 't')",
        "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM sqlite('/etc/passwd', 't')",
        "SELECT * FROM icebergLocal('/etc')",
        "SELECT * FROM executable('ls', 'TSV', 'a String')",
        "DESCRIBE TABLE file('/etc/passwd')",
        "SELECT * FROM system.users",
        "SELECT catboostEvaluate('/etc/passwd', 1)",
        outfile.as_str(),
    ];
    for sql in attacks {
        for parameters in
            [READER.to_owned(), format!("{READER}&session_id=attack"), format!("{READER}&readonly=0")]
        {
            let answer = store.ask(&parameters, sql);
            assert_ne!(answer.status, 200, "{sql} under {parameters}: {}", answer.text());
            assert!(!answer.text().contains("root:"), "{sql}: {}", answer.text());
            assert!(!answer.text().contains("secret"), "{sql}: {}", answer.text());
        }
    }
    let put = format!("{READER}&query={}", encode("INSERT INTO footfall.t FORMAT TSV"));
    assert_eq!(store.refusal(&put, "2\tx\n"), (403, 497));
    for parameters in ["readonly=0", "role=writer", "allow_ddl=1"] {
        let sql = "INSERT INTO footfall.t VALUES (2, 'x')";
        assert_ne!(store.ask(&format!("{READER}&{parameters}"), sql).status, 200, "{parameters}");
    }
    // A table that comes with the query reads no other.
    let form = "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x\"\r\n\r\n1\n\r\n--b--\r\n";
    let structure = encode("a String) ENGINE = Memory AS SELECT s AS a FROM private.t --");
    let path = format!("/?{READER}&x_structure={structure}&query={}", encode("SELECT * FROM x"));
    let header = "Content-Type: multipart/form-data; boundary=b\r\n";
    let answer = http::post(store.address(), &path, header, form.as_bytes()).unwrap();
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    assert!(!outside.exists());
    assert_eq!(store.text("SELECT count() FROM footfall.t"), "1\n");
}

#[test]
fn a_reader_reads_no_file_by_settings_formats_or_texts_that_are_run() {
    let store = with_data();
    let file = store.directory.path().join("outside");
    std::fs::write(&file, "${data} SECRETFILE").unwrap();
    let path = file.display();
    let read = format!("file(''{path}'')");
    for sql in [
        format!("SELECT * FROM eval('SELECT {read}') SETTINGS allow_experimental_eval_table_function = 1"),
        format!("SELECT * FROM `eval`('SELECT {read}')"),
        format!("SELECT * FROM format(Values, 'a String', '({read})')"),
        format!("SELECT * FROM format(concat('Val', 'ues'), 'a String', concat('(fi', 'le(''{path}''))'))"),
        format!(
            "SELECT * FROM (SELECT * FROM format(Values, 'a String', '({read})') SETTINGS input_format_values_interpret_expressions = 1)"
        ),
        format!("SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '{path}'"),
        format!("SELECT 1 AS a FORMAT Template SETTINGS format_template_resultset = '{path}'"),
        format!("SELECT 1 AS a FORMAT Template SETTINGS max_threads = 1, `format_template_row` = '{path}'"),
        format!("SELECT 1 AS a FORMAT Template SETTINGS a.b = 1, format_template_row = '{path}'"),
        format!(
            "SELECT 1 AS a FORMAT Protobuf SETTINGS format_schema_source = 'query', format_schema_message_name = 'a', format_schema = 'SELECT throwIf(1, {read})'"
        ),
        format!("SELECT 1 AS a SETTINGS additional_result_filter = 'throwIf(1, {read})'"),
        format!("SELECT * FROM (SELECT 1 AS a SETTINGS additional_result_filter = 'throwIf(1, {read})')"),
        format!(
            "SELECT * FROM footfall.t SETTINGS additional_table_filters = {{'footfall.t': 'throwIf(1, {read})'}}"
        ),
        "SELECT 1 AS a FORMAT Protobuf SETTINGS output_format_schema = '/tmp/x'".to_owned(),
    ] {
        let answer = store.ask(READER, &sql);
        assert_ne!(answer.status, 200, "{sql}: {}", answer.text());
        assert!(!answer.text().contains("SECRETFILE"), "{sql}: {}", answer.text());
        let session = store.ask(&format!("{READER}&session_id=s"), &sql);
        assert!(session.status != 200 && !session.text().contains("SECRETFILE"), "{sql}: {}", session.text());
    }
    for (parameter, sql) in [
        (format!("format_template_row={path}"), "SELECT 1 AS a FORMAT Template"),
        (
            format!("additional_result_filter={}", encode(&format!("throwIf(1, file('{path}'))"))),
            "SELECT 1 AS a",
        ),
        ("allow_experimental_eval_table_function=1".to_owned(), "SELECT 1"),
        ("input_format_values_interpret_expressions=1".to_owned(), "SELECT 1"),
    ] {
        // The first two are not the writer's either.
        let answer = store.ask(&format!("{READER}&{parameter}"), sql);
        assert!(
            answer.status != 200 && !answer.text().contains("SECRETFILE"),
            "{parameter}: {}",
            answer.text()
        );
        let answer = store.ask(&format!("{READER}&session_id=t&{parameter}"), sql);
        assert!(
            answer.status != 200 && !answer.text().contains("SECRETFILE"),
            "{parameter}: {}",
            answer.text()
        );
        assert!(!store.ask(&parameter, sql).text().contains("SECRETFILE"), "{parameter}");
    }
    // A table that comes with the query is data, not expressions.
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x\"\r\n\r\n(file('{path}'))\r\n--b--\r\n"
    );
    let query = encode("SELECT * FROM x");
    let path = format!("/?{READER}&x_structure=a+String&x_format=Values&query={query}");
    let header = "Content-Type: multipart/form-data; boundary=b\r\n";
    let answer = http::post(store.address(), &path, header, form.as_bytes()).unwrap();
    assert!(answer.status != 200 && !answer.text().contains("SECRETFILE"), "{}", answer.text());
}

#[test]
fn not_even_the_writer_reaches_outside_of_the_store() {
    let store = with_data();
    for sql in [
        "SELECT file('/etc/passwd')",
        "SELECT * FROM eval('SELECT file(''/etc/passwd'')') SETTINGS allow_experimental_eval_table_function = 1",
        "SELECT 1 AS a SETTINGS additional_result_filter = 'throwIf(1, file(''/etc/passwd''))'",
        "SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '/etc/passwd'",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "INSERT INTO FUNCTION file('/tmp/x', 'TSV', 'a UInt8') VALUES (1)",
        "INSERT INTO footfall.t VALUES (1, file('/etc/passwd'))",
        "CREATE TABLE footfall.f (a String) ENGINE = File(TSV, '/etc/passwd')",
        "CREATE TABLE footfall.f (a String) ENGINE = URL('http://127.0.0.1:1/', TSV)",
        "CREATE DATABASE f ENGINE = Filesystem('/etc')",
        "CREATE DICTIONARY footfall.d (a UInt64, b String) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "CREATE USER evil",
    ] {
        let answer = store.ask("", sql);
        assert_ne!(answer.status, 200, "{sql}: {}", answer.text());
        assert!(!answer.text().contains("root:"), "{sql}: {}", answer.text());
    }
}

/// A form with fields, without a table.
fn form(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).collect::<String>() + "--b--\r\n"
}

#[test]
fn no_other_wording_gets_a_file_past_the_checks() {
    let store = with_data();
    let file = store.directory.path().join("outside");
    std::fs::write(&file, "SECRETFILE").unwrap();
    let path = file.display();
    for sql in [
        format!("SELECT \u{201c}file\u{201d}('{path}')"),
        format!("SELECT arrayMap(\u{201c}file\u{201d}, ['{path}'])"),
        format!("SELECT 1, // '\nfile('{path}')"),
        format!("SELECT 1, # '\nfile('{path}')"),
        format!("SELECT 1, \u{2212}\u{2212} '\nfile('{path}')"),
        format!("SELECT arrayMap(file, ['{path}'])"),
        format!("SELECT arrayMap(`file`, ['{path}'])"),
        format!("SELECT arrayMap(`f\\x69le`, ['{path}'])"),
        format!("SELECT arrayMap(x -> file(x), ['{path}'])"),
        format!("SELECT $ $'$ $, file('{path}'), $ $'$ $"),
        format!("SELECT x'41'', file('{path}') --'"),
        format!("SELECT 1e--file('{path}')"),
        format!("SELECT 1 FORMAT Protobuf SETTINGS \u{201c}output_format_schema\u{201d} = '{path}.written'"),
        format!(
            "SELECT 1 FORMAT Protobuf SETTINGS max_threads = 1, // '\noutput_format_schema = '{path}.written'"
        ),
        format!(
            "SELECT 1 FORMAT Protobuf SETTINGS max_threads = 1 ?, output_format_schema = '{path}.written'"
        ),
        format!("//\nSELECT 'x' INTO OUTFILE '{path}' TRUNCATE FORMAT TSV"),
        format!("SELECT 'x' INTO /**/ OUTFILE '{path}' TRUNCATE"),
        format!("INSERT INTO footfall.t (s) FROM INFILE '{path}' FORMAT LineAsString"),
        format!("INSERT INTO footfall.t VALUES (3, file('{path}'))"),
        "CREATE TABLE footfall.f (a String) ENGINE = \u{201c}File\u{201d}('TSV')".to_owned(),
        format!(
            "CREATE TABLE footfall.f (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '{path}.d/')"
        ),
    ] {
        for user in ["", READER, "user=footfall_reader&session_id=s", "session_id=s"] {
            let answer = store.ask(user, &sql);
            assert_ne!(answer.status, 200, "{sql} as {user}: {}", answer.text());
            assert!(!answer.text().contains("SECRETFILE"), "{sql} as {user}: {}", answer.text());
        }
    }
    let mapped = format!("SELECT arrayMap({{f:Identifier}}, ['{path}'])");
    for parameter in ["param_f=file", "param_f=FILE", "param_f=f%5Cx69le"] {
        for user in ["", READER] {
            let answer = store.ask(&format!("{user}&{parameter}"), &mapped);
            assert!(answer.status != 200 && !answer.text().contains("SECRETFILE"), "{}", answer.text());
        }
    }
    assert_eq!(store.refusal("session_id=p", "SET param_f = 'file'"), (403, 497));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "SECRETFILE");
    assert_eq!(store.text("SELECT count() FROM footfall.t"), "1\n");
}

#[test]
fn expressions_among_values_are_not_evaluated() {
    let store = with_data();
    let file = store.directory.path().join("outside");
    std::fs::write(&file, "SECRETFILE").unwrap();
    let row = format!("(7, file('{}'))", file.display());
    for format in ["VALUES", "FORMAT Values", "FORMAT VALUES", "format vAlUeS"] {
        let query = encode(&format!("INSERT INTO footfall.t {format}"));
        assert_ne!(store.ask(&format!("query={query}"), &row).status, 200, "{format}");
        let whole = format!("INSERT INTO footfall.t {format} {row}");
        assert_ne!(store.ask("", &whole).status, 200, "{whole}");
    }
    for setting in
        ["input_format_values_interpret_expressions", "input_format_values_deduce_templates_of_expressions"]
    {
        let query = encode("INSERT INTO footfall.t VALUES");
        assert_ne!(store.ask(&format!("query={query}&{setting}=1"), &row).status, 200);
        assert_eq!(store.refusal("session_id=v", format!("SET {setting} = 1")), (403, 497));
        let sql = format!("INSERT INTO footfall.t SETTINGS {setting} = 1 VALUES {row}");
        assert_eq!(store.refusal("", sql), (403, 497));
    }
    let form = form(&[("default_format", "VALUES"), ("query", "INSERT INTO footfall.t")]);
    let header = "Content-Type: multipart/form-data; boundary=b\r\n";
    assert!(
        !http::post(store.address(), "/", header, form.as_bytes()).unwrap().text().contains("SECRETFILE")
    );
    store.text("INSERT INTO footfall.t VALUES (8, 'it''s'), (9, ''), (10, 'a\\'b');");
    assert_eq!(store.text("SELECT count(), countIf(s LIKE '%SECRET%') FROM footfall.t"), "4\t0\n");
}

#[test]
fn a_form_brings_no_settings_within_a_format() {
    let store = with_data();
    let header = "Content-Type: multipart/form-data; boundary=b\r\n";
    let injected = "TSV SETTINGS max_execution_time=777";
    for user in ["", READER] {
        let form =
            form(&[("default_format", injected), ("query", "SELECT getSetting('max_execution_time')")]);
        let answer = http::post(store.address(), &format!("/?{user}"), header, form.as_bytes()).unwrap();
        assert_eq!(refusal(&answer), (404, 73), "{}", answer.text());
        let table =
            "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x\"\r\n\r\n1\n\r\n--b--\r\n";
        for (structure, format) in [
            ("a String", injected),
            ("a String) ENGINE = Memory AS SELECT s AS a FROM footfall.t --", "TSV"),
            ("a String // '", "TSV"),
        ] {
            let path = format!(
                "/?{user}&x_structure={}&x_format={}&query={}",
                encode(structure),
                encode(format),
                encode("SELECT * FROM x")
            );
            let answer = http::post(store.address(), &path, header, table.as_bytes()).unwrap();
            assert_ne!(answer.status, 200, "{structure} {format}: {}", answer.text());
        }
    }
}

#[test]
fn a_reader_gets_no_other_role() {
    let store = with_data();
    let secret = "SELECT s FROM private.t";
    for parameters in
        ["role=writer", "role=reader&role=writer", "role=default", "role=", "session_id=r&role=writer"]
    {
        let answer = store.ask(&format!("{READER}&{parameters}"), secret);
        assert_ne!(answer.status, 200, "{parameters}: {}", answer.text());
        assert!(!answer.text().contains("secret"), "{parameters}: {}", answer.text());
    }
    let header = "Content-Type: multipart/form-data; boundary=b\r\n";
    let form = form(&[("role", "writer"), ("query", secret)]);
    let answer = http::post(store.address(), &format!("/?{READER}"), header, form.as_bytes()).unwrap();
    assert_eq!(refusal(&answer), (403, 497));
    assert_eq!(store.text_with(&format!("{READER}&role=reader"), "SELECT s FROM footfall.t"), "public\n");
    let session = format!("{READER}&session_id=q");
    assert_eq!(store.text_with(&format!("{session}&role=reader"), "SELECT s FROM footfall.t"), "public\n");
    assert_ne!(store.ask(&session, secret).status, 200);
    assert_eq!(store.text_with("role=reader", "SELECT s FROM footfall.t"), "public\n");
}

#[test]
fn unknown_users_and_pages_are_turned_away() {
    let store = store();
    assert_eq!(store.refusal("user=nobody", "SELECT 1"), (403, 516));
    let basic = "Authorization: Basic bm9ib2R5Og==\r\n";
    assert_eq!(refusal(&http::post(store.address(), "/", basic, b"SELECT 1").unwrap()), (403, 516));
    let page = "Origin: https://evil.example\r\n";
    assert_eq!(refusal(&http::post(store.address(), "/", page, b"SELECT 1").unwrap()), (403, 497));
    let writer = "X-ClickHouse-User: footfall_writer\r\n";
    assert_eq!(http::post(store.address(), "/", writer, b"SELECT 1").unwrap().text(), "1\n");
}

#[test]
fn a_page_that_rebinds_its_name_gets_no_answer() {
    let store = store();
    for (host, status) in
        [("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost", 200), ("[::1]:1", 200)]
    {
        for path in ["/ping", "/", "/?query=SELECT%201", "/replicas_status"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let answer = http::exchange(store.address(), request.as_bytes()).unwrap();
            assert_eq!(answer.status, status, "{host} {path}: {}", answer.text());
        }
    }
    let request = format!("GET /ping HTTP/1.1\r\nHost: {}\r\n\r\n", store.address());
    let answer = http::exchange(store.address(), request.as_bytes()).unwrap();
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_store_leaves_no_file_outside_of_its_directory() {
    let store = with_data();
    store.text("SELECT sum(a) FROM footfall.t GROUP BY s");
    let entries = std::fs::read_dir(store.directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["store", "store.log"]);
}

#[test]
fn with_a_password_file_only_those_in_it_may_come() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passwords");
    std::fs::write(&file, "footfall_writer:w\nfootfall_reader:r\n").unwrap();
    let listen = ports::free();
    let mut child = Command::new(env!("CARGO_BIN_EXE_footfall"))
        .args(["embedded", "--listen", &listen.to_string(), "--data"])
        .arg(directory.path().join("store"))
        .arg("--password-file")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the store answers", std::time::Duration::from_secs(60), || {
        http::get(listen, "/ping").is_ok_and(|answer| answer.status == 200)
    });
    let ask = |headers: &str| http::post(listen, "/", headers, b"SELECT 1").unwrap();
    let good = ask("X-ClickHouse-User: footfall_writer\r\nX-ClickHouse-Key: w\r\n");
    let reader = ask("Authorization: Basic Zm9vdGZhbGxfcmVhZGVyOnI=\r\n");
    let wrong = ask("X-ClickHouse-User: footfall_writer\r\nX-ClickHouse-Key: r\r\n");
    let nobody = ask("");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((good.text().as_str(), reader.text().as_str()), ("1\n", "1\n"));
    assert_eq!((refusal(&wrong), refusal(&nobody)), ((403, 516), (403, 516)));
}

#[test]
fn a_listener_open_to_others_needs_a_password_file() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_footfall"))
        .args(["embedded", "--listen", "0.0.0.0:0", "--data"])
        .arg(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--password-file"), "{output:?}");
}

#[test]
fn a_second_process_on_the_same_data_is_told_so() {
    let store = store();
    let output = Command::new(env!("CARGO_BIN_EXE_footfall"))
        .args(["embedded", "--listen", &ports::free().to_string(), "--data"])
        .arg(store.directory.path().join("store"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use by another"), "{output:?}");
    assert_eq!(store.text("SELECT 1"), "1\n");
}
