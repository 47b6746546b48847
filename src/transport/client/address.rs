//! The address of a request's client: the peer, or the client that trusted proxies name.
//!
//! Proxies append to `X-Forwarded-For` and `Forwarded`, so both are read from the right, up to the first address that is
//! not trusted: strangers can write everything left of it. `Forwarded` is read only when there is no `X-Forwarded-For`: a proxy that
//! writes one passes on what a stranger wrote into the other, and most proxies write `X-Forwarded-For`. The peer is the client when an
//! entry cannot be read. Empty entries are left out (RFC 9110, section 5.6.1.2). Nothing here keeps, prints or logs an address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};
use ipnet::IpNet;
use zeroize::Zeroizing;

/// Proxies append the address of their client to this header.
pub static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Entries that are read, over all headers: a chain of proxies is short, a hostile header is long.
const MAX_HOPS: usize = 32;

/// Wiped when it is dropped.
pub(in crate::transport) struct RemoteAddress(Zeroizing<[u8; 16]>);

impl RemoteAddress {
    pub(in crate::transport) fn new(address: IpAddr) -> Self {
        let octets = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self(Zeroizing::new(octets))
    }

    /// An IPv4 address within IPv6 becomes IPv4.
    pub(in crate::transport) fn address(&self) -> IpAddr {
        Ipv6Addr::from(*self.0).to_canonical()
    }
}

/// The networks whose proxies may name their clients.
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request whose peer is trusted: the client that the headers name, or the peer.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let claimed = match self.walk(headers.get_all(&X_FORWARDED_FOR), listed_hop) {
            ClaimedClient::None => self.walk(headers.get_all(FORWARDED), forwarded_hop),
            listed => listed,
        };
        if let ClaimedClient::Address(client) = claimed { client } else { peer }
    }

    /// Reads one kind of header from the right, up to the first address that is not trusted.
    fn walk(
        &self,
        values: hyper::header::GetAll<'_, hyper::header::HeaderValue>,
        hop: fn(&str) -> Option<IpAddr>,
    ) -> ClaimedClient {
        let mut client = None;
        let mut left = MAX_HOPS;
        for value in values.iter().rev() {
            let Ok(value) = value.to_str() else { return ClaimedClient::Unreadable };
            for entry in ReverseParts::new(value, b',').filter(|entry| !entry.is_empty()) {
                let Some(address) = hop(entry).filter(|_| left > 0) else { return ClaimedClient::Unreadable };
                left -= 1;
                if !self.contains(address) {
                    return ClaimedClient::Address(address);
                }
                client = Some(address);
            }
        }
        // Every hop is trusted: the client is the first one, a machine of the operator.
        client.map_or(ClaimedClient::None, ClaimedClient::Address)
    }
}

/// Returns the address in a header, or `None` when the header is missing, stands twice, or holds anything else.
pub fn single_address(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { listed_hop(value.to_str().ok()?.trim()) }
}

/// The client by one kind of header.
enum ClaimedClient {
    None,
    Address(IpAddr),
    Unreadable,
}

/// The parts of a list, from the right. A separator within quotes separates nothing.
struct ReverseParts<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> ReverseParts<'a> {
    fn new(list: &'a str, separator: u8) -> Self {
        Self { rest: Some(list), separator }
    }
}

impl<'a> Iterator for ReverseParts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let mut quoted = false;
        let separator = rest.bytes().rposition(|byte| {
            quoted ^= byte == b'"';
            byte == self.separator && !quoted
        });
        let (rest, part) = match separator {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        self.rest = rest;
        Some(part.trim_matches([' ', '\t']))
    }
}

/// Parses an entry of `X-Forwarded-For`: an address, to which some proxies add a port.
fn listed_hop(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    IpAddr::from_str(bare)
        .ok()
        .or_else(|| SocketAddr::from_str(entry).ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

/// Parses the one `for` parameter of an entry of `Forwarded` (RFC 7239, section 4). `unknown` and `_names` name no address.
fn forwarded_hop(entry: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in ReverseParts::new(entry, b';').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    let node = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').filter(|node| !node.contains(['"', '\\']))?,
        // A token has no colon and no bracket: a port or an IPv6 address must be quoted.
        None if value.contains([':', '[', '"']) => return None,
        None => value,
    };
    // An IPv6 address must stand in brackets.
    if node.contains(':') && !node.starts_with('[') && node.matches(':').count() > 1 {
        return None;
    }
    listed_hop(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1";

    fn client(headers: &[(&'static str, &'static str)]) -> String {
        let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        trusted.client(PEER.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn a_chain_is_read_from_the_right_up_to_the_first_stranger() {
        for (value, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("1.2.3.4, 203.0.113.7", "203.0.113.7"),
            ("1.2.3.4,203.0.113.7 , 10.2.0.1", "203.0.113.7"),
            ("10.9.9.9, 10.2.0.1", "10.9.9.9"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, ::ffff:10.2.0.1, fd00::1", "203.0.113.7"),
            ("203.0.113.7,", "203.0.113.7"),
            (", 203.0.113.7 , , ", "203.0.113.7"),
            ("1.2.3.4,,203.0.113.7,\t,10.2.0.1", "203.0.113.7"),
        ] {
            assert_eq!(client(&[("x-forwarded-for", value)]), expected, "{value}");
        }
    }

    #[test]
    fn the_peer_is_the_client_when_an_entry_cannot_be_read() {
        for value in
            ["", ",", " , ,", "unknown", "1.2.3.4, x", "1.2.3", "[::1", "1.2.3.4 5.6.7.8", "256.1.1.1", "%"]
        {
            assert_eq!(client(&[("x-forwarded-for", value)]), PEER, "{value}");
        }
        let long = Box::leak(["10.0.0.2"; 40].join(",").into_boxed_str());
        assert_eq!(client(&[("x-forwarded-for", long)]), PEER);
    }

    #[test]
    fn headers_of_one_name_are_one_list() {
        assert_eq!(
            client(&[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2, 10.1.1.1")]),
            "2.2.2.2"
        );
    }

    #[test]
    fn forwarded_is_read_as_the_rfc_writes_it() {
        for (value, expected) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17;by=\"a,b\"", "198.51.100.17"),
            ("for=\"203.0.113.7:80\"; proto=https", "203.0.113.7"),
            ("for=203.0.113.7, for=10.0.0.5", "203.0.113.7"),
            ("for=203.0.113.7;proto=https;", "203.0.113.7"),
            ("for=203.0.113.7 ; ; proto=https,", "203.0.113.7"),
            ("for=192.0.2.43,, for=203.0.113.7;by=\"a;b,c\";", "203.0.113.7"),
            ("for=unknown", PEER),
            ("for=_hidden", PEER),
            ("proto=https", PEER),
            ("for=1.1.1.1;for=2.2.2.2", PEER),
            ("for=[2001:db8::1]", PEER),
            ("for=\"2001:db8::1\"", PEER),
            ("for=\"1.2.3.4", PEER),
            ("for", PEER),
        ] {
            assert_eq!(client(&[("forwarded", value)]), expected, "{value}");
        }
    }

    #[test]
    fn what_a_stranger_wrote_into_a_header_that_the_proxy_does_not_write_is_not_read() {
        for forwarded in ["for=1.2.3.4", "for=203.0.113.7", "for=unknown", "nonsense", ""] {
            let client = client(&[("x-forwarded-for", "203.0.113.7"), ("forwarded", forwarded)]);
            assert_eq!(client, "203.0.113.7", "{forwarded}");
        }
        assert_eq!(client(&[("x-forwarded-for", "x"), ("forwarded", "for=1.2.3.4")]), PEER);
        assert_eq!(client(&[("x-forwarded-for", " , "), ("forwarded", "for=1.2.3.4")]), "1.2.3.4");
    }
}
