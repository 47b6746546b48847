//! One client for the embedded store, a server and a cluster.

mod addresses;
mod connector;
mod redact;
mod silence;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clickhouse::Compression;
use clickhouse::insert_formatted::InsertFormatted;
use clickhouse::query::{BytesCursor, Query};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;

use self::addresses::StoreAddresses;
use self::connector::FailoverConnector;
pub(crate) use self::redact::{redact, redacted_chain, without_quotes};
pub use self::silence::SilentNode;
use crate::config::{self, ClusterConfig, Config, DATABASE, Quorum};
use crate::secret::Secret;
use crate::store::embedded::{ANALYST, COLLECTOR, Passwords, PasswordsError, REPORTS};

/// Idle time after which a connection is closed.
const IDLE_TIMEOUT: Duration = Duration::from_millis(500);

/// A node that owes an answer, and that shows no sign of life for so long, is given up.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// A replica that lags by more seconds is read only when the others of its shard lag, too. Closing of days waits for as long.
pub(crate) const MAX_LAG_S: &str = "10";
/// ClickHouse's code when all replicas of a shard lag by more.
pub(crate) const ALL_REPLICAS_ARE_STALE: u32 = 369;

/// Cheap to clone.
#[derive(Clone)]
pub struct Client {
    /// Without a URL.
    inner: clickhouse::Client,
    addresses: Arc<StoreAddresses>,
    login: Login,
    database: String,
    cluster: Option<ClusterConfig>,
    longest_silence: Duration,
    /// How many replicas must confirm an insert, as the store answered last, and when.
    pub(super) known_quorum: Arc<Mutex<Option<(Instant, u64)>>>,
    /// The user that reads from the embedded store, and its password; absent when the store is a server.
    reader: Option<(&'static str, Secret)>,
}

/// The user that statements are sent as, and whether they may change something.
#[derive(Clone)]
struct Login {
    user: String,
    password: Secret,
    /// For a server, whose only user may write.
    is_readonly: bool,
}

impl Login {
    fn apply(&self, client: clickhouse::Client) -> clickhouse::Client {
        let mut client = client.with_user(&self.user);
        if !self.password.expose().is_empty() {
            client = client.with_password(self.password.expose());
        }
        // 2: a query may still set settings, except `readonly` itself.
        if self.is_readonly { client.with_setting("readonly", "2") } else { client }
    }
}

/// A client that closes connections soon after their last statement. An engine that stops waits for open ones, up to 5 s.
fn base_client(
    addresses: &Arc<StoreAddresses>,
    is_cluster: bool,
    longest_silence: Duration,
) -> clickhouse::Client {
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        // Without a timer, idle connections are only closed when the next statement is sent.
        .pool_timer(TokioTimer::new())
        .build(FailoverConnector::new(addresses.clone(), longest_silence));
    // Within one machine compression costs more than the bytes it saves.
    let is_near = addresses.urls().iter().all(|url| is_loopback(url));
    let compression = if is_near { Compression::None } else { Compression::Lz4 };
    let client = clickhouse::Client::with_http_client(http).with_compression(compression);
    if is_cluster {
        client
            .with_setting("max_replica_delay_for_distributed_queries", MAX_LAG_S)
            // Otherwise the node confirms before the shards have the rows.
            .with_setting("distributed_foreground_insert", "1")
    } else {
        client
    }
}

impl Client {
    /// If the store is embedded, its passwords come from the file that `serve` writes.
    ///
    /// # Errors
    /// When that file cannot be read.
    pub fn writing(config: &Config) -> Result<Self, PasswordsError> {
        Ok(Self::new(&config.store).with_passwords(&Passwords::read(config)?))
    }

    /// A caller who may not read the file of passwords, or does not find it, is logged in as the analyst. On loopback the analyst needs no
    /// password, unless the operator requires one; then the store refuses the queries.
    pub fn reading(config: &Config) -> Self {
        let client = Self::new(&config.store);
        match Passwords::read_file(&Passwords::file(&config.data)) {
            Ok(Some(passwords)) => client.with_passwords(&passwords).reader(),
            Ok(None) | Err(_) => {
                Self { reader: client.reader.map(|_| (ANALYST, Secret::default())), ..client }.reader()
            }
        }
    }

    /// For an embedded store it has no passwords yet. Nothing is sent.
    pub fn new(store: &config::StoreConfig) -> Self {
        let (urls, database, user, password, cluster) = match store {
            config::StoreConfig::Embedded { listen, .. } => {
                let urls = vec![format!("http://{listen}")];
                (urls, DATABASE.to_owned(), COLLECTOR, Secret::default(), None)
            }
            config::StoreConfig::Server { urls, database, user, password, cluster } => {
                (urls.clone(), database.clone(), user.as_str(), password.clone(), cluster.clone())
            }
        };
        let addresses = Arc::new(StoreAddresses::new(urls));
        let login = Login { user: user.to_owned(), password, is_readonly: false };
        let inner = login.apply(base_client(&addresses, cluster.is_some(), LONGEST_SILENCE));
        let reader =
            matches!(store, config::StoreConfig::Embedded { .. }).then(|| (REPORTS, Secret::default()));
        let known_quorum = Arc::default();
        Self {
            inner,
            addresses,
            login,
            database,
            cluster,
            longest_silence: LONGEST_SILENCE,
            known_quorum,
            reader,
        }
    }

    /// The password of a server is a setting and stays.
    #[must_use]
    pub fn with_passwords(mut self, passwords: &Passwords) -> Self {
        if self.reader.is_some() {
            let password_of = |user| passwords.get(user).cloned().unwrap_or_default();
            self.reader = Some((REPORTS, password_of(REPORTS)));
            let password = password_of(COLLECTOR);
            return Self { login: Login { password, ..self.login }, ..self }.logged_in();
        }
        self
    }

    /// The same store, whose nodes are given up sooner or later than after a minute without a sign of life.
    #[must_use]
    pub fn with_longest_silence(self, longest_silence: Duration) -> Self {
        let inner = self.login.apply(base_client(&self.addresses, self.cluster.is_some(), longest_silence));
        Self { inner, longest_silence, ..self }
    }

    /// Returns when the node to which statements go has shown no sign of life for too long. `node` names it. It is for work in which other nodes wait for this
    /// one: a statement that waits for it fails by itself.
    pub(super) async fn silence(&self, node: String) -> SilentNode {
        let uri = self.url().parse::<hyper::Uri>().unwrap_or_default();
        let authority = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
        SilentNode::find(node, authority, self.longest_silence).await
    }

    /// The same store, read-only: the store refuses every statement that would change something.
    #[must_use]
    pub fn reader(&self) -> Self {
        let mut reader = self.clone();
        match &self.reader {
            Some((user, password)) => {
                let (user, password) = ((*user).to_owned(), password.clone());
                reader.login = Login { user, password, is_readonly: false };
            }
            None => reader.login.is_readonly = true,
        }
        reader.logged_in()
    }

    fn logged_in(self) -> Self {
        Self { inner: self.login.apply(self.inner), ..self }
    }

    /// The same store, as the node at one of its addresses has it. No other address is tried.
    pub(super) fn pinned(&self, url: &str) -> Self {
        let addresses = Arc::new(StoreAddresses::new(vec![url.to_owned()]));
        let inner = self.login.apply(base_client(&addresses, self.cluster.is_some(), self.longest_silence));
        Self { inner, addresses, ..self.clone() }
    }

    /// Base URLs of its HTTP interface, in the order of the configuration.
    pub(crate) fn urls(&self) -> &[String] {
        self.addresses.urls()
    }

    /// The address that statements go to now.
    pub(crate) fn url(&self) -> &str {
        self.addresses.current()
    }

    /// Sends statements to the next address from now on, after one failed at `url`: the node may be shutting down, or be unable to write.
    pub(crate) fn leave(&self, url: &str) {
        self.addresses.leave(url);
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_ref().map(|cluster| &*cluster.name)
    }

    pub(crate) fn quorum_setting(&self) -> Quorum {
        self.cluster.as_ref().map(|cluster| cluster.quorum).unwrap_or_default()
    }

    /// The same, which fails with the code [`ALL_REPLICAS_ARE_STALE`] rather than read a replica that lags too much.
    #[must_use]
    pub(crate) fn without_lag(&self) -> Self {
        let mut client = self.clone();
        if client.cluster.is_some() {
            client.inner =
                client.inner.with_setting("fallback_to_stale_replicas_for_distributed_queries", "0");
        }
        client
    }

    /// The table that has a shard's own rows of a sharded table.
    pub(super) fn local(&self, table: &str) -> String {
        match self.cluster() {
            None => table.to_owned(),
            Some(_) => format!("{table}_local"),
        }
    }

    fn at_current_address(&self) -> clickhouse::Client {
        self.inner.clone().with_url(self.url())
    }

    /// A query in the database. [`Query::param`] binds its `{name:Type}` parameters.
    pub fn query(&self, sql: &str) -> Query {
        self.at_current_address().with_database(&self.database).query_raw(sql)
    }

    /// A query without a database, for the statement that creates the database.
    pub fn query_server(&self, sql: &str) -> Query {
        self.at_current_address().query_raw(sql)
    }

    /// Runs a query and streams its answer in `format`.
    ///
    /// # Errors
    /// When the store cannot be reached. If the store refuses the query, the first read fails.
    pub fn bytes(
        &self,
        sql: &str,
        parameters: &[(&str, &str)],
        format: &str,
    ) -> clickhouse::error::Result<BytesCursor> {
        let query = parameters.iter().fold(self.query(sql), |query, (name, value)| query.param(name, value));
        query.fetch_bytes(format)
    }

    /// An insert into `table` of bytes in `format`. `token` is the deduplication token: ClickHouse ignores a second insert with it.
    pub fn insert(&self, table: &str, columns: &str, format: RowFormat, token: &str) -> InsertFormatted {
        let sql = format!("INSERT INTO {table} ({columns}) FORMAT {}", format.name());
        self.at_current_address()
            .with_database(&self.database)
            .insert_formatted_with(sql)
            .with_setting("insert_deduplication_token", token)
    }
}

/// How the rows of an insert are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// Row by row.
    RowBinary,
    /// Blocks of columns.
    Native,
}

impl RowFormat {
    fn name(self) -> &'static str {
        match self {
            Self::RowBinary => "RowBinary",
            Self::Native => "Native",
        }
    }
}

/// The number in ClickHouse's answer `Code: 117. DB::Exception: …`.
pub(crate) fn error_code(error: &clickhouse::error::Error) -> Option<u32> {
    let clickhouse::error::Error::BadResponse(answer) = error else { return None };
    let (_, rest) = answer.split_once("Code: ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn is_loopback(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::config::StoreConfig;

    /// The address of a server that answers each statement with `answer`, and one at which nothing listens.
    fn addresses(answer: &'static str) -> [String; 2] {
        let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let urls = listeners.each_ref().map(|listener| format!("http://{}", listener.local_addr().unwrap()));
        let [listener, _] = listeners;
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        urls
    }

    fn client(urls: Vec<String>) -> Client {
        let (database, user, password) = ("footfall".to_owned(), "default".to_owned(), Secret::default());
        Client::new(&StoreConfig::Server { urls, database, user, password, cluster: None })
    }

    const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn statements_go_to_the_next_address_when_nothing_listens_at_one() {
        let [up, down] = addresses(DONE);
        let client = client(vec![down.clone(), up.clone()]);
        assert_eq!(client.url(), down);
        client.query("SELECT 1").execute().await.expect("the second address answers");
        // The one that worked last is tried first.
        assert_eq!(client.url(), up);
        assert_eq!(client.reader().url(), up);
    }

    #[tokio::test]
    async fn a_client_of_one_node_asks_no_other() {
        let [up, down] = addresses(DONE);
        let client = client(vec![up.clone(), down.clone()]);
        client.pinned(&down).query("SELECT 1").execute().await.expect_err("nothing listens there");
        client.pinned(&up).query("SELECT 1").execute().await.expect("it answers");
    }

    #[tokio::test]
    async fn an_error_of_the_store_is_told_by_its_number() {
        let answer = "HTTP/1.1 500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 369\r\nContent-Length: 30\r\n\
                      Connection: close\r\n\r\nCode: 369. DB::Exception: stale";
        let [up, _] = addresses(answer);
        let error = client(vec![up]).query("SELECT 1").execute().await.unwrap_err();
        assert_eq!(error_code(&error), Some(ALL_REPLICAS_ARE_STALE));
    }
}
