//! A store whose process is suspended keeps its connections open and answers nothing. No task waits for it longer than a store may be silent, and each says
//! which one it was.

use std::error::Error;
use std::time::Duration;

use footfall::config::{PathTemplate, PathTemplates, Site};
use footfall::event::{COLUMNS, EventRow, UnixDay, UnixSeconds};
use footfall::privacy::SubjectScope;
use footfall::privacy::fleet::FleetId;
use footfall::report::{RawReportRequest, Reports};
use footfall::store::backup::{self, BackupPlace};
use footfall::store::days::{make_due, while_no_day_is_closed};
use footfall::store::fleet::FleetStore;
use footfall::store::history::{self, HistoryError};
use footfall::store::reconcile::Reconciliation;
use footfall::store::retention::RetentionStore;
use footfall::store::subject::SubjectStore;
use footfall::store::{Client, RowFormat, audit, incident, schema};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::common::{StoreProcess, with_causes};

/// Two months, so that a change of history has two steps.
const NOONS: [&str; 2] = ["2026-09-20T12:00:00Z", "2026-10-20T12:00:00Z"];
/// Visitors of each of them, so that each of two shards has some.
const VISITORS: u64 = 20;

fn site() -> Site {
    let paths = PathTemplates(vec![PathTemplate::parse("/patients/:id").unwrap()]);
    Site { id: "clinic".into(), paths, ..Site::localhost() }
}

async fn fill(client: &Client) {
    let mut rows = Vec::new();
    for (noon, visitor) in NOONS.iter().flat_map(|noon| (1..=VISITORS).map(move |visitor| (noon, visitor))) {
        let second = u32::try_from(noon.parse::<Timestamp>().unwrap().as_second()).unwrap();
        let row = EventRow {
            page_load: u64::from(second) << 8 | visitor,
            time: UnixSeconds(second),
            received: UnixSeconds(second),
            expires: UnixDay(u16::MAX),
            site: "clinic",
            path: "/patients/anna",
            visitor,
            ..EventRow::default()
        };
        row.encode(&mut rows);
    }
    let mut insert = client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, "first");
    insert.send(rows.into()).await.unwrap();
    insert.end().await.unwrap();
}

/// What a task did not do, and why.
fn failed<T, E: Error + 'static>(result: Result<T, E>) -> String {
    with_causes(&result.err().expect("a suspended store does nothing"))
}

fn silent(store: &StoreProcess) -> String {
    format!("http://{} has not answered for", store.store.listen)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_gives_up_a_suspended_store_and_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let patient = client(&store);
    schema::migrate(&patient, &TimeZone::UTC).await.unwrap();
    store.freeze();
    let client = patient.with_longest_silence(Duration::from_secs(1));
    let (site, zone) = (site(), TimeZone::UTC);
    let scope = SubjectScope::Site { site: "clinic".to_owned() };
    let subjects = SubjectStore::new(client.clone(), zone.clone(), None).unwrap();
    let retention = RetentionStore::new(client.clone());
    let reports = Reports::new(client.reader(), zone.clone(), &["clinic"]).unwrap();
    let overview = RawReportRequest { report: "overview".to_owned(), ..RawReportRequest::default() };
    let overview = reports.parse(&overview).unwrap();
    let fleet = FleetStore::new(client.clone());
    let place = BackupPlace::Files("backup".to_owned());
    let day = "2026-10-20".parse().unwrap();
    let spool = directory.path().join("spool");
    let found = [
        ("scrub --apply", failed(history::apply(&client, &site, |_, _| Ok(()), |_, _| {}).await)),
        ("scrub --dry-run", failed(history::preview(&client, &site, 5).await)),
        ("scrub suggest", failed(history::suggest(&client, "clinic", 30).await)),
        ("days that are due", failed(make_due(&client, &[20_000]).await)),
        ("the lease", failed(while_no_day_is_closed(&client, async {}).await)),
        ("retention in hours", failed(retention.delete_before("clinic", 0).await)),
        ("what expired", failed(retention.expired_unrecorded(1, 20_000).await)),
        ("retention --dry-run", failed(retention.expiring().await)),
        ("a visitor's rows", failed(subjects.count(&scope).await)),
        ("a visitor's export", failed(subjects.rows("events", &scope).await)),
        ("erasing", failed(subjects.erase(&scope, "1").await)),
        ("verify", failed(Reconciliation::read(&client, &spool, 0..=u16::MAX).await)),
        ("the audit", failed(audit::read(&client).await)),
        ("an incident", failed(incident::affected(&client, (day, day), None).await)),
        ("a fleet", failed(fleet.randomness(FleetId::from([1; 8]), 1..=2).await)),
        ("migrate", failed(schema::migrate(&client, &zone).await)),
        ("migrate --plan", failed(schema::plan(&client, &zone).await)),
        ("backup", failed(backup::save(&client, &place).await)),
        ("restore", failed(backup::load(&client, "footfall", &place).await)),
        ("a report", failed(reports.run(overview).await)),
    ];
    store.thaw();
    for (task, error) in found {
        assert!(error.contains(&silent(&store)), "{task}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_suspended_while_history_changes_is_named_and_the_change_is_completed_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut shards = StoreProcess::shards(directory.path(), 2);
    shards.iter_mut().for_each(StoreProcess::start);
    let client = StoreProcess::client_of(&shards);
    schema::migrate(&client, &TimeZone::UTC).await.unwrap();
    fill(&client).await;
    // Long enough for a store on a busy machine, which is not suspended.
    let impatient = client.clone().with_longest_silence(Duration::from_secs(10));
    // After its rows were found, and before they are changed.
    let suspend = |_, _| {
        shards[1].freeze();
        Ok(())
    };
    let error = failed::<_, HistoryError>(history::apply(&impatient, &site(), suspend, |_, _| {}).await);
    shards[1].thaw();
    assert!(error.contains(&silent(&shards[1])), "{error}");
    // As if the lease had run out.
    client.query("INSERT INTO settings SELECT 'day_closer', '', now64(3)").execute().await.unwrap();
    let applied = history::apply(&client, &site(), |_, _| Ok(()), |_, _| {}).await.unwrap();
    assert!(applied.is_interrupted);
    let paths = "SELECT path, count() FROM events GROUP BY path";
    let expected = format!("/patients/:id\t{}", VISITORS * NOONS.len() as u64);
    assert_eq!(shards[0].store.rows(paths), [expected]);
}

fn client(store: &StoreProcess) -> Client {
    crate::store::ship::client(store.store.listen)
}
