//! Reports over the real engine: every figure worked out by hand, on open days, on closed ones and under filters alike.

mod api;
mod bots;
mod data;
mod figures;
mod filters;
mod tables;

use footfall::config;
use footfall::event::COLUMNS;
use footfall::report::{RawReportRequest, ReportAnswer, Reports};
use footfall::store::days::DayCloser;
use footfall::store::{Client, RowFormat, schema};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::common::StoreProcess;

/// A store of its own with the tables and some rows.
pub struct Site {
    _process: StoreProcess,
    _directory: tempfile::TempDir,
    pub client: Client,
    pub reports: Reports,
}

impl Site {
    /// A store that holds `rows`, no day of it closed.
    pub async fn with(rows: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = StoreProcess::new(&directory.path().join("store"));
        process.start();
        let client = Client::new(&config::StoreConfig::embedded(process.store.listen));
        let zone = TimeZone::get(data::ZONE).unwrap();
        schema::migrate(&client, &zone).await.unwrap();
        let mut insert = client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, "rows");
        insert.send(rows.to_vec().into()).await.unwrap();
        insert.end().await.unwrap();
        // Every row stands for itself, unless a test says otherwise.
        let reports = Reports::new(client.reader(), zone, &[data::SITE]).unwrap().with_k(1);
        Self { _process: process, _directory: directory, client, reports }
    }

    pub async fn small() -> Self {
        Self::with(&data::small_site()).await
    }

    /// Closes every day that can be at a moment.
    pub async fn close(&self, now: &str) -> Vec<String> {
        let zone = TimeZone::get(data::ZONE).unwrap();
        let closer = DayCloser::new(self.client.clone(), zone).unwrap();
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
    let mut raw = RawReportRequest {
        report: report.to_owned(),
        from: Some("2026-10-24".to_owned()),
        to: Some("2026-10-26".to_owned()),
        ..RawReportRequest::default()
    };
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
            "filter" => raw.filters.push(value),
            _ => unreachable!("no such option"),
        }
    }
    raw
}
