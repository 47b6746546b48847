//! The embedded store as its clients meet it: a real engine behind real sockets.
//!
//! The engine is found as `footfall embedded` finds it: `footfall embedded --install` fetches it once.

mod bounds;
mod clients;
mod durability;
mod encodings;
mod roles;
mod server_roles;
mod sessions;
mod statements;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::http::{Answer, post};
use crate::common::{StoreProcess, eventually, http};

/// A running store in a directory of its own.
pub struct Running {
    pub process: StoreProcess,
    pub directory: TempDir,
}

/// Starts a store.
pub fn store() -> Running {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut process = StoreProcess::new(&directory.path().join("store"));
    process.start();
    Running { process, directory }
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.process.store.listen
    }

    /// `POST /?parameters` with a statement, as the writer.
    #[track_caller]
    pub fn ask(&self, parameters: &str, statement: impl AsRef<[u8]>) -> Answer {
        post(self.address(), &format!("/?{parameters}"), "", statement.as_ref()).expect("the store answers")
    }

    /// The text that a statement returns; it must succeed.
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

    /// Status and ClickHouse's code of a statement that must fail.
    #[track_caller]
    pub fn refusal(&self, parameters: &str, statement: impl AsRef<[u8]>) -> (u16, u32) {
        refusal(&self.ask(parameters, statement))
    }

    /// Waits for a statement with `sleepEachRow` in it to run.
    pub fn wait_until_it_sleeps(&self) {
        let sql = "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%'";
        // The question has the word in it, too.
        eventually("the slow statement runs", Duration::from_secs(60), || self.text(sql) != "1\n");
    }

    /// `GET` with a whole query string.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        http::get(self.address(), path).expect("the store answers")
    }
}

/// Status and ClickHouse's code of an answer that tells of a failure.
#[track_caller]
pub fn refusal(answer: &Answer) -> (u16, u32) {
    let code = answer.header("x-clickhouse-exception-code").and_then(|code| code.parse().ok());
    let code = code.unwrap_or_else(|| panic!("it did not fail: {} {}", answer.status, answer.text()));
    assert!(answer.text().starts_with(&format!("Code: {code}. DB::Exception: ")), "{}", answer.text());
    (answer.status, code)
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
