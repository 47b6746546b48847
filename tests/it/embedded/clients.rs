//! Clients that others wrote, unchanged: the clickhouse crate, clickhouse-connect for Python, curl.

use std::process::Command;

use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};

use super::store;

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Event {
    id: u64,
    name: String,
    tags: Vec<(String, String)>,
    score: Option<f32>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clickhouse_crate_writes_and_reads() {
    let store = tokio::task::spawn_blocking(store).await.unwrap();
    for compression in [Compression::None, Compression::Lz4] {
        let client = Client::default()
            .with_url(format!("http://{}", store.address()))
            .with_user("footfall_writer")
            .with_compression(compression);
        client.query("CREATE OR REPLACE TABLE t (id UInt64, name String, tags Array(Tuple(String, String)), score Nullable(Float32)) ENGINE = MergeTree ORDER BY id").execute().await.unwrap();
        let event = |id: u64| Event {
            id,
            name: format!("it's\n\n'{id}'"),
            tags: vec![("k".to_owned(), "v".to_owned())],
            score: id.is_multiple_of(2).then_some(0.5),
        };
        let mut insert = client.insert::<Event>("t").await.unwrap();
        for id in 0..10_000 {
            insert.write(&event(id)).await.unwrap();
        }
        insert.end().await.unwrap();
        let found: Vec<Event> = client
            .query("SELECT ?fields FROM t WHERE id IN (7, 8) AND name != {name:String} ORDER BY id")
            .param("name", "'; DROP TABLE t")
            .fetch_all()
            .await
            .unwrap();
        assert_eq!(found, [event(7), event(8)]);
        let count: u64 = client.query("SELECT count() FROM t").fetch_one().await.unwrap();
        assert_eq!(count, 10_000);
        let error = client.query("SELECT * FROM nothing").execute().await.unwrap_err().to_string();
        assert!(error.contains("UNKNOWN_TABLE"), "{error}");
    }
    tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
}

#[test]
fn clickhouse_connect_for_python_works() {
    let store = store();
    let python = std::env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/store.py");
    let output = Command::new(&python).arg(script).arg(store.address().to_string()).output().unwrap();
    assert!(
        output.status.success(),
        "{python} with tests/python/requirements.txt installed is needed (TEST_PYTHON names it):\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
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
    assert_eq!(curl(&[&url]), "Ok.\n");
    assert_eq!(curl(&[&format!("{url}?query=SELECT%201")]), "1\n");
    assert_eq!(curl(&[&url, "-d", "SELECT 1 FORMAT JSONEachRow"]), "{\"1\":1}\n");
    assert_eq!(curl(&["-u", "footfall_reader:", &url, "-d", "SELECT 2"]), "2\n");
    curl(&[&url, "-d", "CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a"]);
    curl(&[&format!("{url}?query=INSERT%20INTO%20t%20FORMAT%20TSV"), "--data-binary", "1\tx\n2\ty\n"]);
    assert_eq!(
        curl(&[
            "-G",
            &url,
            "--data-urlencode",
            "query=SELECT b FROM t WHERE a = {a:UInt8}",
            "-d",
            "param_a=2"
        ]),
        "y\n"
    );
    assert!(curl(&[&url, "-d", "SELECT"]).starts_with("Code: 62. DB::Exception"));
}
