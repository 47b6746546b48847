//! Reports over the real engine: every figure worked out by hand, on open days, on closed ones and under filters alike.

mod bots;
mod data;
mod diagnosis;
mod figures;
mod filters;
mod goals;
mod meaning;
mod model;
mod open_days;
mod pages;
mod printed;
mod tables;

use footfall::config;
use footfall::event::COLUMNS;
use footfall::report::{RawReportRequest, ReportAnswer, Reports};
use footfall::store::days::{DayCloser, OpenDays};
use footfall::store::{Client, RowFormat, schema};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::common::StoreProcess;

/// A store of its own with the tables and some rows.
pub struct Site {
    process: StoreProcess,
    _directory: tempfile::TempDir,
    zone: TimeZone,
    pub client: Client,
    pub reports: Reports,
}

impl Site {
    /// A store that holds `rows`, with each day computed as an open one.
    pub async fn with(rows: &[u8]) -> Self {
        Self::in_zone(data::ZONE, rows).await
    }

    pub async fn in_zone(zone: &str, rows: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = StoreProcess::new(&directory.path().join("store"));
        process.start();
        let client = Client::new(&config::StoreConfig::embedded(process.store.listen));
        let zone = TimeZone::get(zone).unwrap();
        schema::migrate(&client, &zone).await.unwrap();
        // Every row stands for itself, unless a test says otherwise.
        let reports = Reports::new(client.reader(), zone.clone(), &[data::SITE]).unwrap();
        let reports = reports.with_goals_of(&data::settings()).with_k(1);
        let site = Self { process, _directory: directory, zone, client, reports };
        site.insert(rows).await;
        site
    }

    /// Stores `rows` and computes each day that is not closed.
    pub async fn insert(&self, rows: &[u8]) {
        let token = format!("{} bytes", rows.len());
        let mut insert = self.client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, &token);
        insert.send(rows.to_vec().into()).await.unwrap();
        insert.end().await.unwrap();
        self.open_days().compute("2026-10-22T00:00:00Z".parse().unwrap()).await.unwrap();
    }

    pub fn open_days(&self) -> OpenDays {
        OpenDays::new(self.client.clone(), self.zone.clone()).unwrap()
    }

    pub async fn small() -> Self {
        Self::with(&data::small_site()).await
    }

    /// Closes every day that can be at a moment.
    pub async fn close(&self, now: &str) -> Vec<String> {
        let closer = DayCloser::new(self.client.clone(), self.zone.clone()).unwrap();
        let closed = closer.close_due(now.parse().unwrap()).await.unwrap();
        closed.days.iter().map(ToString::to_string).collect()
    }

    /// The answer of a report from the 24th to the 26th, with more options such as `from=2026-10-25` or `filter=country=RU`.
    pub async fn answer(&self, report: &str, options: &[&str]) -> ReportAnswer {
        let ask = self.reports.parse(&ask(report, options)).unwrap();
        self.reports.run(ask).await.unwrap_or_else(|error| panic!("{report} {options:?}: {error:?}"))
    }

    pub async fn rows(&self, report: &str, options: &[&str]) -> Vec<Vec<Value>> {
        self.answer(report, options).await.rows
    }
}

/// A request for a report from the 24th to the 26th with options.
pub fn ask(report: &str, options: &[&str]) -> RawReportRequest {
    let mut raw = RawReportRequest { report: report.to_owned(), ..RawReportRequest::default() };
    // Real time is about now.
    if report != "realtime" {
        (raw.from, raw.to) = (Some("2026-10-24".to_owned()), Some("2026-10-26".to_owned()));
    }
    for option in options {
        let (name, value) = option.split_once('=').unwrap();
        let value = value.to_owned();
        match name {
            "site" => raw.site = Some(value),
            "from" => raw.from = Some(value),
            "to" => raw.to = Some(value),
            "by" => raw.by = Some(value),
            "limit" => raw.limit = Some(value),
            "bots" => raw.bots = value == "1",
            "compare" => raw.compare = Some(value),
            "goal" => raw.goal = Some(value),
            "funnel" => raw.funnel = Some(value),
            "filter" => raw.filters.push(value),
            _ => unreachable!("no such option"),
        }
    }
    raw
}
