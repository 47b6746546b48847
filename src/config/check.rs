//! From settings as written to a checked [`Config`]: every default, range and relation between settings is here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::read::{Given, Place, Problems, Section, bytes, duration, flag, number, parsed, text};
use super::site::{self, Site, Sites};
use super::{Access, Config, Limits, SpoolLimits, Store, Tls};
use crate::secret::Secret;

/// Rows of one segment at most; one segment is one insert block of the store.
pub const MAX_SEAL_ROWS: u32 = 500_000;
/// The smallest bound on the spool: a few segments must fit.
const MIN_SPOOL_BYTES: u64 = 64 << 20;
/// Environment variables that are no settings.
const NOT_SETTINGS: [&str; 3] = ["FOOTFALL_CONFIG", "FOOTFALL_LOG", "FOOTFALL_LIBCHDB"];
/// Tables whose keys may be set as `FOOTFALL_TABLE_KEY`.
const TABLES: [&str; 5] = ["store", "spool", "limits", "tls", "access"];

const TOP: &[&str] = &[
    "listen",
    "admin",
    "reports",
    "data",
    "key",
    "key_on_disk",
    "timezone",
    "rotate_at",
    "trusted_proxies",
    "proxy_protocol",
    "geo",
    "policy",
    "tls",
    "access",
    "limits",
    "spool",
    "store",
    "site",
];

type Values = BTreeMap<String, (Given, Place)>;

/// Checks a file's text and the environment; notes every problem.
pub(super) fn check(file: &str, environment: &[(String, String)], problems: &mut Problems) -> Config {
    let mut values = Given::parse(file, problems);
    overlay(&mut values, environment);
    let mut top = Section::new("", (values, Place::Line(1)), problems);
    let store = top.raw("store");
    let tls = top.raw("tls");
    let access = top.raw("access");
    let limits = top.raw("limits");
    let spool = top.raw("spool");
    let sites = top.raw("site");
    let config = Config {
        listen: top.read("listen", address).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8080))),
        admin: top.read("admin", address).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9090))),
        reports: top.read("reports", address).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8090))),
        data: top.read("data", path).unwrap_or_else(|| "./data".into()),
        key: top.read("key", path).unwrap_or_else(|| "/dev/shm/footfall".into()),
        key_on_disk: top.read("key_on_disk", flag).unwrap_or(false),
        timezone: top.read("timezone", timezone).unwrap_or(TimeZone::UTC),
        rotate_at: top.read("rotate_at", time_of_day).unwrap_or(jiff::civil::time(4, 0, 0, 0)),
        trusted_proxies: top.list("trusted_proxies", network).unwrap_or_default(),
        proxy_protocol: top.read("proxy_protocol", flag).unwrap_or(false),
        geo: top.list("geo", path).unwrap_or_default(),
        policy: top.read("policy", text).unwrap_or_default(),
        tls: read_tls(tls, top.problems),
        access: read_access(access, top.problems),
        limits: read_limits(limits, top.problems),
        spool: read_spool(spool, top.problems),
        store: read_store(store, top.problems),
        sites: read_sites(sites, top.problems),
    };
    top.finish(TOP);
    config
}

/// Lays `FOOTFALL_*` variables over the file's values. A variable of a name that is no setting is kept under that
/// name, so that it is reported like a misspelt key.
fn overlay(values: &mut Values, environment: &[(String, String)]) {
    for (name, value) in environment {
        // Kubernetes sets FOOTFALL_SERVICE_HOST, FOOTFALL_PORT_8080_TCP and the like for a service of this name.
        let foreign = name.starts_with("FOOTFALL_SERVICE_") || name.starts_with("FOOTFALL_PORT");
        let Some(key) = name.strip_prefix("FOOTFALL_") else { continue };
        if foreign || NOT_SETTINGS.contains(&name.as_str()) {
            continue;
        }
        let key = key.to_ascii_lowercase();
        let entry = (Given::Text(value.clone()), Place::Variable(name.clone()));
        let within =
            TABLES.iter().find_map(|table| Some((*table, key.strip_prefix(table)?.strip_prefix('_')?)));
        match within {
            Some((table, key)) => {
                let place = entry.1.clone();
                let slot =
                    values.entry(table.to_owned()).or_insert_with(|| (Given::Table(Values::new()), place));
                // `store = "http://…"` in the file gives way to a table when a variable sets one of its keys.
                if let Given::Text(url) = &slot.0 {
                    let url = (Given::Text(url.clone()), slot.1.clone());
                    slot.0 = Given::Table(Values::from([("url".to_owned(), url)]));
                }
                if let Given::Table(inner) = &mut slot.0 {
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
fn section<'p>(name: &str, value: Option<(Given, Place)>, problems: &'p mut Problems) -> Section<'p> {
    let table = match value {
        Some((Given::Table(table), place)) => (table, place),
        Some((_, place)) => {
            problems.note(&place, format!("{name} must be a table"));
            (Values::new(), place)
        }
        None => (Values::new(), Place::Line(1)),
    };
    Section::new(format!("{name}."), table, problems)
}

fn read_tls(value: Option<(Given, Place)>, problems: &mut Problems) -> Option<Tls> {
    value.as_ref()?;
    let mut section = section("tls", value, problems);
    let tls = section.required("certificate", path).zip(section.required("key", path));
    section.finish(&["certificate", "key"]);
    tls.map(|(certificate, key)| Tls { certificate, key })
}

fn read_access(value: Option<(Given, Place)>, problems: &mut Problems) -> Access {
    let mut section = section("access", value, problems);
    let access = Access {
        loopback_tokens: section.read("loopback_tokens", flag).unwrap_or(false),
        hosts: section.list("hosts", text).unwrap_or_default(),
    };
    section.finish(&["loopback_tokens", "hosts"]);
    access
}

fn read_limits(value: Option<(Given, Place)>, problems: &mut Problems) -> Limits {
    let mut section = section("limits", value, problems);
    let mut bounded = |key, default: u64, low, high| section.read(key, number(low, high)).unwrap_or(default);
    let limits = Limits {
        // A busy page sends a beacon every few seconds; a clinic behind one address has some hundred people.
        rate: bounded("rate", 100, 0, 1_000_000) as u32,
        burst: bounded("burst", 500, 1, 1_000_000) as u32,
        // A back end that sends for an app's or a site's visitors, in one stream.
        sender_rate: bounded("sender_rate", 1_000, 0, 1_000_000) as u32,
        sender_burst: bounded("sender_burst", 5_000, 1, 1_000_000) as u32,
        connections: bounded("connections", 10_000, 1, 1_000_000) as usize,
        // A browser opens one to six; some hundred people stand behind one address of a clinic, more behind a carrier's.
        connections_per_address: bounded("connections_per_address", 1_000, 1, 1_000_000) as usize,
    };
    section.finish(&[
        "rate",
        "burst",
        "sender_rate",
        "sender_burst",
        "connections",
        "connections_per_address",
    ]);
    limits
}

fn read_spool(value: Option<(Given, Place)>, problems: &mut Problems) -> SpoolLimits {
    let place = value.as_ref().map_or(Place::Line(1), |(_, place)| place.clone());
    let mut section = section("spool", value, problems);
    let rows = section.read("seal_rows", number(1, u64::from(MAX_SEAL_ROWS))).unwrap_or(100_000);
    let limits = SpoolLimits {
        seal_rows: u32::try_from(rows).expect("bounded above by MAX_SEAL_ROWS"),
        seal_bytes: section.read("seal_bytes", bytes).unwrap_or(32 << 20),
        seal_after: section.read("seal_after", duration).unwrap_or(Duration::from_secs(2)),
        max_bytes: section.read("max_bytes", bytes).unwrap_or(8 << 30),
        reserve: section.read("reserve", bytes),
    };
    if limits.max_bytes < MIN_SPOOL_BYTES {
        section.problems.note(&place, "spool.max_bytes must be at least 64 MiB");
    }
    if limits.seal_bytes < 64 << 10 || limits.seal_bytes > limits.max_bytes / 2 {
        section.problems.note(&place, "spool.seal_bytes must be from 64 KiB to half of spool.max_bytes");
    }
    if limits.seal_after < Duration::from_millis(100) || limits.seal_after > Duration::from_secs(3_600) {
        section.problems.note(&place, "spool.seal_after must be from 100ms to 1h");
    }
    section.finish(&["seal_rows", "seal_bytes", "seal_after", "max_bytes", "reserve"]);
    limits
}

fn read_store(value: Option<(Given, Place)>, problems: &mut Problems) -> Store {
    let default = SocketAddr::from(([127, 0, 0, 1], 8123));
    let value = match value {
        None => return Store::embedded(default),
        Some((Given::Text(word), _)) if word == "embedded" => return Store::embedded(default),
        Some((Given::Text(url), place)) => {
            let url = (Given::Text(url), place.clone());
            (Given::Table(Values::from([("url".to_owned(), url)])), place)
        }
        Some(table) => table,
    };
    let mut section = section("store", Some(value), problems);
    let listen = section.read("listen", address).unwrap_or(default);
    let native = section.read("native", address);
    let unconfined = section.read("unconfined", flag).unwrap_or(false);
    let url = section.read("url", store_url);
    let database = section.read("database", identifier).unwrap_or_else(|| crate::store::DATABASE.to_owned());
    let user = section.read("user", text).unwrap_or_else(|| "default".to_owned());
    let password = section.read("password_file", secret_file).unwrap_or_default();
    let cluster = read_cluster(&mut section);
    section.finish(&[
        "listen",
        "native",
        "unconfined",
        "url",
        "database",
        "user",
        "password_file",
        "cluster",
        "cluster_experimental",
    ]);
    match url {
        Some(url) => Store::Server { url, database, user, password, cluster },
        None => Store::Embedded { listen, native, unconfined },
    }
}

/// The cluster's name. It is refused unless the operator says that losing events is acceptable.
fn read_cluster(section: &mut Section<'_>) -> Option<String> {
    let place = section.place("cluster");
    let experimental = section.read("cluster_experimental", flag).unwrap_or(false);
    let cluster = section.read("cluster", identifier)?;
    if !experimental {
        section.problems.note(
            &place?,
            "store.cluster is refused: a collector that ships to a cluster loses events today. Take it out and \
             ship to one server, or set store.cluster_experimental = true to try it with events that may be lost",
        );
    }
    Some(cluster)
}

fn read_sites(value: Option<(Given, Place)>, problems: &mut Problems) -> Sites {
    let Some((value, place)) = value else { return Sites::new([Site::localhost()]) };
    let Given::List(items) = value else {
        problems.note(&place, "site must be a list of tables: write [[site]]");
        return Sites::default();
    };
    let mut seen: BTreeMap<String, Place> = BTreeMap::new();
    let mut sites = Vec::with_capacity(items.len());
    for item in items {
        let place = item.1.clone();
        let Some(site) = site::check(section("site", Some(item), problems)) else { continue };
        if let Some(first) = seen.insert(site.id.to_string(), place.clone()) {
            problems.note(&place, format!("site.id {:?} stands at {first} already", &*site.id));
        }
        sites.push(site);
    }
    Sites::new(sites)
}

fn address(value: &Given) -> Result<SocketAddr, String> {
    parsed("an address and port such as 127.0.0.1:8080 or [::]:8080")(value)
}

fn path(value: &Given) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

/// A network, or an address that stands for itself.
fn network(value: &Given) -> Result<IpNet, String> {
    let text = text(value)?;
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
    net.ok_or_else(|| format!("must be networks such as 10.0.0.0/8 or fd00::/8, not {text:?}"))
}

fn timezone(value: &Given) -> Result<TimeZone, String> {
    let name = text(value)?;
    TimeZone::get(&name).map_err(|_| format!("must be an IANA time zone such as Europe/Moscow, not {name:?}"))
}

fn time_of_day(value: &Given) -> Result<jiff::civil::Time, String> {
    let text = text(value)?;
    jiff::civil::Time::strptime("%H:%M", &text)
        .map_err(|_| format!("must be a time such as 04:00, not {text:?}"))
}

/// A name that may stand in SQL without quoting.
fn identifier(value: &Given) -> Result<String, String> {
    let name = text(value)?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && !name.starts_with(|c: char| c.is_ascii_digit()) {
        Ok(name)
    } else {
        Err(format!("must be letters, digits and underscores, not {name:?}"))
    }
}

fn store_url(value: &Given) -> Result<String, String> {
    let text = text(value)?;
    let url = url::Url::parse(&text).ok();
    let fits = |url: &url::Url| url.scheme() == "http" && url.host().is_some() && url.password().is_none();
    match url {
        Some(url) if url.scheme() == "https" => {
            Err("must be http://; put ClickHouse behind a local TLS proxy, or on a private network"
                .to_owned())
        }
        Some(url) if fits(&url) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(format!("must be a URL such as http://clickhouse:8123 without a password, not {text:?}")),
    }
}

/// The first line of a file.
fn secret_file(value: &Given) -> Result<Secret, String> {
    let file = text(value)?;
    match std::fs::read_to_string(&file) {
        Ok(content) => Ok(Secret::new(content.lines().next().unwrap_or_default().to_owned())),
        Err(error) => Err(format!("cannot be read from {file}: {error}")),
    }
}
