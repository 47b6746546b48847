//! A cluster that grows, as collectors see it.

use std::time::Duration;

use footfall::store::schema;
use jiff::tz::TimeZone;

use crate::common::{Collector, StoreProcess, eventually, good_beacon, http};

const PATIENCE: Duration = Duration::from_secs(90);

/// A collector of a cluster whose addresses of these shards it has.
fn collector(shards: &[StoreProcess]) -> Collector {
    let urls: Vec<_> = shards.iter().map(|shard| format!("\"http://{}\"", shard.store.listen)).collect();
    let store = format!("url = [{}]\nuser = \"admin\"\ncluster = \"main\"", urls.join(", "));
    Collector::with_store(shards[0].store, &store, "timezone = \"UTC\"\n")
}

/// What `/readyz` says of the closing of days.
fn closing(collector: &Collector) -> (bool, String) {
    let answer = http::get(collector.admin, "/readyz").unwrap().json();
    let days = &answer["checks"]["days"];
    (days["ok"] == true, days["detail"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_collector_that_lacks_the_addresses_of_a_new_shard_names_them_and_ships() {
    let directory = tempfile::tempdir().unwrap();
    let mut shards = StoreProcess::grown_shards(directory.path(), 2, 3);
    shards.iter_mut().for_each(StoreProcess::start);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for known in [&shards[..2], &shards] {
        let client = StoreProcess::client_of(known);
        runtime.block_on(schema::migrate(&client, &TimeZone::UTC)).unwrap();
    }
    let mut lacking = collector(&shards[..2]);
    lacking.start();
    let address = format!("shard 3 at http://{}", shards[2].store.listen);
    eventually("it says what it lacks", PATIENCE, || closing(&lacking).1.contains(&address));
    assert!(!closing(&lacking).0);
    assert!(lacking.log().contains(&address), "{}", lacking.log());
    let headers = "Origin: https://clinic.example\r\nContent-Type: text/plain\r\nUser-Agent: Mozilla/5.0 (X11) Firefox/145.0\r\n";
    let beacon = good_beacon("clinic", 1, 0, "/");
    let answer = http::post(lacking.listen, "/b", headers, beacon.as_bytes()).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
    eventually("its event is shipped", PATIENCE, || {
        shards[0].store.number("SELECT count() FROM events") == 1
    });
    let checked = lacking.command(&["config", "check"]);
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.contains(&address) && checked.contains("store.url"), "{checked}");

    let mut knowing = collector(&shards);
    knowing.start();
    eventually("days are closed", PATIENCE, || closing(&knowing) == (true, "days are closed".to_owned()));
}
