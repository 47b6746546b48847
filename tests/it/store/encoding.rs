//! A segment's events reach the store in one block of columns, with the values and under the token that they would have row by row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use footfall::config::SpoolLimits;
use footfall::event::{
    BotCategory, COLUMNS, DeviceClass, EventKind, EventRow, ScreenClass, UniqueText, UnixDay, UnixSeconds,
};
use footfall::spool::{Durability, EventEntry, EventRecord, Spool, inspect};
use footfall::store::ship::Shipper;
use footfall::store::{Client, RowFormat};

use crate::common::StoreClient;
use crate::store::ship::{client, store};

/// Enough for numbers of four bytes in the dictionary of a column.
const MANY: u64 = 70_000;

/// Rows of one beacon.
#[derive(Default)]
struct Rows {
    bytes: Vec<u8>,
    events: Vec<EventEntry>,
}

impl Rows {
    fn add(&mut self, row: &EventRow<'_>) {
        let start = self.bytes.len();
        row.encode(&mut self.bytes);
        self.events.push(EventEntry { filter_id: row.page_load, row_len: (self.bytes.len() - start) as u32 });
    }
}

fn plain(page_load: u64) -> EventRow<'static> {
    let now = UnixSeconds::from_millis(jiff::Timestamp::now().as_millisecond());
    EventRow {
        page_load,
        time: now,
        received: now,
        expires: UnixDay(u16::MAX),
        site: "clinic",
        ..EventRow::default()
    }
}

/// A row with a value of its own in each column.
fn full(page_load: u64) -> EventRow<'static> {
    EventRow {
        seq: u32::MAX,
        kind: EventKind::Missing,
        props: &[("service", "mri"), ("service", "mri"), ("", "")],
        device: DeviceClass::Bot,
        bot_category: BotCategory::Other,
        screen: ScreenClass::From1920,
        spoofed: true,
        data_centre: true,
        cookies_enabled: true,
        cookies: &[("ab", "B")],
        ip_version: 6,
        error_message: UniqueText("не найдено"),
        error_stack: UniqueText("at a\nat b\0"),
        error_group: 7,
        lcp_ms: Some(0),
        cls: Some(0.031),
        load_ms: Some(u32::MAX),
        language: "ru-RU",
        ..plain(page_load)
    }
}

/// A spool whose only segment is sealed and holds `beacons`. Returns the segment's id.
fn sealed(directory: &std::path::Path, beacons: &[Rows]) -> (Arc<Spool>, String) {
    let limits = SpoolLimits {
        seal_rows: 500_000,
        seal_bytes: 32 << 20,
        seal_after: Duration::from_secs(3_600),
        max_bytes: 1 << 30,
        reserve: None,
    };
    let (spool, _) = Spool::open(directory, &limits).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for rows in beacons {
        let record = EventRecord { site: "clinic", events: &rows.events, rows: &rows.bytes };
        runtime.block_on(spool.append(record, Durability::Synced).unwrap()).unwrap();
    }
    spool.close();
    let id = inspect(directory).unwrap().segments.remove(0).id;
    (spool, id)
}

/// Ships what is sealed.
fn ship(spool: &Arc<Spool>, client: &Client) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(Shipper::new(spool.clone(), client.clone()).run(async {}));
    assert_eq!(spool.status().sealed, 0, "it was shipped");
}

fn insert(client: &Client, table: &str, rows: &[u8], token: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut insert = client.insert(table, &COLUMNS.join(", "), RowFormat::RowBinary, token);
        insert.send(rows.to_vec().into()).await.unwrap();
        insert.end().await.unwrap();
    });
}

/// How often the store has each event.
fn stored(store: StoreClient) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for id in store.events() {
        *counts.entry(id).or_default() += 1;
    }
    counts
}

#[test]
fn a_shipped_segment_has_the_values_that_its_rows_have() {
    let (_store, process) = store();
    let client = client(process.store.listen);
    let mut rows = Rows::default();
    rows.add(&plain(1));
    rows.add(&full(2));
    rows.add(&full(3));
    rows.add(&plain(4));
    let mut many = Vec::new();
    for chunk in 0..MANY / 1_000 {
        let mut rows = Rows::default();
        for number in (0..1_000).map(|number| 5 + chunk * 1_000 + number) {
            let (path, name) = (format!("/{number}"), format!("name-{}", number % 300));
            let lcp_ms = number.is_multiple_of(3).then_some(number as u32);
            rows.add(&EventRow { path: &path, name: &name, lcp_ms, ..plain(number) });
        }
        many.push(rows);
    }
    process.store.query("CREATE TABLE expected AS events").unwrap();
    insert(&client, "expected", &rows.bytes, "full");
    insert(&client, "expected", &many.iter().flat_map(|rows| rows.bytes.clone()).collect::<Vec<_>>(), "many");

    let directory = tempfile::tempdir().unwrap();
    many.insert(0, rows);
    let (spool, id) = sealed(directory.path(), &many);
    ship(&spool, &client);
    assert_eq!(process.store.number("SELECT count() FROM events"), MANY + 4);
    let (collector, number) = id.split_once('-').unwrap();
    let (collector, number) = (u64::from_str_radix(collector, 16).unwrap(), number.parse::<u64>().unwrap());
    let origin = format!("collector = {collector} AND segment = {number} AND copy_number = 0");
    assert_eq!(process.store.number(&format!("SELECT count() FROM events WHERE {origin}")), MANY + 4);
    for (left, right) in [("events", "expected"), ("expected", "events")] {
        let columns = "* EXCEPT (collector, segment)";
        let differing = format!(
            "SELECT count() FROM (SELECT {columns} FROM {left} EXCEPT SELECT {columns} FROM {right})"
        );
        assert_eq!(process.store.number(&differing), 0, "rows of {left} that {right} lacks");
    }
    assert_eq!(process.store.number("SELECT uniqExact(_part) FROM events"), 1, "it was one block");
}

/// A row of this month or, every third, of an earlier one: the store divides the block of a segment by month, and takes a token once for each.
fn of_two_months(number: u64) -> EventRow<'static> {
    let row = plain(number);
    let age = if number.is_multiple_of(3) { 40 * 86_400 } else { 0 };
    EventRow {
        time: UnixSeconds(row.time.0 - age),
        path: if number.is_multiple_of(2) { "/a" } else { "/b" },
        ..row
    }
}

fn beacon(numbers: impl Iterator<Item = u64>) -> Rows {
    let mut rows = Rows::default();
    numbers.for_each(|number| rows.add(&of_two_months(number)));
    rows
}

/// Another version of the program may have sent the segment first, and the answer may have been lost. Its block may even have had another
/// order.
#[test]
fn a_segment_that_was_sent_row_by_row_is_not_stored_again_as_columns() {
    let (_store, process) = store();
    let client = client(process.store.listen);
    let directory = tempfile::tempdir().unwrap();
    let once: BTreeMap<u64, u32> = (0..100).map(|id| (id, 1)).collect();
    let (spool, token) = sealed(directory.path(), &[beacon(0..100)]);
    insert(&client, "events", &beacon((0..100).rev()).bytes, &token);
    ship(&spool, &client);
    assert_eq!(stored(process.store), once, "row by row, then as columns");
    insert(&client, "events", &beacon(0..100).bytes, &token);
    assert_eq!(stored(process.store), once, "and again row by row");
    assert_eq!(process.store.number("SELECT uniqExact(_partition_id) FROM events"), 2, "months");
}

#[test]
fn a_segment_that_was_sent_as_columns_is_not_stored_again_row_by_row() {
    let (_store, process) = store();
    let client = client(process.store.listen);
    let directory = tempfile::tempdir().unwrap();
    let (spool, token) = sealed(directory.path(), &[beacon(0..100)]);
    ship(&spool, &client);
    insert(&client, "events", &beacon((0..100).rev()).bytes, &token);
    assert_eq!(stored(process.store), (0..100).map(|id| (id, 1)).collect());
    assert_eq!(process.store.number("SELECT uniqExact(_partition_id) FROM events"), 2, "months");
}
