//! Published figures: how they are made, what a viewer may ask, and how far two attackers get.

mod attack;
mod attackers;
mod closing;
mod cost;
mod facts;
mod page;
mod publishing;
mod viewer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use footfall::access::{Principal, Role, TokenHolder};
use footfall::config::StoreConfig;
use footfall::event::{COLUMNS, DeviceClass, EventKind, EventRow, UnixDay, UnixSeconds};
use footfall::operator::respond_with_reports;
use footfall::report::Reports;
use footfall::store::days::{DayCloser, NoiseKey, OpenDays, Publisher};
use footfall::store::{Client, RowFormat, schema};
use http_body_util::BodyExt;
use hyper::Request;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::common::StoreProcess;

const SITE: &str = "clinic";
/// When days of the tests are closed.
const LATER: &str = "2026-11-20T12:00:00Z";

/// A visitor of one day.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub visitor: u64,
    pub country: &'static str,
    pub browser: &'static str,
    pub device: DeviceClass,
    pub source: &'static str,
    pub channel: &'static str,
    /// In the order in which they were read.
    pub pages: Vec<&'static str>,
}

impl Person {
    /// A person who is like most others and has read the front page.
    pub fn common(visitor: u64) -> Self {
        Self {
            visitor,
            country: "RU",
            browser: "Chrome",
            device: DeviceClass::Desktop,
            source: "Direct",
            channel: "Direct",
            pages: vec!["/"],
        }
    }

    pub fn reading(mut self, pages: &[&'static str]) -> Self {
        self.pages = pages.to_vec();
        self
    }
}

/// A store with tables and the figures of a viewer and of an analyst.
pub struct World {
    process: StoreProcess,
    directory: tempfile::TempDir,
    client: Client,
    reports: Reports,
    inserted: std::sync::atomic::AtomicU32,
}

impl World {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = StoreProcess::new(&directory.path().join("store"));
        process.start();
        let client = Client::new(&StoreConfig::embedded(process.store.listen));
        schema::migrate(&client, &TimeZone::UTC).await.unwrap();
        let reports = Reports::new(client.reader(), TimeZone::UTC, &[SITE]).unwrap();
        Self { process, directory, client, reports, inserted: 0.into() }
    }

    pub fn publisher(&self, k: u32) -> Publisher {
        let file = self.directory.path().join("noise.key");
        if !file.exists() {
            // Figures of attackers are the same in each run.
            private_file(&file, &format!("noise_{:0>43}", seed()));
        }
        Publisher::new(NoiseKey::open_file(&file).unwrap(), k)
    }

    /// Stores what people did on a day at a site.
    pub async fn insert(&self, site: &str, day: Date, people: &[Person]) {
        let mut rows = Vec::new();
        people.iter().for_each(|person| encode(site, day, person, &mut rows));
        let number = self.inserted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut insert =
            self.client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, &format!("{number}"));
        insert.send(rows.into()).await.unwrap();
        insert.end().await.unwrap();
    }

    /// Closes the days that are due.
    pub async fn close(&self) {
        self.close_with(5).await;
    }

    pub async fn close_with(&self, k: u32) {
        let closer = DayCloser::new(self.client.clone(), TimeZone::UTC).unwrap();
        closer.with_publisher(Some(self.publisher(k))).close_due(LATER.parse().unwrap()).await.unwrap();
    }

    /// Computes a day that is open at a moment.
    pub async fn compute_open(&self, now: &str) {
        let publisher = Some(self.publisher(5));
        let open_days = OpenDays::with_publisher(self.client.clone(), TimeZone::UTC, publisher).unwrap();
        open_days.compute(now.parse().unwrap()).await.unwrap();
    }

    pub fn rows(&self, sql: &str) -> Vec<String> {
        self.process.store.rows(sql)
    }

    pub async fn execute(&self, sql: &str) {
        let statement = self.client.query(sql);
        statement.execute().await.unwrap();
    }

    /// The answer of the API: its status and body.
    pub async fn get(&self, path: &str, principal: &Principal) -> (u16, Value) {
        let request = Request::builder().uri(path).body(()).unwrap();
        let response = respond_with_reports(&self.reports, None, request, principal).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    pub async fn viewer(&self, path: &str) -> (u16, Value) {
        self.get(path, &principal(Role::Viewer)).await
    }

    /// The rows of a report for a viewer, which must be answered.
    pub async fn viewer_rows(&self, path: &str) -> Vec<Value> {
        self.rows_for(Role::Viewer, path).await
    }

    /// The rows of a report for a role, which must be answered.
    pub async fn rows_for(&self, role: Role, path: &str) -> Vec<Value> {
        let (status, answer) = self.get(path, &principal(role)).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer["rows"].as_array().unwrap().clone()
    }
}

/// `TEST_SEED`, or 1.
pub fn seed() -> u64 {
    std::env::var("TEST_SEED").map_or(1, |seed| seed.parse().expect("TEST_SEED must be a number"))
}

fn private_file(path: &Path, text: &str) {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

pub fn principal(role: Role) -> Principal {
    Principal::Token(Arc::new(TokenHolder { name: role.name().to_owned(), role, sites: Vec::new() }))
}

/// A count of each row of an answer, by the row's first column.
pub fn by_name(rows: &[Value], name: &str, count: &str) -> BTreeMap<String, u64> {
    let pair = |row: &Value| (row[name].as_str().unwrap().to_owned(), row[count].as_u64().unwrap());
    rows.iter().map(pair).collect()
}

/// A person's views, a minute apart, each followed by its leave.
fn encode(site: &str, day: Date, person: &Person, rows: &mut Vec<u8>) {
    let morning = day.at(9, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
    for (number, path) in person.pages.iter().enumerate() {
        let second = morning + (person.visitor % 36_000) as i64 + 60 * number as i64;
        for (kind, engaged_ms, later) in [(EventKind::View, 0, 0), (EventKind::Leave, 20_000, 30)] {
            let time = UnixSeconds::from_millis((second + later) * 1000);
            let row = EventRow {
                page_load: person.visitor.wrapping_mul(1_000).wrapping_add(number as u64),
                seq: later as u32,
                time,
                received: time,
                expires: UnixDay(u16::MAX - 1),
                site,
                host: "clinic.example",
                path,
                kind,
                engaged_ms,
                visitor: person.visitor,
                country: person.country,
                browser: person.browser,
                device: person.device,
                source: person.source,
                channel: person.channel,
                ..EventRow::default()
            };
            row.encode(rows);
        }
    }
}
