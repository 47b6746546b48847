//! Clients that others wrote, unchanged.

use std::process::Command;

use super::store;

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
    curl(&[
        "-H",
        admin,
        &format!("{url}?query=INSERT%20INTO%20t%20FORMAT%20TSV"),
        "--data-binary",
        "1\tx\n2\ty\n",
    ]);
    let parameter = "query=SELECT b FROM t WHERE a = {a:UInt8}";
    assert_eq!(curl(&["-H", admin, "-G", &url, "--data-urlencode", parameter, "-d", "param_a=2"]), "y\n");
    assert!(curl(&["-H", admin, &url, "-d", "SELECT"]).starts_with("Code: 62. DB::Exception"));
}
