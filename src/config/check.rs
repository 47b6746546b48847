//! Checks raw settings: every default, range and relation between settings is here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::model::{
    AccessConfig, ClientLimits, ClusterConfig, Config, DATABASE, ListFiles, PageConfig, PublishedConfig,
    SpoolLimits, StoreConfig, TlsConfig,
};
use super::raw::{ConfigProblems, ConfigSection, RawValue, SettingLocation};
use super::site::{Site, Sites};
use super::site_check;
use super::value::{
    address, bytes, duration, flag, host_name, identifier, network, number, path, public_url, quorum,
    secret_file, store_url, text, timezone,
};
use super::written::WrittenSettings;

/// Most rows of one segment: a segment is one insert block of the store.
pub const MAX_SEAL_ROWS: u32 = 500_000;
/// Bytes at which a segment is sealed by default. A larger segment costs the store less for each event, but its block takes memory: with twice as
/// many bytes the collector took 180 MiB at full load.
pub const DEFAULT_SEAL_BYTES: u64 = 32 << 20;
/// Smallest bound on the spool: a few segments must fit.
const MIN_SPOOL_BYTES: u64 = 64 << 20;
const _: () = assert!(DEFAULT_SEAL_BYTES <= MIN_SPOOL_BYTES / 2, "the default must fit every spool");
/// The least number of visitors of a published figure by default.
pub const DEFAULT_K: u32 = 5;
/// Below it a figure with one visitor more or less would be known from the presence of its row.
const LEAST_K: u64 = 3;
/// The query of published figures keeps so many contributions for each of them.
const MAX_K: u64 = 100;
/// Environment variables of the program that are not settings. Any other with the prefix is an error.
const NOT_SETTINGS: [&str; 2] = ["FOOTFALL_CONFIG", "FOOTFALL_LIBCHDB"];
/// Tables whose keys may be set as `FOOTFALL_TABLE_KEY`.
const TABLES: [&str; 8] = ["store", "spool", "limits", "tls", "access", "lists", "page", "published"];

type Values = BTreeMap<String, (RawValue, SettingLocation)>;

/// Checks a file's text and the environment; notes every problem.
pub(super) fn check(
    file: &str,
    environment: &[(String, String)],
    problems: &mut ConfigProblems,
) -> (Config, WrittenSettings) {
    let mut values = RawValue::parse(file, problems);
    overlay(&mut values, environment);
    let written = WrittenSettings::new(&values);
    let key_location = written.location("key");
    let mut top = ConfigSection::new("", (values, SettingLocation::Line(1)), problems);
    let store = top.raw("store");
    let tls = top.raw("tls");
    let lists = top.raw("lists");
    let access = top.raw("access");
    let page = top.raw("page");
    let published = top.raw("published");
    let limits = top.raw("limits");
    let spool = top.raw("spool");
    let sites = top.raw("site");
    let config = Config {
        listen: top.read("listen", address).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8080))),
        admin: top.read("admin", address).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9090))),
        reports: top.read("reports", address).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8090))),
        public_url: top.read("public_url", public_url),
        data: top.read("data", path).unwrap_or_else(|| "./data".into()),
        key: top.read("key", path).unwrap_or_else(|| "/dev/shm/footfall".into()),
        key_on_disk: top.read("key_on_disk", flag).unwrap_or(false),
        key_fleet: top.read("key_fleet", flag).unwrap_or(false),
        timezone: top.read("timezone", timezone).unwrap_or(TimeZone::UTC),
        trusted_proxies: top.list("trusted_proxies", network).unwrap_or_default(),
        proxy_protocol: top.read("proxy_protocol", flag).unwrap_or(false),
        geo: top.list("geo", path).unwrap_or_default(),
        policy: top.read("policy", text).unwrap_or_default(),
        tls: read_tls(tls, top.problems),
        lists: read_lists(lists, top.problems),
        access: read_access(access, top.problems),
        page: read_page(page, top.problems),
        published: read_published(published, top.problems),
        limits: read_limits(limits, top.problems),
        spool: read_spool(spool, top.problems),
        store: read_store(store, top.problems),
        sites: read_sites(sites, top.problems),
    };
    if let Some(inside) = key_inside_data(&config) {
        let what = format!(
            "key must not lie in {}: {} uses it; choose a directory of its own",
            inside.1.display(),
            inside.0
        );
        top.problems.note(&key_location, what);
    }
    top.finish();
    (config, written)
}

/// The part of the data in which the key's directory lies, and its user. The spool locks a file that has the name of the key's lock. The
/// engine may read all of its own directory. So anyone who may send it statements could read the key.
fn key_inside_data(config: &Config) -> Option<(&'static str, PathBuf)> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let key = absolute(&config.key);
    let parts = [("the spool", "spool"), ("the embedded store", "store")];
    parts
        .into_iter()
        .map(|(user, name)| (user, absolute(&config.data.join(name))))
        .find(|(_, part)| key.starts_with(part))
}

/// Applies `FOOTFALL_*` variables to the values of the file. A variable that is not a setting is kept under its name, so
/// that it is reported like a misspelt key.
fn overlay(values: &mut Values, environment: &[(String, String)]) {
    for (name, value) in environment {
        // Kubernetes sets FOOTFALL_SERVICE_HOST, FOOTFALL_PORT_8080_TCP and the like for a service of this name.
        let foreign = name.starts_with("FOOTFALL_SERVICE_") || name.starts_with("FOOTFALL_PORT");
        let Some(key) = name.strip_prefix("FOOTFALL_") else { continue };
        if foreign || NOT_SETTINGS.contains(&name.as_str()) {
            continue;
        }
        let key = key.to_ascii_lowercase();
        let entry = (RawValue::Text(value.clone()), SettingLocation::Variable(name.clone()));
        let within =
            TABLES.iter().find_map(|table| Some((*table, key.strip_prefix(table)?.strip_prefix('_')?)));
        match within {
            Some((table, key)) => {
                let location = entry.1.clone();
                let slot = values
                    .entry(table.to_owned())
                    .or_insert_with(|| (RawValue::Table(Values::new()), location));
                // A variable that sets a key of the store makes `store = "http://…"` of the file a table.
                if let RawValue::Text(url) = &slot.0 {
                    let url = (RawValue::Text(url.clone()), slot.1.clone());
                    slot.0 = RawValue::Table(Values::from([("url".to_owned(), url)]));
                }
                if let RawValue::Table(inner) = &mut slot.0 {
                    inner.insert(key.to_owned(), entry);
                }
            }
            None => {
                values.insert(key, entry);
            }
        }
    }
}

/// The table under `name`, empty when absent; anything else is a problem.
fn section<'p>(
    name: &str,
    value: Option<(RawValue, SettingLocation)>,
    problems: &'p mut ConfigProblems,
) -> ConfigSection<'p> {
    let table = match value {
        Some((RawValue::Table(table), location)) => (table, location),
        Some((_, location)) => {
            problems.note(&location, format!("{name} must be a table"));
            (Values::new(), location)
        }
        None => (Values::new(), SettingLocation::Line(1)),
    };
    ConfigSection::new(format!("{name}."), table, problems)
}

fn read_tls(value: Option<(RawValue, SettingLocation)>, problems: &mut ConfigProblems) -> Option<TlsConfig> {
    value.as_ref()?;
    let mut section = section("tls", value, problems);
    let tls = section.required("certificate", path).zip(section.required("key", path));
    section.finish();
    tls.map(|(certificate, key)| TlsConfig { certificate, key })
}

fn read_lists(value: Option<(RawValue, SettingLocation)>, problems: &mut ConfigProblems) -> ListFiles {
    let mut section = section("lists", value, problems);
    let lists = ListFiles {
        isbot: section.read("isbot", path),
        crawlers: section.read("crawlers", path),
        referrer_spam: section.read("referrer_spam", path),
        data_centres: section.read("data_centres", path),
    };
    section.finish();
    lists
}

fn read_page(value: Option<(RawValue, SettingLocation)>, problems: &mut ConfigProblems) -> PageConfig {
    let mut section = section("page", value, problems);
    let page = PageConfig { map: section.read("map", path) };
    section.finish();
    page
}

fn read_access(value: Option<(RawValue, SettingLocation)>, problems: &mut ConfigProblems) -> AccessConfig {
    let mut section = section("access", value, problems);
    let access = AccessConfig {
        loopback_tokens: section.read("loopback_tokens", flag).unwrap_or(false),
        hosts: section.list("hosts", host_name).unwrap_or_default(),
    };
    section.finish();
    access
}

fn read_published(
    value: Option<(RawValue, SettingLocation)>,
    problems: &mut ConfigProblems,
) -> PublishedConfig {
    let mut section = section("published", value, problems);
    let k = section.read("k", number(LEAST_K, MAX_K)).unwrap_or(u64::from(DEFAULT_K));
    let published = PublishedConfig {
        k: u32::try_from(k).expect("bounded above by MAX_K"),
        noise_key: section.read("noise_key", path),
    };
    section.finish();
    published
}

fn read_limits(value: Option<(RawValue, SettingLocation)>, problems: &mut ConfigProblems) -> ClientLimits {
    let mut section = section("limits", value, problems);
    let mut bounded = |key, default: u64, low, high| section.read(key, number(low, high)).unwrap_or(default);
    let limits = ClientLimits {
        // A busy page sends a beacon every few seconds. Some hundred people of a clinic share one address.
        rate: bounded("rate", 100, 0, 1_000_000) as u32,
        burst: bounded("burst", 500, 1, 1_000_000) as u32,
        // A server sends the beacons of many visitors with one token.
        sender_rate: bounded("sender_rate", 1_000, 0, 1_000_000) as u32,
        sender_burst: bounded("sender_burst", 5_000, 1, 1_000_000) as u32,
        connections: bounded("connections", 10_000, 1, 1_000_000) as usize,
        // A browser opens one to six. Some hundred people of a clinic share one address, and more share a carrier's.
        connections_per_address: bounded("connections_per_address", 1_000, 1, 1_000_000) as usize,
    };
    section.finish();
    limits
}

fn read_spool(value: Option<(RawValue, SettingLocation)>, problems: &mut ConfigProblems) -> SpoolLimits {
    let location = value.as_ref().map_or(SettingLocation::Line(1), |(_, location)| location.clone());
    let mut section = section("spool", value, problems);
    let rows = section.read("seal_rows", number(1, u64::from(MAX_SEAL_ROWS))).unwrap_or(250_000);
    let limits = SpoolLimits {
        seal_rows: u32::try_from(rows).expect("bounded above by MAX_SEAL_ROWS"),
        seal_bytes: section.read("seal_bytes", bytes).unwrap_or(DEFAULT_SEAL_BYTES),
        seal_after: section.read("seal_after", duration).unwrap_or(Duration::from_secs(2)),
        max_bytes: section.read("max_bytes", bytes).unwrap_or(8 << 30),
        reserve: section.read("reserve", bytes),
    };
    if limits.max_bytes < MIN_SPOOL_BYTES {
        section.problems.note(&location, "spool.max_bytes must be at least 64 MiB");
    }
    if limits.seal_bytes < 64 << 10 || limits.seal_bytes > limits.max_bytes / 2 {
        section.problems.note(&location, "spool.seal_bytes must be from 64 KiB to half of spool.max_bytes");
    }
    if limits.seal_after < Duration::from_millis(100) || limits.seal_after > Duration::from_secs(3_600) {
        section.problems.note(&location, "spool.seal_after must be from 100ms to 1h");
    }
    section.finish();
    limits
}

fn read_store(value: Option<(RawValue, SettingLocation)>, problems: &mut ConfigProblems) -> StoreConfig {
    let default = SocketAddr::from(([127, 0, 0, 1], 8123));
    let value = match value {
        None => return StoreConfig::embedded(default),
        Some((RawValue::Text(word), _)) if word == "embedded" => return StoreConfig::embedded(default),
        Some((RawValue::Text(url), location)) => {
            let url = (RawValue::Text(url), location.clone());
            (RawValue::Table(Values::from([("url".to_owned(), url)])), location)
        }
        Some(table) => table,
    };
    let mut section = section("store", Some(value), problems);
    let (listen_at, native_at) = (section.location("listen"), section.location("native"));
    let listen = section.read("listen", address).unwrap_or(default);
    let native = section.read("native", address);
    check_store_listeners(&mut section, (listen, listen_at), (native, native_at));
    let unconfined = section.read("unconfined", flag).unwrap_or(false);
    let urls_at = section.location("url");
    let urls = read_store_urls(&mut section);
    let database = section.read("database", identifier).unwrap_or_else(|| DATABASE.to_owned());
    let user = section.read("user", text).unwrap_or_else(|| "default".to_owned());
    let password = section.read("password_file", secret_file).unwrap_or_default();
    let cluster = read_cluster(&mut section);
    if urls.as_ref().is_some_and(|urls| urls.len() > 1)
        && cluster.is_none()
        && !section.problems.is_refused("store.cluster")
    {
        section.note_read(
            urls_at,
            "url",
            "has several addresses, which need store.cluster: each event would lie on any of them",
        );
    }
    section.finish();
    match urls {
        Some(urls) => StoreConfig::Server { urls, database, user, password, cluster },
        None => StoreConfig::Embedded { listen, native, unconfined },
    }
}

/// The addresses of a server, or of the nodes of a cluster; `None` without any that is right.
fn read_store_urls(section: &mut ConfigSection<'_>) -> Option<Vec<String>> {
    let location = section.location("url");
    let urls = section.list("url", store_url)?;
    if urls.is_empty() && !section.problems.is_refused("store.url") {
        section.note_read(location.clone(), "url", "must have at least one URL");
    }
    if let Some(twice) = urls.iter().enumerate().find_map(|(at, url)| urls[..at].contains(url).then_some(url))
    {
        section.note_read(location, "url", &format!("has {twice:?} twice"));
    }
    (!urls.is_empty()).then_some(urls)
}

/// The engine has one IP address for both of its protocols, and a port of its own for each.
fn check_store_listeners(
    section: &mut ConfigSection<'_>,
    (listen, listen_at): (SocketAddr, Option<SettingLocation>),
    (native, native_at): (Option<SocketAddr>, Option<SettingLocation>),
) {
    const NO_PORT: &str = "must have a port: the store cannot listen on one that the system chooses";
    if listen.port() == 0 {
        section.note_read(listen_at, "listen", NO_PORT);
    }
    let Some(native) = native else { return };
    if native.port() == 0 {
        section.note_read(native_at, "native", NO_PORT);
    } else if native.ip() != listen.ip() {
        let what =
            format!("must have the IP address of store.listen, {}, and not {}", listen.ip(), native.ip());
        section.note_read(native_at, "native", &what);
    }
}

fn read_cluster(section: &mut ConfigSection<'_>) -> Option<ClusterConfig> {
    let quorum_at = section.location("quorum");
    let quorum = section.read("quorum", quorum);
    let Some(name) = section.read("cluster", identifier) else {
        if quorum.is_some() {
            section.note_read(quorum_at, "quorum", "needs store.cluster: one server has no replicas");
        }
        return None;
    };
    Some(ClusterConfig { name, quorum: quorum.unwrap_or_default() })
}

fn read_sites(value: Option<(RawValue, SettingLocation)>, problems: &mut ConfigProblems) -> Sites {
    let Some((value, location)) = value else { return Sites::new([Site::localhost()]) };
    let RawValue::List(items) = value else {
        problems.note(&location, "site must be a list of tables: write [[site]]");
        return Sites::default();
    };
    if items.is_empty() {
        problems.note(&location, "site must have at least one site: write [[site]] with an id and hosts");
    }
    let mut seen: BTreeMap<String, SettingLocation> = BTreeMap::new();
    let mut sites = Vec::with_capacity(items.len());
    for item in items {
        let location = item.1.clone();
        let Some(site) = site_check::check(section("site", Some(item), problems)) else { continue };
        if let Some(first) = seen.insert(site.id.to_string(), location.clone()) {
            problems.note(&location, format!("site.id {:?} stands at {first} already", &*site.id));
        }
        sites.push(site);
    }
    Sites::new(sites)
}
