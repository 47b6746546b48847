//! Splits the address of a page, link or file into host, scrubbed path and allow-listed query.
//!
//! User info, port and fragment are dropped. Addresses are read by the WHATWG URL Standard, which `url` implements. Plain
//! addresses need no normalising and are split here, faster; a property test compares the result with that of `url`.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};
use url::Url;

use super::label::Context;
use super::percent;
use super::query::{self, Campaign};
use super::text::fit;
use crate::config::NamePatterns;

/// Most bytes of a path.
const MAX_PATH: usize = 1_024;

/// Path parameters of servers that keep the session in the address.
const SESSION_PARAMETERS: [&str; 9] =
    ["jsessionid", "jsession", "sid", "phpsessid", "sessionid", "session_id", "session", "cfid", "cftoken"];

/// What is kept of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubbedAddress<'a> {
    /// Host, lower case, IDNA-encoded, without port and trailing dot.
    pub host: Cow<'a, str>,
    /// Path from its first `/`, scrubbed, decoded as far as it can be read.
    pub path: Cow<'a, str>,
    /// Allow-listed parameters, scrubbed, decoded as far as they can be read.
    pub query: Cow<'a, str>,
    /// Campaign parameters, if they are allow-listed.
    pub campaign: Campaign<'a>,
    /// Name of the first click-id parameter; empty when there is none.
    pub click_id: &'static str,
}

/// Why an address is not kept. The address itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("not an absolute address")]
    Malformed,
    #[error("not an http or https address")]
    Scheme,
}

/// Splits an address and scrubs its parts. `keep` names the query parameters that stay.
///
/// # Errors
/// When it is not an absolute `http` or `https` address with a host.
pub fn address<'a>(url: &'a str, keep: &NamePatterns) -> Result<ScrubbedAddress<'a>, AddressError> {
    match plain(url) {
        Some(parts) => Ok(scrub(parts, keep)),
        None => normalised(url, keep),
    }
}

/// Unchanged parts of an address.
#[derive(Debug, PartialEq, Eq)]
struct AddressParts<'a> {
    host: &'a str,
    path: &'a str,
    query: &'a str,
    fragment: &'a str,
}

fn scrub<'a>(parts: AddressParts<'a>, keep: &NamePatterns) -> ScrubbedAddress<'a> {
    let readable = percent::path(parts.path);
    let mut query = query::read(parts.query, &readable, keep);
    query.add_from_fragment(parts.fragment, keep);
    let context = Context::for_host(parts.host.as_bytes());
    let path = match (without_session(&readable), readable) {
        (None, Cow::Borrowed(path)) => fit(path, MAX_PATH, context),
        (None, Cow::Owned(path)) | (Some(path), _) => Cow::Owned(fit(&path, MAX_PATH, context).into_owned()),
    };
    ScrubbedAddress {
        host: Cow::Borrowed(parts.host),
        path,
        query: query.kept,
        campaign: query.campaign,
        click_id: query.click_id,
    }
}

/// Splits an address that the URL Standard would not change; `None` for all others.
fn plain(url: &str) -> Option<AddressParts<'_>> {
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
    // The standard strips control characters and blanks from the end of a fragment; the parts before it do not change.
    let (whole, fragment) = match memchr(b'#', rest.as_bytes()) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, ""),
    };
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    if path.is_empty() {
        return query.bytes().all(is_settled_query).then_some(AddressParts {
            host,
            path: "/",
            query,
            fragment,
        });
    }
    let settled = path.starts_with('/')
        && path.bytes().all(is_settled_path)
        && query.bytes().all(is_settled_query)
        && !has_dot_segment(path);
    settled.then_some(AddressParts { host, path, query, fragment })
}

/// Splits any other address by the URL Standard.
pub(super) fn normalised<'a>(url: &str, keep: &NamePatterns) -> Result<ScrubbedAddress<'a>, AddressError> {
    let parsed = Url::parse(url).map_err(|_| AddressError::Malformed)?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(AddressError::Scheme);
    }
    let host = parsed.host_str().ok_or(AddressError::Malformed)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    // No name has an empty label. Without it the rest might be read as an address of another kind.
    if host.is_empty() || host.contains("..") || host.starts_with('.') || host.ends_with('.') {
        return Err(AddressError::Malformed);
    }
    let (query, fragment) = (parsed.query().unwrap_or_default(), parsed.fragment().unwrap_or_default());
    let parts = AddressParts { host, path: parsed.path(), query, fragment };
    Ok(scrub(parts, keep).into_owned())
}

/// A path without session ids of servers, which would make a page of each visitor: path parameters such as
/// `;jsessionid=…`, and the segment of ASP.NET, `/(S(…))`. `None`: there are none.
fn without_session(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    // Most paths have neither. A percent sign alone says nothing: paths in other scripts consist of them.
    let has_parameters =
        memchr(b';', bytes).is_some() || memchr_iter(b'%', bytes).any(|at| is_semicolon(&bytes[at..]));
    if !has_parameters && !memchr_iter(b'(', bytes).any(|at| bytes[..at].ends_with(b"/")) {
        return None;
    }
    let segments =
        path.split('/').filter(|segment| !is_aspx_session(segment)).map(without_session_parameters);
    let clean = segments.collect::<Vec<_>>().join("/");
    Some(if clean.is_empty() { "/".to_owned() } else { clean })
}

/// Whether a segment is one in which ASP.NET keeps tickets, such as `(S(…))` or `(A(…)S(…))`.
fn is_aspx_session(segment: &str) -> bool {
    matches!(segment.as_bytes(), [b'(', ticket, b'(', .., b')', b')'] if ticket.is_ascii_uppercase())
}

/// Whether a part begins with a semicolon, plain or percent-encoded.
fn is_semicolon(part: &[u8]) -> bool {
    matches!(part, [b';', ..] | [b'%', b'3', b'b' | b'B', ..])
}

fn without_session_parameters(segment: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(segment.len()), segment);
    loop {
        let next = (1..rest.len()).find(|at| is_semicolon(&rest.as_bytes()[*at..]));
        let (parameter, after) = next.map_or((rest, ""), |at| rest.split_at(at));
        if !is_session(parameter) {
            clean.push_str(parameter);
        }
        if after.is_empty() {
            // Dots alone would be read as a step through the path, which they were not with the parameter.
            return if matches!(&*clean, "." | "..") { String::new() } else { clean };
        }
        rest = after;
    }
}

/// Whether a part of a segment is a path parameter, behind its semicolon, with the id of a session.
fn is_session(parameter: &str) -> bool {
    if !is_semicolon(parameter.as_bytes()) {
        return false;
    }
    let name = parameter.strip_prefix(';').unwrap_or_else(|| &parameter["%3B".len()..]);
    let name = name.split(['=', '%']).next().unwrap_or_default();
    SESSION_PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

impl ScrubbedAddress<'_> {
    pub(super) fn into_owned<'a>(self) -> ScrubbedAddress<'a> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        ScrubbedAddress {
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

/// Whether the URL Standard would not change a host of plain characters: no label is for IDNA (`xn--`) or the IPv4 parser.
fn is_settled_host(host: &str) -> bool {
    // By bytes: searching a short text for characters or texts takes several times as long.
    let labels = || host.as_bytes().rsplit(|byte| *byte == b'.');
    let last = labels().next().unwrap_or_default();
    last.first().is_some_and(u8::is_ascii_lowercase)
        && labels().all(|label| !label.is_empty() && label.get(2..4) != Some(b"--"))
}

/// A path byte that the standard does not change. It encodes control characters, blanks, quotes, brackets and bytes
/// beyond ASCII, and turns a backslash into a slash.
fn is_settled_path(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'}')
}

/// A query byte that the standard does not change.
fn is_settled_query(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\'')
}

/// Whether a segment is `.` or `..`, in plain or percent-encoded dots.
fn has_dot_segment(path: &str) -> bool {
    let bytes = path.as_bytes();
    let begins = |at: usize| matches!(bytes.get(at + 1), Some(b'.' | b'%'));
    if !memchr_iter(b'/', bytes).any(begins) {
        return false;
    }
    path.split('/').any(|segment| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    })
}
