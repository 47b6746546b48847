//! Raw settings in, a checked [`Config`] out. Nothing past this module sees a setting that was not checked.
//!
//! Settings come from `footfall.toml`, then from `FOOTFALL_*` environment variables; every key has a default, so that
//! `footfall serve` runs without a file. All errors are reported at once, each with its line or variable.

mod site;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use site::{CookieRule, HostPattern, NamePatterns, Retention, Site, Sites};

/// The settings of one collector, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where beacons are taken and the script is served.
    pub listen: SocketAddr,
    /// Metrics and health; loopback by default.
    pub admin: SocketAddr,
    /// Report API and page; loopback by default.
    pub reports: SocketAddr,
    /// The directory of the spool (`data/spool`) and the embedded store (`data/store`).
    pub data: PathBuf,
    /// The directory of the key file; on a RAM-backed file system unless `key_on_disk`.
    pub key: PathBuf,
    /// Accept a key directory on a disk.
    pub key_on_disk: bool,
    /// The zone of epochs, days and reports.
    pub timezone: jiff::tz::TimeZone,
    /// The local time at which an epoch turns.
    pub rotate_at: jiff::civil::Time,
    /// Networks whose word on the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether connections from trusted proxies start with a PROXY v2 header.
    pub proxy_protocol: bool,
    /// MaxMind files, asked in order.
    pub geo: Vec<PathBuf>,
    /// The version of the privacy policy in force.
    pub policy: String,
    /// TLS on `listen`; absent means plain HTTP.
    pub tls: Option<Tls>,
    /// Bounds on clients.
    pub limits: Limits,
    /// Bounds on the spool.
    pub spool: SpoolLimits,
    /// Where events go.
    pub store: Store,
    /// The sites that events are taken for.
    pub sites: Sites,
}

/// A certificate chain and its key, both PEM; re-read when they change.
#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM file with the chain, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Bounds on what clients may ask of the collector.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Beacons a second from one address, sustained. 0 turns the limit off.
    pub rate: u32,
    /// Beacons from one address at once.
    pub burst: u32,
    /// Open connections on `listen`.
    pub connections: usize,
}

/// When a segment is sealed, and how much the spool may hold.
#[derive(Debug, Clone)]
pub struct SpoolLimits {
    /// Seal at this many rows.
    pub seal_rows: u32,
    /// Seal at this many bytes.
    pub seal_bytes: u64,
    /// Seal this long after the first row.
    pub seal_after: Duration,
    /// Bytes on disk over which beacons get 503.
    pub max_bytes: u64,
}

/// Where events go.
#[derive(Debug, Clone)]
pub enum Store {
    /// The engine of `footfall embedded`, started as a child process on this loopback address.
    Embedded {
        /// Address of its ClickHouse HTTP interface.
        listen: SocketAddr,
    },
    /// A ClickHouse server or cluster.
    Server {
        /// Base URL of the HTTP interface.
        url: String,
        /// Database of the tables.
        database: String,
        /// User name.
        user: String,
        /// Password; never printed.
        password: Secret,
        /// Cluster name; absent means no `ON CLUSTER`.
        cluster: Option<String>,
    },
}

/// A text that is never printed and is wiped when dropped.
#[derive(Clone, Default, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}
