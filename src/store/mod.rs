//! Everything ClickHouse: one client for the embedded engine, a server and a cluster alike.
//!
//! The client speaks ClickHouse's HTTP interface and nothing else, so that the embedded store and a server differ by
//! their address alone. Passwords are sent, never printed.

pub mod days;
pub mod embedded;
pub mod reconcile;
pub mod schema;
pub mod ship;

use clickhouse::Compression;
use clickhouse::insert_formatted::InsertFormatted;
use clickhouse::query::{BytesCursor, Query};

use crate::config::{self, Config, DATABASE};
use crate::secret::Secret;
use embedded::{ANALYST, COLLECTOR, Passwords, PasswordsError, REPORTS};

/// A connection to the store; cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: clickhouse::Client,
    database: String,
    cluster: Option<String>,
    /// The user that reads from the embedded store, and its password; absent when the store is a server.
    reader: Option<(&'static str, Secret)>,
}

impl Client {
    /// A client that writes to the configured store, with the passwords of the one that `serve` starts.
    ///
    /// # Errors
    /// When their file cannot be read.
    pub fn writing(config: &Config) -> Result<Self, PasswordsError> {
        Ok(Self::new(&config.store).with_passwords(&Passwords::read(config)?))
    }

    /// A client that only reads. A caller who may not read the file of passwords comes as the analyst, who needs none on loopback
    /// unless the operator requires one: then the store refuses.
    pub fn reading(config: &Config) -> Self {
        let client = Self::new(&config.store);
        match Passwords::read(config) {
            Ok(passwords) => client.with_passwords(&passwords).reader(),
            Err(_) => Self { reader: client.reader.map(|_| (ANALYST, Secret::default())), ..client }.reader(),
        }
    }

    /// A client for the store, if it is embedded for one that asks for no password. Nothing is sent yet.
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
        let mut inner =
            clickhouse::Client::default().with_url(url).with_user(user).with_compression(compression);
        if !password.is_empty() {
            inner = inner.with_password(password);
        }
        let reader =
            matches!(store, config::StoreConfig::Embedded { .. }).then(|| (REPORTS, Secret::default()));
        Self { inner, database, cluster, reader }
    }

    /// The same with the passwords of the embedded store; a server's is a setting.
    #[must_use]
    pub fn with_passwords(mut self, passwords: &Passwords) -> Self {
        if self.reader.is_some() {
            let password_of = |user| passwords.get(user).cloned().unwrap_or_default();
            self.inner = self.inner.with_password(password_of(COLLECTOR).expose());
            self.reader = Some((REPORTS, password_of(REPORTS)));
        }
        self
    }

    /// The same store, for reading alone: whatever is asked through it, nothing is changed.
    #[must_use]
    pub fn reader(&self) -> Self {
        let mut reader = self.clone();
        reader.inner = match &self.reader {
            Some((user, password)) => reader.inner.with_user(*user).with_password(password.expose()),
            // 2: settings may still be given with a query, `readonly` itself excepted.
            None => reader.inner.with_setting("readonly", "2"),
        };
        reader
    }

    /// The database of all tables.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The cluster that tables are spread over, if any.
    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// A query in the database; `{name:Type}` parameters are bound with [`Query::param`].
    pub fn query(&self, sql: &str) -> Query {
        self.inner.clone().with_database(&self.database).query_raw(sql)
    }

    /// A query outside the database, for making it.
    pub fn query_server(&self, sql: &str) -> Query {
        self.inner.query_raw(sql)
    }

    /// Runs a query and hands its answer back in `format`, as it comes.
    ///
    /// # Errors
    /// When the store cannot be reached; what it refuses comes with the first bytes.
    pub fn bytes(
        &self,
        sql: &str,
        parameters: &[(&str, &str)],
        format: &str,
    ) -> clickhouse::error::Result<BytesCursor> {
        let query = parameters.iter().fold(self.query(sql), |query, (name, value)| query.param(name, value));
        query.fetch_bytes(format)
    }

    /// An insert of RowBinary bytes into `table`, which ClickHouse takes once for each `token`.
    pub fn insert(&self, table: &str, columns: &str, token: &str) -> InsertFormatted {
        let sql = format!("INSERT INTO {table} ({columns}) FORMAT RowBinary");
        let insert = self
            .inner
            .clone()
            .with_database(&self.database)
            .insert_formatted_with(sql)
            .with_setting("insert_deduplication_token", token);
        match self.cluster {
            // Confirmed must mean that the shards have it, not that the node which was asked will send it some time.
            Some(_) => insert.with_setting("distributed_foreground_insert", "1"),
            None => insert,
        }
    }
}

/// Whether a URL's host is this machine.
fn is_loopback(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
