//! A client for a store's HTTP interface, and an embedded store that runs as a separate process.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clickhouse_embedded::{RowFilter, Server, User};
use footfall::config::{ClusterConfig, Quorum, StoreConfig};
use footfall::secret::Secret;
use footfall::store::Client;
use footfall::store::embedded::{self, ANALYST, COLLECTOR, EmbeddedSettings};

use super::process::{Signal, signal};
use super::pseudonyms::event_identity;
use super::{eventually, http, ports};

/// A store must be ready within this time, also while other tests use the machine.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The cluster of [`StoreProcess::shards`].
pub const CLUSTER: &str = "main";
/// A user with all rights and no password.
pub const ADMIN: &str = "admin";
/// Name and password of a user with all rights.
pub const ADMIN_WITH_PASSWORD: (&str, &str) = ("admin_with_password", "it's a secret");
/// A user with the analyst's limits who may read every table of the database `footfall`.
pub const READER: &str = "reader";
/// A viewer and an analyst who may see the site `shop` alone.
pub const VIEWER_OF_SHOP: &str = "viewer_of_shop";
pub const ANALYST_OF_SHOP: &str = "analyst_of_shop";

#[derive(Debug, Clone, Copy)]
pub struct StoreClient {
    pub listen: SocketAddr,
    user: &'static str,
    /// Lines of `user:password`; `None` if the store needs no passwords.
    passwords: Option<&'static Path>,
}

impl StoreClient {
    pub fn without_password(listen: SocketAddr) -> Self {
        Self { listen, user: COLLECTOR, passwords: None }
    }

    /// The analyst, who needs no password on loopback.
    pub fn analyst(listen: SocketAddr) -> Self {
        Self { listen, user: ANALYST, passwords: None }
    }

    /// A client that reads its password from `file` before each query.
    pub fn with_password_file(listen: SocketAddr, file: PathBuf) -> Self {
        // The leak keeps the type `Copy`; a test process is short.
        Self { listen, user: COLLECTOR, passwords: Some(Box::leak(file.into_boxed_path())) }
    }

    /// The same store for another user.
    pub fn with_user(self, user: &'static str) -> Self {
        Self { user, ..self }
    }

    /// The headers with user and password, each ended by CRLF.
    pub fn credentials(&self) -> String {
        let text = self.passwords.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        let password =
            text.lines().find_map(|line| line.strip_prefix(self.user)?.strip_prefix(':')).unwrap_or_default();
        format!("X-ClickHouse-User: {}\r\nX-ClickHouse-Key: {password}\r\n", self.user)
    }

    /// Runs a query in database `footfall` and returns the body.
    ///
    /// # Errors
    /// Fails if the store cannot be reached. If the store refuses the query, the error contains its message.
    pub fn query(&self, sql: &str) -> io::Result<Vec<u8>> {
        let answer = http::post(self.listen, "/?database=footfall", &self.credentials(), sql.as_bytes())?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(io::Error::other(format!("{}: {}", answer.status, answer.text())))
        }
    }

    /// Rows in the format TabSeparated.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        let body = self.query(sql).expect("the store answers");
        String::from_utf8(body).expect("the store answers in UTF-8").lines().map(str::to_owned).collect()
    }

    /// Runs a query and returns the number in its first row.
    #[track_caller]
    pub fn number(&self, sql: &str) -> u64 {
        let rows = self.rows(sql);
        rows.first().and_then(|row| row.parse().ok()).unwrap_or_else(|| panic!("not a number: {rows:?}"))
    }

    #[track_caller]
    pub fn objects(&self, sql: &str) -> Vec<serde_json::Value> {
        let rows = self.rows(&format!("{sql} FORMAT JSONEachRow"));
        rows.iter().map(|row| serde_json::from_str(row).expect("a row is JSON")).collect()
    }

    /// The id of every stored row of events, duplicates included.
    #[track_caller]
    pub fn events(&self) -> Vec<u64> {
        let body =
            self.query("SELECT page_load, seq FROM events FORMAT RowBinary").expect("the store answers");
        let identity = |row: &[u8; 12]| {
            let (page_load, seq) = row.split_first_chunk().expect("a row has 12 bytes");
            event_identity(
                u64::from_le_bytes(*page_load),
                u32::from_le_bytes(seq.try_into().expect("a number has 4 bytes")),
            )
        };
        body.as_chunks().0.iter().map(identity).collect()
    }

    pub fn pings(&self) -> bool {
        http::get(self.listen, "/ping").is_ok_and(|answer| answer.status == 200)
    }
}

/// [`VIEWER_OF_SHOP`], the definer of its view, and [`ANALYST_OF_SHOP`], as docs/operations/access.md makes them.
fn users_of_shop(analyst: &User) -> [User; 3] {
    let filter = |table: &&str| RowFilter {
        database: "footfall".to_owned(),
        table: (*table).to_owned(),
        condition: "site = 'shop'".to_owned(),
    };
    let tables = ["events", "visits", "visits_stored", "daily", "daily_stored"];
    let row_filters = tables.iter().map(filter).collect();
    let definer =
        User { row_filters: vec![filter(&"daily_published_stored")], ..User::new("published_shop") };
    [
        User { name: ANALYST_OF_SHOP.to_owned(), row_filters, ..analyst.clone() },
        definer
            .grant("GRANT SELECT ON footfall.daily_published_stored")
            .grant("GRANT SELECT ON footfall.published_days"),
        User { profile: analyst.profile.clone(), ..User::new(VIEWER_OF_SHOP) }
            .grant("GRANT SELECT ON footfall.daily_published_shop"),
    ]
}

fn remote_servers(natives: &[SocketAddr]) -> String {
    let shard = |native: &SocketAddr| {
        let (host, port) = (native.ip(), native.port());
        format!(
            "<shard><replica><host>{host}</host><port>{port}</port><user>{ADMIN}</user></replica></shard>"
        )
    };
    let shards: String = natives.iter().map(shard).collect();
    format!("<remote_servers><{CLUSTER}>{shards}</{CLUSTER}></remote_servers>")
}

/// An embedded store in a separate process. It has the users [`ADMIN`], [`ADMIN_WITH_PASSWORD`], [`READER`], [`VIEWER_OF_SHOP`] and
/// [`ANALYST_OF_SHOP`] besides its own.
pub struct StoreProcess {
    /// Sends queries as [`ADMIN`].
    pub store: StoreClient,
    native: Option<SocketAddr>,
    /// Its number, and the native addresses of the shards of its cluster that it names.
    shard: Option<(usize, Vec<SocketAddr>)>,
    data: PathBuf,
    server: Option<Server>,
}

impl StoreProcess {
    /// It does not run yet.
    pub fn new(data: &Path) -> Self {
        let store = StoreClient { listen: ports::free(), user: ADMIN, passwords: None };
        Self { store, native: None, shard: None, data: data.to_owned(), server: None }
    }

    /// A store that also speaks the native protocol, and the address for that.
    pub fn with_native(data: &Path) -> (Self, SocketAddr) {
        let native = ports::free();
        let mut store = Self::new(data);
        store.native = Some(native);
        (store, native)
    }

    /// A client of the cluster of these [shards](Self::shards).
    pub fn client_of(shards: &[Self]) -> Client {
        Client::new(&StoreConfig::Server {
            urls: shards.iter().map(|shard| format!("http://{}", shard.store.listen)).collect(),
            database: "footfall".to_owned(),
            user: ADMIN.to_owned(),
            password: Secret::default(),
            cluster: Some(ClusterConfig { name: CLUSTER.to_owned(), quorum: Quorum::Auto }),
        })
    }

    /// The shards of a cluster [`CLUSTER`] without replication.
    pub fn shards(data: &Path, count: usize) -> Vec<Self> {
        Self::grown_shards(data, count, count)
    }

    /// The same, of which the first `old` do not name the others, as while a cluster grows.
    pub fn grown_shards(data: &Path, old: usize, count: usize) -> Vec<Self> {
        let natives: Vec<_> = (0..count).map(|_| ports::free()).collect();
        let shard = |at: usize| {
            let mut store = Self::new(&data.join(format!("shard{}", at + 1)));
            store.native = Some(natives[at]);
            let named = if at < old { &natives[..old] } else { &natives };
            store.shard = Some((at + 1, named.to_vec()));
            store
        };
        (0..count).map(shard).collect()
    }

    /// Starts it and waits until it answers queries.
    pub fn start(&mut self) {
        self.spawn();
        let server = self.server.as_ref().expect("it was just started");
        server.wait_until_ready(READY_TIMEOUT).expect("the store answers");
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        let settings = EmbeddedSettings {
            data: self.data.clone(),
            http: self.store.listen,
            native: self.native,
            memory: 0,
            unconfined: false,
            log_level: "none".to_owned(),
            lock_timeout: READY_TIMEOUT,
        };
        let mut options = embedded::options(settings, None).expect("the engine is installed");
        options.program = Some(env!("CARGO_BIN_EXE_footfall").into());
        if let Some((number, natives)) = &self.shard {
            options.macros.push(("shard".to_owned(), number.to_string()));
            options.more_configuration = remote_servers(natives);
            options.connect_ports = natives.iter().map(SocketAddr::port).collect();
        }
        let (name, password) = ADMIN_WITH_PASSWORD;
        for admin in [User::new(ADMIN), User::new(name).with_password(password)] {
            options.access.users.push(admin.grant("GRANT ALL ON *.*"));
        }
        let analyst = options.access.users.iter().find(|user| user.name == ANALYST);
        let analyst = analyst.expect("the analyst is a user");
        let of_shop = users_of_shop(analyst);
        let reader = User { name: READER.to_owned(), ..analyst.clone() };
        options.access.users.push(reader.grant("GRANT SELECT, SHOW ON footfall.*"));
        options.access.users.extend(of_shop);
        self.server = Some(Server::start(options).expect("the store starts"));
    }

    /// Whether it was started and not killed.
    pub fn is_running(&self) -> bool {
        self.server.is_some()
    }

    /// Waits until the engine's process exists and returns its id.
    pub fn pid(&self) -> u32 {
        let process = || self.server.as_ref().expect("the store was started").process_id();
        eventually("the engine's process runs", READY_TIMEOUT, || process().is_some());
        process().expect("the engine's process just ran")
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let Some(server) = self.server.take() else { return };
        if let Some(pid) = server.process_id() {
            signal(pid, Signal::KILL);
        }
        server.stop();
    }

    /// Removes the deduplication tokens of inserts, as a power cut may: the engine never syncs them.
    ///
    /// The store must not be running.
    pub fn forget_tokens(&self) {
        for directory in directories(&self.data) {
            if directory.ends_with("deduplication_logs") {
                std::fs::remove_dir_all(&directory).expect("the store's directory can be changed");
            }
        }
    }

    /// Suspends its process. Connections stay open, and nothing answers.
    pub fn freeze(&self) {
        signal(self.pid(), Signal::STOP);
    }

    pub fn thaw(&self) {
        signal(self.pid(), Signal::CONT);
    }
}

impl Drop for StoreProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// All directories below `path`. Symbolic links are not followed.
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
