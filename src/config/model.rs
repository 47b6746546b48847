//! The checked settings of one collector.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::site::Sites;
use crate::secret::Secret;

/// The database of the tables, unless a server is configured with another one.
pub const DATABASE: &str = "footfall";

#[derive(Debug, Clone)]
pub struct Config {
    /// Listener of the public side: beacons and the script.
    pub listen: SocketAddr,
    /// Metrics and health; loopback by default.
    pub admin: SocketAddr,
    /// Report API and page; loopback by default.
    pub reports: SocketAddr,
    /// The address under which browsers reach `listen`, without a slash at the end; absent, if nobody said.
    pub public_url: Option<String>,
    /// The directory of the spool (`data/spool`) and the embedded store (`data/store`).
    pub data: PathBuf,
    /// The directory of the key file; on a RAM-backed file system unless `key_on_disk`.
    pub key: PathBuf,
    /// Accept a key directory on a disk.
    pub key_on_disk: bool,
    /// Whether the key is that of a fleet, and not this collector's own.
    pub key_fleet: bool,
    /// The time zone of epochs, days and reports.
    pub timezone: jiff::tz::TimeZone,
    /// Networks of proxies that may name the client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether connections from trusted proxies begin with a PROXY v2 header.
    pub proxy_protocol: bool,
    /// MaxMind files, in the order of their use.
    pub geo: Vec<PathBuf>,
    /// The version of the privacy policy in force.
    pub policy: String,
    /// TLS on `listen`; absent means plain HTTP.
    pub tls: Option<TlsConfig>,
    pub lists: ListFiles,
    pub access: AccessConfig,
    pub page: PageConfig,
    pub published: PublishedConfig,
    pub limits: ClientLimits,
    pub spool: SpoolLimits,
    pub store: StoreConfig,
    pub sites: Sites,
}

/// Files in the place of built-in lists.
#[derive(Debug, Clone, Default)]
pub struct ListFiles {
    /// Regular expressions that find bots.
    pub isbot: Option<PathBuf>,
    /// Names and categories of crawlers.
    pub crawlers: Option<PathBuf>,
    /// Hosts of invented referrers.
    pub referrer_spam: Option<PathBuf>,
    /// Autonomous systems of data centres.
    pub data_centres: Option<PathBuf>,
}

/// The address under which browsers reach the collector, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserUrl {
    /// Without a slash at the end.
    pub address: String,
    /// Whether only browsers on this machine can use it, because nobody set `public_url`.
    pub is_local: bool,
}

impl Config {
    /// The address under which browsers reach the script and send beacons: `public_url`, or else that of `listen`.
    pub fn browser_url(&self) -> BrowserUrl {
        self.browser_url_of(self.listen)
    }

    /// The same, when `listen` has the port that the system chose for port 0.
    pub fn browser_url_of(&self, listen: SocketAddr) -> BrowserUrl {
        if let Some(url) = &self.public_url {
            return BrowserUrl { address: url.clone(), is_local: false };
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = match listen {
            all if all.ip().is_unspecified() => format!("localhost:{}", all.port()),
            one => one.to_string(),
        };
        let is_local = listen.ip().is_unspecified() || listen.ip().to_canonical().is_loopback();
        BrowserUrl { address: format!("{scheme}://{host}"), is_local }
    }
}

/// A certificate chain and its key, both PEM. The listener reads them again when they change.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// PEM file with the chain, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Access to the reports and the administration. A request from another machine always needs a token.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// Require a token on loopback too.
    pub loopback_tokens: bool,
    /// Host names under which the loopback listeners may be addressed, besides IP addresses and `localhost`.
    pub hosts: Vec<String>,
}

/// The page of reports.
#[derive(Debug, Clone, Default)]
pub struct PageConfig {
    /// A map of the world in the place of the built-in one.
    pub map: Option<PathBuf>,
}

/// Figures for viewers.
#[derive(Debug, Clone)]
pub struct PublishedConfig {
    /// The least number of visitors of a figure. It holds for days that are published from then on.
    pub k: u32,
    /// The file of the noise key; absent means `data/noise.key`. The collectors of a fleet have copies of one.
    pub noise_key: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct ClientLimits {
    /// Beacons a second from one address, sustained. 0 turns the limit off.
    pub rate: u32,
    /// Beacons from one address in a burst.
    pub burst: u32,
    /// Beacons a second with one sender's token, sustained. 0 turns the limit off.
    pub sender_rate: u32,
    /// Beacons with one sender's token in a burst.
    pub sender_burst: u32,
    /// Open connections on `listen`.
    pub connections: usize,
    /// Open connections on `listen` from one address; trusted proxies are exempt.
    pub connections_per_address: usize,
}

/// When a segment is sealed, and how much the spool may hold.
#[derive(Debug, Clone)]
pub struct SpoolLimits {
    /// Seal a segment at this many rows.
    pub seal_rows: u32,
    /// Seal a segment at this many bytes.
    pub seal_bytes: u64,
    /// Seal a segment this long after its first row, or five times as long after it while the collector is busy.
    pub seal_after: Duration,
    /// Bytes of the spool above which beacons get 503.
    pub max_bytes: u64,
    /// Free bytes of its file system below which beacons get 503. Default: 256 MiB, or a twentieth of a small disk.
    pub reserve: Option<u64>,
}

/// The ClickHouse that receives the events.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// A child process of this program; on loopback by default.
    Embedded {
        /// Address of its ClickHouse HTTP interface.
        listen: SocketAddr,
        /// Address of its native protocol; `None`: not served.
        native: Option<SocketAddr>,
        /// Serve all its users even if the kernel cannot confine the engine.
        unconfined: bool,
    },
    /// A ClickHouse server or cluster.
    Server {
        /// Base URLs of the HTTP interface, at least one: of the server, or of each node of a cluster.
        urls: Vec<String>,
        database: String,
        user: String,
        password: Secret,
        /// `None`: one server.
        cluster: Option<ClusterConfig>,
    },
}

/// A cluster of ClickHouse servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Its name in `remote_servers`.
    pub name: String,
    pub quorum: Quorum,
}

/// How many replicas of a shard must have an insert before the spool forgets it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Quorum {
    /// A majority where a shard has three or more replicas, else the one that takes the insert.
    #[default]
    Auto,
    Replicas(u64),
}

impl StoreConfig {
    /// The embedded store at this address, with default settings.
    pub fn embedded(listen: SocketAddr) -> Self {
        Self::Embedded { listen, native: None, unconfined: false }
    }
}
