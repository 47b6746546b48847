//! Hosts: the patterns of a site, and the host of a web address.

use std::fmt;

/// A host name; `*.` and a host name for all its subdomains, but not itself; or `*` for any host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    Exact(String),
    /// Every host with this suffix, which begins with a dot.
    Below(String),
    /// Any host: for trials.
    Any,
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(suffix) => write!(f, "*{suffix}"),
            Self::Any => f.write_str("any host"),
        }
    }
}

impl HostPattern {
    /// Whether the pattern matches `host`, which is in lower case and without port.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            Self::Any => true,
        }
    }
}

/// A web address as browsers serialise it in `Origin` and `Referer`: lower case, without a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WebAddress<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: Option<&'a str>,
    /// What follows the authority: path, query and fragment, or nothing.
    pub(crate) rest: &'a str,
}

impl<'a> WebAddress<'a> {
    /// Splits an `http` or `https` address.
    ///
    /// `None` for other schemes, an empty host, and an authority that another reader might understand differently: one with
    /// a user, a backslash or a blank.
    pub(crate) fn parse(address: &'a str) -> Option<Self> {
        let after_scheme = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
        // By bytes: this is done several times for each beacon, and decoding characters takes twice as long.
        let end = after_scheme.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
        let (authority, rest) = after_scheme.split_at(end.unwrap_or(after_scheme.len()));
        // The port follows the last colon, unless that colon is inside an IPv6 address.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
            _ => (authority, None),
        };
        let ambiguous = authority.bytes().any(|byte| matches!(byte, b'@' | b'\\' | b' '));
        (!host.is_empty() && !ambiguous).then_some(Self { host, port, rest })
    }
}
