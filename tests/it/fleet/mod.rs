//! Two collectors behind one balancer, with one store and one key.

mod deploy;
mod sizes;

use std::time::Duration;

use footfall::config::StoreConfig as Settings;
use footfall::secret::Secret;
use footfall::store::Client;
use footfall::store::days::DayCloser;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::common::{Collector, StoreProcess, eventually, good_beacon, http, noon_zone};

const PATIENCE: Duration = Duration::from_secs(90);

struct Fleet {
    _directory: tempfile::TempDir,
    store: StoreProcess,
    members: [Collector; 2],
}

impl Fleet {
    /// Members without a key.
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StoreProcess::new(&directory.path().join("store"));
        store.start();
        let settings =
            format!("timezone = {:?}\nkey_fleet = true\n[spool]\nseal_after = \"500ms\"\n", noon_zone());
        let of_store = crate::common::StoreClient::without_password(store.store.listen);
        let members = std::array::from_fn(|_| {
            let mut member = Collector::shipping_to(of_store, &settings);
            member.spawn();
            member
        });
        Self { _directory: directory, store, members }
    }

    fn health(&self, member: usize) -> String {
        http::get(self.members[member].admin, "/readyz").map(|answer| answer.text()).unwrap_or_default()
    }

    /// The value of a member's `key status`.
    fn status(&self, member: usize, name: &str) -> serde_json::Value {
        let status = run(&self.members[member], &["key", "status", "--format", "json"]);
        serde_json::from_str::<serde_json::Value>(&status).unwrap()[name].clone()
    }

    /// Gives the first member's key to the second one. Returns the sealed text.
    fn join(&self) -> String {
        let [one, two] = &self.members;
        let request = run(two, &["key", "import", "--request"]);
        let sealed = run(one, &["key", "export", "--for", request.trim()]);
        std::fs::write(two.path("sealed"), &sealed).unwrap();
        run(two, &["key", "import", "sealed"]);
        sealed
    }
}

#[track_caller]
fn run(collector: &Collector, arguments: &[&str]) -> String {
    let output = collector.command(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn members_refuse_beacons_without_a_key_and_make_the_same_pseudonyms_with_it() {
    let mut fleet = Fleet::start();
    for member in 0..2 {
        eventually("it says what to do", PATIENCE, || {
            fleet.health(member).contains("footfall key import --request")
        });
        let answer = fleet.members[member].beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap();
        assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{}", answer.text());
        assert!(fleet.members[member].metrics().contains("footfall_key_present 0"));
    }
    let refused = fleet.members[0].command(&["key", "status"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("key import"));
    assert!(!fleet.members[0].command(&["key", "rotate"]).status.success());

    run(&fleet.members[0], &["key", "init"]);
    let sealed = fleet.join();
    let again = fleet.members[1].command(&["key", "import", "--replace", "sealed"]);
    assert!(!again.status.success(), "a sealed key is opened once");
    for member in &mut fleet.members {
        member.wait_until_ready();
    }
    assert_eq!(fleet.status(0, "fingerprint"), fleet.status(1, "fingerprint"));

    // The answer to the beacon was lost, and the balancer gives the repeated one to the other member.
    let both = good_beacon("clinic", 7, 0, "/booking");
    for member in &fleet.members {
        assert_eq!(member.beacon(&both).unwrap().status, 204);
    }
    assert_eq!(fleet.members[1].beacon(&good_beacon("clinic", 8, 0, "/a")).unwrap().status, 204);
    let store = fleet.store.store;
    let number =
        |sql: &str| store.query(sql).ok().and_then(|body| String::from_utf8(body).ok()?.trim().parse().ok());
    eventually("all are stored", PATIENCE, || number("SELECT count() FROM events") == Some(3_u64));
    assert_eq!(number("SELECT uniqExact(visitor) FROM events"), Some(1), "one visitor for both members");
    assert_eq!(number("SELECT uniqExact(event_id) FROM events"), Some(2));
    assert_eq!(number("SELECT uniqExact(collector) FROM events"), Some(2));

    close(&fleet);
    assert_eq!(number("SELECT count() FROM events"), Some(2), "closing the day removes the repeated one");
    assert_eq!(number("SELECT sum(events) FROM removed_events FINAL WHERE reason = 'duplicate'"), Some(1));
    assert_eq!(number("SELECT sum(visits) FROM daily WHERE dimension = 'total'"), Some(1));
    assert_eq!(number("SELECT sum(views) FROM daily WHERE dimension = 'total'"), Some(2));

    // Both members have noted the same number of each coming day.
    eventually("three midnights need no store", PATIENCE, || {
        (0..2).all(|member| fleet.status(member, "midnights_without_store") == 3)
    });
    // The first ones came with the key; a member tells the store later.
    eventually("the store has one number of each day", PATIENCE, || {
        number("SELECT if(count() = uniqExact(day), count(), 0) FROM fleet_randomness") == Some(3)
    });
    let noted = |member: usize| std::fs::read(fleet.members[member].path("key").join("randomness")).unwrap();
    assert_eq!(noted(0), noted(1));

    // The audit has each step, and nothing secret.
    for action in ["fleet begun", "fleet key exported", "fleet key imported"] {
        let sql = format!("SELECT count() FROM audit WHERE action = '{action}'");
        eventually(action, PATIENCE, || number(&sql) == Some(1));
    }
    eventually("both have a key", PATIENCE, || {
        number("SELECT count() FROM audit WHERE action = 'key began'") == Some(2)
    });
    let details = store.rows("SELECT detail FROM audit").join("\n");
    assert!(!details.contains(sealed.trim()));
}

/// Closes the day as a collector does after its end.
fn close(fleet: &Fleet) {
    let client = Client::new(&Settings::Server {
        urls: vec![format!("http://{}", fleet.store.store.listen)],
        database: "footfall".into(),
        user: "admin".into(),
        password: Secret::new(String::new()),
        cluster: None,
    });
    let closer = DayCloser::new(client, TimeZone::get(&noon_zone()).unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let then = Timestamp::now() + SignedDuration::from_hours(48);
    eventually("the day is closed", PATIENCE, || runtime.block_on(closer.close_due(then)).is_ok());
}
