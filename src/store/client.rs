//! One client for the embedded store, a server and a cluster.

use std::time::Duration;

use clickhouse::Compression;
use clickhouse::insert_formatted::InsertFormatted;
use clickhouse::query::{BytesCursor, Query};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::{self, Config, DATABASE};
use crate::secret::Secret;
use crate::store::embedded::{ANALYST, COLLECTOR, Passwords, PasswordsError, REPORTS};
use crate::store::sql;

/// Idle time after which the system asks whether the other end is there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Idle time after which a connection is closed.
const IDLE_TIMEOUT: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: clickhouse::Client,
    database: String,
    cluster: Option<String>,
    /// The user that reads from the embedded store, and its password; absent when the store is a server.
    reader: Option<(&'static str, Secret)>,
}

/// A client that closes connections soon after their last statement. An engine that stops waits for open ones, up to 5 s.
fn base_client() -> clickhouse::Client {
    let mut connector = HttpConnector::new();
    connector.set_keepalive(Some(KEEP_ALIVE));
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        // Without a timer, idle connections are only closed when the next statement is sent.
        .pool_timer(TokioTimer::new())
        .build(connector);
    clickhouse::Client::with_http_client(http)
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
        let (url, database, user, password, cluster) = match store {
            config::StoreConfig::Embedded { listen, .. } => {
                (format!("http://{listen}"), DATABASE.to_owned(), COLLECTOR, "", None)
            }
            config::StoreConfig::Server { url, database, user, password, cluster } => {
                (url.clone(), database.clone(), user.as_str(), password.expose(), cluster.clone())
            }
        };
        // Within one machine compression costs more than the bytes it saves.
        let compression = if is_loopback(&url) { Compression::None } else { Compression::Lz4 };
        let mut inner = base_client().with_url(url).with_user(user).with_compression(compression);
        if !password.is_empty() {
            inner = inner.with_password(password);
        }
        let reader =
            matches!(store, config::StoreConfig::Embedded { .. }).then(|| (REPORTS, Secret::default()));
        Self { inner, database, cluster, reader }
    }

    /// The password of a server is a setting and stays.
    #[must_use]
    pub fn with_passwords(mut self, passwords: &Passwords) -> Self {
        if self.reader.is_some() {
            let password_of = |user| passwords.get(user).cloned().unwrap_or_default();
            self.inner = self.inner.with_password(password_of(COLLECTOR).expose());
            self.reader = Some((REPORTS, password_of(REPORTS)));
        }
        self
    }

    /// The same store, read-only: the store refuses every statement that would change something.
    #[must_use]
    pub fn reader(&self) -> Self {
        let mut reader = self.clone();
        reader.inner = match &self.reader {
            Some((user, password)) => reader.inner.with_user(*user).with_password(password.expose()),
            // 2: a query may still set settings, except `readonly` itself.
            None => reader.inner.with_setting("readonly", "2"),
        };
        reader
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// The name of a sharded table in a statement that changes its rows on every shard.
    pub(super) fn local(&self, table: &str) -> String {
        match self.cluster() {
            None => table.to_owned(),
            Some(cluster) => format!(
                "{}.{} ON CLUSTER {}",
                sql::identifier(&self.database),
                sql::identifier(&format!("{table}_local")),
                sql::identifier(cluster)
            ),
        }
    }

    /// A query in the database. [`Query::param`] binds its `{name:Type}` parameters.
    pub fn query(&self, sql: &str) -> Query {
        self.inner.clone().with_database(&self.database).query_raw(sql)
    }

    /// A query without a database, for the statement that creates the database.
    pub fn query_server(&self, sql: &str) -> Query {
        self.inner.query_raw(sql)
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
        let insert = self
            .inner
            .clone()
            .with_database(&self.database)
            .insert_formatted_with(sql)
            .with_setting("insert_deduplication_token", token);
        match self.cluster {
            // Without it the node confirms before the shards have the rows.
            Some(_) => insert.with_setting("distributed_foreground_insert", "1"),
            None => insert,
        }
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

fn is_loopback(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
