//! The embedded store as its clients meet it: a real engine behind real sockets.
//!
//! The engine is found as `footfall embedded` finds it: `footfall embedded --install` fetches it once. What ClickHouse does by
//! itself is not tested here; who may do what, and what Footfall promises besides, is.

mod attacks;
mod bounds;
mod clients;
mod command;
mod durability;
mod published;
mod roles;
mod sockets;

use std::net::SocketAddr;
use std::time::Duration;

use footfall::config;
use footfall::store::{Client, schema};
use jiff::tz::TimeZone;
use tempfile::TempDir;

use crate::common::http::{HttpResponse, post};
use crate::common::store::ADMIN;
use crate::common::{StoreProcess, eventually};

pub struct Running {
    pub process: StoreProcess,
    pub directory: TempDir,
}

pub fn store() -> Running {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut process = StoreProcess::new(&directory.path().join("store"));
    process.start();
    Running { process, directory }
}

/// Starts a store, has the collector make its tables, and puts two events and a foreign database into it.
pub fn inhabited() -> Running {
    let store = store();
    let client = store.collector();
    let zone = TimeZone::get("Europe/Berlin").expect("a known zone");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(schema::migrate(&client, &zone)).expect("the collector makes its tables");
    for sql in [
        "INSERT INTO footfall.events (site, page_load, path, kind, error_message, visitor, expires) VALUES \
         ('clinic', 1, '/a', 'view', '', 4711, '2140-01-01'), ('clinic', 2, '/b', 'error', 'broken', 4711, '2140-01-01')",
        "INSERT INTO footfall.audit (time, action, detail) VALUES (now(), 'AUDITSECRET', '')",
        "CREATE DATABASE private",
        "CREATE TABLE private.t (s String) ENGINE = MergeTree ORDER BY s",
        "INSERT INTO private.t VALUES ('TABLESECRET')",
    ] {
        store.text(sql);
    }
    store
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.process.store.listen
    }

    pub fn collector(&self) -> Client {
        Client::new(&config::StoreConfig::embedded(self.address()))
    }

    /// `POST /?parameters` with a statement, as the administrator unless the parameters name a user.
    #[track_caller]
    pub fn ask(&self, parameters: &str, statement: impl AsRef<[u8]>) -> HttpResponse {
        let user = if parameters.contains("user=") { String::new() } else { format!("&user={ADMIN}") };
        post(self.address(), &format!("/?{parameters}{user}"), "", statement.as_ref())
            .expect("the store answers")
    }

    /// The text that a statement of the administrator returns; it must succeed.
    #[track_caller]
    pub fn text(&self, statement: impl AsRef<[u8]>) -> String {
        self.text_with("", statement)
    }

    #[track_caller]
    pub fn text_with(&self, parameters: &str, statement: impl AsRef<[u8]>) -> String {
        let answer = self.ask(parameters, statement);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// Waits for a statement with `sleepEachRow` in it to run.
    pub fn wait_until_it_sleeps(&self) {
        let sql = "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%'";
        // The question has the word in it, too.
        eventually("the slow statement runs", Duration::from_secs(60), || self.text(sql) != "1\n");
    }
}

/// A text for a URL.
pub fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// RowBinary of `(UInt64, String)`.
pub fn row(number: u64, text: &[u8]) -> Vec<u8> {
    let mut row = number.to_le_bytes().to_vec();
    assert!(text.len() < 128, "one byte of length");
    row.push(u8::try_from(text.len()).expect("less than 128"));
    row.extend_from_slice(text);
    row
}
