//! The store as analysts reach it: ClickHouse's HTTP interface. And a store in a process of its own.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::process::{Signal, signal};
use super::{eventually, http, ports};

/// How long a store may take to answer its first ping on a machine that is busy with other tests.
const READY: Duration = Duration::from_secs(60);

/// A ClickHouse HTTP interface.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The file of its passwords, if it asks for any.
    passwords: Option<&'static Path>,
}

impl Store {
    /// A store that was started by hand and asks for no password.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, passwords: None }
    }

    /// The store of a collector, which asks for what is in this file.
    pub fn with_passwords(listen: SocketAddr, file: PathBuf) -> Self {
        // A test's process is short, and a store stays `Copy`.
        Self { listen, passwords: Some(Box::leak(file.into_boxed_path())) }
    }

    /// The headers by which its writer is known.
    pub fn writer(&self) -> String {
        let text = self.passwords.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        let password =
            text.lines().find_map(|line| line.strip_prefix("footfall_writer:")).unwrap_or_default();
        format!("X-ClickHouse-User: footfall_writer\r\nX-ClickHouse-Key: {password}\r\n")
    }

    /// Runs a query in database `footfall` and answers with the body, or with the exception's text.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses the query.
    pub fn query(&self, sql: &str) -> io::Result<Vec<u8>> {
        let answer = http::post(self.listen, "/?database=footfall", &self.writer(), sql.as_bytes())?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(io::Error::other(format!("{}: {}", answer.status, answer.text())))
        }
    }

    /// The answer to a query, one text a row, as TabSeparated writes it.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        let body = self.query(sql).expect("the store answers");
        String::from_utf8(body).expect("the store answers in UTF-8").lines().map(str::to_owned).collect()
    }

    /// The answer to a query of one number.
    #[track_caller]
    pub fn number(&self, sql: &str) -> u64 {
        let rows = self.rows(sql);
        rows.first().and_then(|row| row.parse().ok()).unwrap_or_else(|| panic!("no number but {rows:?}"))
    }

    /// The answer to a query as JSON objects, one a row.
    #[track_caller]
    pub fn objects(&self, sql: &str) -> Vec<serde_json::Value> {
        let rows = self.rows(&format!("{sql} FORMAT JSONEachRow"));
        rows.iter().map(|row| serde_json::from_str(row).expect("a row is JSON")).collect()
    }

    /// Page load and number of every event, as often as it is stored.
    #[track_caller]
    pub fn events(&self) -> Vec<(u64, u32)> {
        let body =
            self.query("SELECT page_load, seq FROM events FORMAT RowBinary").expect("the store answers");
        let event = |row: &[u8]| {
            let (page_load, seq) = row.split_at(8);
            let page_load = u64::from_le_bytes(page_load.try_into().expect("eight bytes were split off"));
            (page_load, u32::from_le_bytes(seq.try_into().expect("four bytes are left")))
        };
        body.chunks_exact(12).map(event).collect()
    }

    /// Whether it answers.
    pub fn pings(&self) -> bool {
        http::get(self.listen, "/ping").is_ok_and(|answer| answer.status == 200)
    }
}

/// `footfall embedded` in a process of its own.
pub struct StoreProcess {
    /// Its interface.
    pub store: Store,
    data: PathBuf,
    child: Option<Child>,
}

impl StoreProcess {
    /// A store that will keep its data in `data`; it does not run yet.
    pub fn new(data: &Path) -> Self {
        Self { store: Store::at(ports::free()), data: data.to_owned(), child: None }
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        self.spawn();
        eventually("the store answers", READY, || self.store.pings());
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.data.with_extension("log"))
            .expect("a log file");
        // A relative directory, as the default is: the engine takes such a path for one within its own.
        let (parent, name) = (self.data.parent(), self.data.file_name());
        let child = Command::new(env!("CARGO_BIN_EXE_footfall"))
            .args(["embedded", "--listen", &self.store.listen.to_string(), "--data"])
            .arg(name.expect("the directory has a name"))
            .current_dir(parent.expect("the directory lies in another"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file can be shared"))
            .stderr(log)
            .spawn()
            .expect("footfall starts");
        self.child = Some(child);
    }

    /// Whether it was started and not killed.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the store was started").id()
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Removes the engine's memory of insert tokens, which it never syncs, as a cut of the power may. It must not run.
    pub fn forget_tokens(&self) {
        for directory in directories(&self.data) {
            if directory.ends_with("deduplication_logs") {
                std::fs::remove_dir_all(&directory).expect("the store's directory can be changed");
            }
        }
    }

    /// Stops it in its tracks; connections stay open and nothing answers.
    pub fn freeze(&self) {
        signal(self.pid(), Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal(self.pid(), Signal::CONT);
    }
}

impl Drop for StoreProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// All directories below one; links of databases to their tables are not followed.
fn directories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    below
        .flat_map(|entry| {
            let mut found = directories(&entry.path());
            found.push(entry.path());
            found
        })
        .collect()
}
