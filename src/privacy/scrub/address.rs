//! The address of a page, link or file, taken apart: host, scrubbed path, allow-listed query.
//!
//! User info, port and fragment are dropped. The WHATWG URL Standard says how an address is read; `url` implements it.
//! Plain addresses, of which nothing needs normalising, are cut apart here without it, which a property test holds equal
//! to what `url` says.

use std::borrow::Cow;

use url::Url;

use super::query::{self, Campaign};

use crate::config::NamePatterns;

/// Bytes of a path at most.
const MAX_PATH: usize = 1_024;

/// What is kept of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address<'a> {
    /// Host, lower case, IDNA-encoded, without port and trailing dot.
    pub host: Cow<'a, str>,
    /// Path from its first `/`, scrubbed.
    pub path: Cow<'a, str>,
    /// Allow-listed parameters, form-encoded, scrubbed.
    pub query: Cow<'a, str>,
    /// Campaign parameters, if they are allow-listed.
    pub campaign: Campaign<'a>,
    /// Name of the click-id parameter that is there; empty when there is none.
    pub click_id: &'static str,
}

/// Why an address is not kept; the address itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read.
    #[error("not an absolute address")]
    Malformed,
    /// Its scheme is neither `http` nor `https`.
    #[error("not an http or https address")]
    Scheme,
}

/// Takes an address apart and scrubs it; `keep` names the query parameters that stay.
///
/// # Errors
/// When it is not an absolute `http` or `https` address with a host.
pub fn address<'a>(url: &'a str, keep: &NamePatterns) -> Result<Address<'a>, AddressError> {
    match plain(url) {
        Some(parts) => Ok(scrub(parts, keep)),
        None => normalised(url, keep),
    }
}

/// Host, path and query as they stand in an address.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    host: &'a str,
    path: &'a str,
    query: &'a str,
}

fn scrub<'a>(parts: Parts<'a>, keep: &NamePatterns) -> Address<'a> {
    let query = query::read(parts.query, keep);
    let path = super::text(parts.path, MAX_PATH);
    Address {
        host: Cow::Borrowed(parts.host),
        path,
        query: query.kept,
        campaign: query.campaign,
        click_id: query.click_id,
    }
}

/// Cuts an address apart that the URL Standard would leave as it is; `None` for all others.
fn plain(url: &str) -> Option<Parts<'_>> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host_end = rest.bytes().position(|byte| !is_plain_host(byte)).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(host_end);
    if !is_settled_host(host) {
        return None;
    }
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(port) => {
            let digits = port.bytes().take_while(u8::is_ascii_digit).count();
            port[..digits].parse::<u16>().ok()?;
            &port[digits..]
        }
    };
    let whole = match rest.bytes().position(|byte| byte == b'#') {
        // Control characters and blanks at the end are stripped, even from a fragment, which changes nothing before it.
        Some(fragment) => &rest[..fragment],
        None => rest,
    };
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    if path.is_empty() {
        return query.bytes().all(is_settled_query).then_some(Parts { host, path: "/", query });
    }
    let settled = path.starts_with('/')
        && path.bytes().all(is_settled_path)
        && query.bytes().all(is_settled_query)
        && !has_dot_segment(path);
    settled.then_some(Parts { host, path, query })
}

/// Everything else, by the URL Standard.
pub(super) fn normalised<'a>(url: &str, keep: &NamePatterns) -> Result<Address<'a>, AddressError> {
    let parsed = Url::parse(url).map_err(|_| AddressError::Malformed)?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(AddressError::Scheme);
    }
    let host = parsed.host_str().ok_or(AddressError::Malformed)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    // An empty label is no name's, and without it the rest might be read as an address of another kind.
    if host.is_empty() || host.contains("..") || host.starts_with('.') || host.ends_with('.') {
        return Err(AddressError::Malformed);
    }
    let parts = Parts { host, path: parsed.path(), query: parsed.query().unwrap_or_default() };
    Ok(scrub(parts, keep).into_owned())
}

impl Address<'_> {
    fn into_owned<'a>(self) -> Address<'a> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Address {
            host: own(self.host),
            path: own(self.path),
            query: own(self.query),
            campaign: Campaign {
                source: own(self.campaign.source),
                medium: own(self.campaign.medium),
                campaign: own(self.campaign.campaign),
                content: own(self.campaign.content),
                term: own(self.campaign.term),
            },
            click_id: self.click_id,
        }
    }
}

fn is_plain_host(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
}

/// Whether a host of plain characters is its own normal form: no label that IDNA or the IPv4 parser would look at.
fn is_settled_host(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    last.starts_with(|first: char| first.is_ascii_lowercase())
        && !host.starts_with('.')
        && !host.contains("..")
        && !host
            .split('.')
            .any(|label| label.starts_with("xn--") || label.as_bytes().get(2..4) == Some(b"--"))
}

/// A path byte that is left alone: no control, blank, quote, bracket or byte beyond ASCII, which would be encoded, and no
/// backslash, which would become a slash.
fn is_settled_path(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'}')
}

/// A query byte that is left alone.
fn is_settled_query(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\'')
}

/// Whether a segment is `.` or `..`, in plain or percent-encoded dots.
fn has_dot_segment(path: &str) -> bool {
    if !path.contains("/.") && !path.contains("/%2") {
        return false;
    }
    path.split('/').any(|segment| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    })
}
