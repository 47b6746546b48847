//! Clients that others wrote, unchanged, against both servers: `tests/clients` has a program for each.

use std::process::Command;

use super::{Running, store};
use crate::common::StoreProcess;
use crate::common::store::{ADMIN_WITH_PASSWORD, READER};

/// Runs a program of `tests/clients` with the addresses and users of a store.
#[track_caller]
fn run(interpreter: &str, program: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (mut process, native) = StoreProcess::with_native(&directory.path().join("store"));
    process.start();
    let store = Running { process, directory };
    store.text("CREATE DATABASE footfall");
    let http = store.address();
    let (user, password) = ADMIN_WITH_PASSWORD;
    let output = Command::new(interpreter)
        .arg(format!("{}/tests/clients/{program}", env!("CARGO_MANIFEST_DIR")))
        .envs([("HOST", http.ip().to_string()), ("HTTP_PORT", http.port().to_string())])
        .envs([("NATIVE_PORT", native.port().to_string()), ("ADMIN_USER", user.to_owned())])
        .envs([("ADMIN_PASSWORD", password), ("READER_USER", READER), ("READER_PASSWORD", "")])
        .output()
        .unwrap_or_else(|error| panic!("{interpreter}: {error}"));
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && said.contains("ok "),
        "{program} failed (`make unit` installs what it needs, TEST_PYTHON names the interpreter):\n{said}"
    );
    println!("{said}");
}

#[track_caller]
fn run_python(program: &str) {
    run(&std::env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned()), program);
}

#[test]
fn clickhouse_connect_works_over_http() {
    run_python("clickhouse_connect_http.py");
}

#[test]
fn clickhouse_driver_works_over_the_native_protocol() {
    run_python("clickhouse_driver_native.py");
}

#[test]
fn aiochclient_works_with_and_without_compressed_answers() {
    run_python("aiochclient_http.py");
}

#[test]
fn sqlalchemy_works_over_both_protocols() {
    run_python("sqlalchemy_dialects.py");
}

#[test]
fn pandas_reads_and_writes_frames() {
    run_python("pandas_frames.py");
}

#[test]
fn what_clickhouse_go_sends_is_answered_as_it_expects() {
    run_python("clickhouse_go_handshake.py");
}

#[test]
fn the_client_for_node_works_with_each_compression() {
    run("node", "clickhouse_js.mjs");
}

#[test]
fn the_clickhouse_crate_passes_its_own_tests() {
    run_python("clickhouse_crate.py");
}

#[test]
fn curl_works_as_clickhouse_s_manual_uses_it() {
    let store = store();
    let url = format!("http://{}/", store.address());
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl").args(["-sS", "--compressed"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let admin = "X-ClickHouse-User: admin";
    assert_eq!(curl(&[&url]), "Ok.\n");
    assert_eq!(curl(&["-H", admin, &format!("{url}?query=SELECT%201")]), "1\n");
    assert_eq!(curl(&["-H", admin, &url, "-d", "SELECT 1 FORMAT JSONEachRow"]), "{\"1\":1}\n");
    assert_eq!(curl(&["-u", "footfall_analyst:", &url, "-d", "SELECT 2"]), "2\n");
    curl(&["-H", admin, &url, "-d", "CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a"]);
    let insert = format!("{url}?query=INSERT%20INTO%20t%20FORMAT%20TSV");
    curl(&["-H", admin, &insert, "--data-binary", "1\tx\n2\ty\n"]);
    let parameter = "query=SELECT b FROM t WHERE a = {a:UInt8}";
    assert_eq!(curl(&["-H", admin, "-G", &url, "--data-urlencode", parameter, "-d", "param_a=2"]), "y\n");
    assert!(curl(&["-H", admin, &url, "-d", "SELECT"]).starts_with("Code: 62. DB::Exception"));
}
