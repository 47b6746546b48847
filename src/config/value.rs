//! Parsers of single values. An error completes a sentence that begins with the key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::model::Quorum;
use super::raw::RawValue;
use crate::secret::Secret;

/// A text that is not empty.
pub(super) fn text(value: &RawValue) -> Result<String, String> {
    match value {
        RawValue::Text(text) if text.is_empty() => Err("must not be empty".to_owned()),
        RawValue::Text(text) => Ok(text.clone()),
        other => Err(format!("must be text in quotation marks, not {}", other.kind())),
    }
}

/// A text that the parser of `T` accepts. `what` describes it in errors.
pub(super) fn parsed<T: FromStr>(what: &'static str) -> impl Fn(&RawValue) -> Result<T, String> {
    move |value| {
        let text = text(value)?;
        text.parse().map_err(|_| format!("must be {what}, not {text:?}"))
    }
}

pub(super) fn flag(value: &RawValue) -> Result<bool, String> {
    value.as_flag().ok_or_else(|| "must be true or false".to_owned())
}

pub(super) fn number(low: u64, high: u64) -> impl Fn(&RawValue) -> Result<u64, String> {
    move |value| {
        let number = match value {
            RawValue::Number(number) => u64::try_from(*number).ok(),
            RawValue::Text(text) => text.parse().ok(),
            _ => None,
        };
        number
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| format!("must be a whole number from {low} to {high}"))
    }
}

/// A time such as `"500ms"`, `"2s"`, `"5m"`.
pub(super) fn duration(value: &RawValue) -> Result<Duration, String> {
    let text = text(value)?;
    let (number, unit) = split_unit(&text);
    let number: Option<u64> = number.parse().ok();
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" | "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    number
        .zip(milliseconds)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("must be a time such as \"500ms\", \"2s\" or \"5m\", not {text:?}"))
}

/// A size such as `"64 KiB"`, `"32 MiB"`, `"8 GiB"`, or a number of bytes.
pub(super) fn bytes(value: &RawValue) -> Result<u64, String> {
    let text = match value {
        RawValue::Number(number) => number.to_string(),
        other => text(other)?,
    };
    let (number, unit) = split_unit(&text);
    let number: Option<u64> = number.parse().ok();
    let shift = match unit {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        "TiB" => Some(40),
        _ => None,
    };
    number
        .zip(shift)
        .and_then(|(number, shift)| number.checked_mul(1 << shift))
        .ok_or_else(|| format!("must be a size such as \"32 MiB\" or \"8 GiB\", not {text:?}"))
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

pub(super) fn address(value: &RawValue) -> Result<SocketAddr, String> {
    parsed("an address and port such as 127.0.0.1:8080 or [::]:8080")(value)
}

pub(super) fn path(value: &RawValue) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

/// A network, or a single address.
pub(super) fn network(value: &RawValue) -> Result<IpNet, String> {
    let text = text(value)?;
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
    net.ok_or_else(|| format!("must be networks such as 10.0.0.0/8 or fd00::/8, not {text:?}"))
}

pub(super) fn timezone(value: &RawValue) -> Result<TimeZone, String> {
    let name = text(value)?;
    let zone = TimeZone::get(&name).ok().filter(|zone| zone.iana_name().is_some_and(is_portable_zone));
    zone.ok_or_else(|| format!("must be an IANA time zone such as Europe/Moscow, not {name:?}"))
}

/// Whether ClickHouse knows the zone, too. These names are found in a system's directory of zones, or stand for no zone at all.
fn is_portable_zone(name: &str) -> bool {
    let is_local = ["localtime", "posixrules", "Factory", "Etc/Unknown"].contains(&name);
    !is_local && !["posix/", "right/"].iter().any(|directory| name.starts_with(directory))
}

/// A name that needs no quoting in SQL.
pub(super) fn identifier(value: &RawValue) -> Result<String, String> {
    let name = text(value)?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && !name.starts_with(|c: char| c.is_ascii_digit()) {
        Ok(name)
    } else {
        Err(format!("must be letters, digits and underscores, not {name:?}"))
    }
}

pub(super) fn quorum(value: &RawValue) -> Result<Quorum, String> {
    match value {
        RawValue::Text(word) if word == "auto" => Ok(Quorum::Auto),
        value => number(1, 100)(value)
            .map(Quorum::Replicas)
            .map_err(|_| "must be \"auto\" or a number of replicas from 1 to 100".to_owned()),
    }
}

pub(super) fn store_url(value: &RawValue) -> Result<String, String> {
    let text = text(value)?;
    let url = url::Url::parse(&text).ok();
    match url {
        Some(url) if url.scheme() == "https" => {
            Err("must be http://; put ClickHouse behind a local TLS proxy, or on a private network"
                .to_owned())
        }
        // The text may hold a password and is not repeated.
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("must have no user and no password: set store.user and store.password_file instead"
                .to_owned())
        }
        Some(url) if url.scheme() == "http" && is_plain(&url) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(format!("must be a URL such as http://clickhouse:8123, not {text:?}")),
    }
}

/// Whether the URL has a host, a usable port, and nothing behind its path.
fn is_plain(url: &url::Url) -> bool {
    url.host().is_some() && url.port() != Some(0) && url.query().is_none() && url.fragment().is_none()
}

/// The address under which browsers reach the collector, without a slash at the end. It may have a path, where a proxy adds one.
pub(super) fn public_url(value: &RawValue) -> Result<String, String> {
    let text = text(value)?;
    let url = url::Url::parse(&text).ok();
    let is_web = |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty();
    // It is printed within an attribute of HTML.
    let is_printable = |url: &url::Url| !url.as_str().contains(['"', '\'', '<', '>', '&']);
    match url.filter(|url| is_web(url) && url.password().is_none() && is_plain(url) && is_printable(url)) {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(format!(
            "must be the address that browsers use, such as https://stats.clinic.example, not {text:?}"
        )),
    }
}

/// The name of a host, without scheme and port.
pub(super) fn host_name(value: &RawValue) -> Result<String, String> {
    let name = text(value)?;
    let host = url::Host::parse(&name).ok().filter(|_| !name.contains(['/', ' ', '*']));
    host.map(|_| name.clone()).ok_or_else(|| {
        format!("must be host names such as reports.clinic.example, without scheme and port, not {name:?}")
    })
}

/// The first line of a file.
pub(super) fn secret_file(value: &RawValue) -> Result<Secret, String> {
    let file = text(value)?;
    let content =
        std::fs::read_to_string(&file).map_err(|error| format!("cannot be read from {file}: {error}"))?;
    match content.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line.to_owned())),
        _ => Err(format!("must name a file whose first line is the password, and that of {file} is empty")),
    }
}
