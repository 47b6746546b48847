//! Parsers of single values. An error completes a sentence that begins with the key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::raw::RawValue;
use crate::secret::Secret;

/// A text that is not empty.
pub(super) fn text(value: &RawValue) -> Result<String, String> {
    match value {
        RawValue::Text(text) if text.is_empty() => Err("must not be empty".to_owned()),
        RawValue::Text(text) => Ok(text.clone()),
        other => Err(format!("must be text, not {}", other.kind())),
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
    TimeZone::get(&name).map_err(|_| format!("must be an IANA time zone such as Europe/Moscow, not {name:?}"))
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

pub(super) fn store_url(value: &RawValue) -> Result<String, String> {
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
pub(super) fn secret_file(value: &RawValue) -> Result<Secret, String> {
    let file = text(value)?;
    match std::fs::read_to_string(&file) {
        Ok(content) => Ok(Secret::new(content.lines().next().unwrap_or_default().to_owned())),
        Err(error) => Err(format!("cannot be read from {file}: {error}")),
    }
}
