//! The store as analysts reach it: ClickHouse's HTTP interface. And a store in a process of its own.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clickhouse_embedded::{Server, User};
use footfall::store::embedded::{self, ANALYST, COLLECTOR, Settings};

use super::process::{Signal, signal};
use super::{eventually, http, ports};

/// How long a store may take to answer its first ping on a machine that is busy with other tests.
const READY: Duration = Duration::from_secs(60);

/// The user of tests that may do everything.
pub const ADMIN: &str = "admin";
/// The same with a password, and the password.
pub const ADMIN_WITH_PASSWORD: (&str, &str) = ("admin_with_password", "it's a secret");
/// A user of tests with the bounds of the analyst, who reads every table of the database `footfall`.
pub const READER: &str = "reader";

/// A ClickHouse HTTP interface.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who asks.
    user: &'static str,
    /// The file of its passwords, if it asks for any.
    passwords: Option<&'static Path>,
}

impl Store {
    /// A store that was started by hand and asks for no password.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, user: COLLECTOR, passwords: None }
    }

    /// The store of a collector, which asks for what is in this file.
    pub fn with_passwords(listen: SocketAddr, file: PathBuf) -> Self {
        // A test's process is short, and a store stays `Copy`.
        Self { listen, user: COLLECTOR, passwords: Some(Box::leak(file.into_boxed_path())) }
    }

    /// The headers with which it is asked.
    pub fn login(&self) -> String {
        let text = self.passwords.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        let password =
            text.lines().find_map(|line| line.strip_prefix(self.user)?.strip_prefix(':')).unwrap_or_default();
        format!("X-ClickHouse-User: {}\r\nX-ClickHouse-Key: {password}\r\n", self.user)
    }

    /// Runs a query in database `footfall` and answers with the body, or with the exception's text.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses the query.
    pub fn query(&self, sql: &str) -> io::Result<Vec<u8>> {
        let answer = http::post(self.listen, "/?database=footfall", &self.login(), sql.as_bytes())?;
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

/// The embedded store in a process of its own, with its users and those of tests: [`ADMIN`], [`ADMIN_WITH_PASSWORD`], [`READER`].
pub struct StoreProcess {
    /// Its interface, as [`ADMIN`].
    pub store: Store,
    native: Option<SocketAddr>,
    data: PathBuf,
    server: Option<Server>,
}

impl StoreProcess {
    /// A store that will keep its data in `data`; it does not run yet.
    pub fn new(data: &Path) -> Self {
        let store = Store { listen: ports::free(), user: ADMIN, passwords: None };
        Self { store, native: None, data: data.to_owned(), server: None }
    }

    /// The same with the native protocol, and the address of that.
    pub fn with_native(data: &Path) -> (Self, SocketAddr) {
        let native = ports::free();
        let mut store = Self::new(data);
        store.native = Some(native);
        (store, native)
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        self.spawn();
        let server = self.server.as_ref().expect("it was just started");
        server.wait_until_ready(READY).expect("the store answers");
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        let settings = Settings {
            data: self.data.clone(),
            http: self.store.listen,
            native: self.native,
            memory: 0,
            unconfined: false,
            log_level: "none".to_owned(),
            lock_timeout: READY,
        };
        let mut options = embedded::options(settings, None).expect("the engine is installed");
        options.program = Some(env!("CARGO_BIN_EXE_footfall").into());
        let (name, password) = ADMIN_WITH_PASSWORD;
        for admin in [User::new(ADMIN), User::new(name).with_password(password)] {
            options.access.users.push(admin.grant("GRANT ALL ON *.*"));
        }
        let analyst = options.access.users.iter().find(|user| user.name == ANALYST);
        let reader = User { name: READER.to_owned(), ..analyst.expect("the analyst is a user").clone() };
        options.access.users.push(reader.grant("GRANT SELECT, SHOW ON footfall.*"));
        self.server = Some(Server::start(options).expect("the store starts"));
    }

    /// Whether it was started and not killed.
    pub fn runs(&self) -> bool {
        self.server.is_some()
    }

    /// The id of the engine's process.
    pub fn pid(&self) -> u32 {
        let process = || self.server.as_ref().expect("the store was started").process_id();
        eventually("the engine's process runs", READY, || process().is_some());
        process().expect("it was just there")
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let Some(server) = self.server.take() else { return };
        if let Some(pid) = server.process_id() {
            signal(pid, Signal::KILL);
        }
        server.stop();
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
