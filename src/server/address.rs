//! Whose request it is: the peer, or the client that trusted proxies speak for.
//!
//! Proxies append to `X-Forwarded-For` and `Forwarded`, so both are read from the right, and only as far as the hops are
//! trusted: what stands left of the first untrusted address was written by a stranger. A word that cannot be read, or
//! two headers that name different clients (one of them passed through a proxy that does not know it), convince nobody:
//! the peer then stands for itself. Nothing here keeps, prints or logs an address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};
use ipnet::IpNet;
use zeroize::Zeroizing;

pub(super) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Hops that are looked at, over all headers: a chain of proxies is short, a hostile header is long.
const MAX_HOPS: usize = 32;

/// The address at the other end of a connection, for as long as the connection lasts; wiped with it.
pub(super) struct Remote(Zeroizing<[u8; 16]>);

impl Remote {
    /// Keeps an address; one of IPv4 within IPv6 is the same as its IPv4 address.
    pub(super) fn new(address: IpAddr) -> Self {
        let octets = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self(Zeroizing::new(octets))
    }

    /// The address itself.
    pub(super) fn address(&self) -> IpAddr {
        Ipv6Addr::from(*self.0).to_canonical()
    }
}

/// The networks whose word on a client's address is taken.
pub(super) struct Trusted(Vec<IpNet>);

impl Trusted {
    /// Trusts these networks.
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether `address` lies in one of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client that a request came from, given that its peer is trusted.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let listed = self.walk(headers.get_all(&X_FORWARDED_FOR), listed_hop);
        let forwarded = self.walk(headers.get_all(FORWARDED), forwarded_hop);
        match (listed, forwarded) {
            (Word::Client(client), Word::None) | (Word::None, Word::Client(client)) => client,
            (Word::Client(one), Word::Client(other)) if one == other => one,
            _ => peer,
        }
    }

    /// Follows one kind of header from the right, up to the first address that is not trusted.
    fn walk(
        &self,
        values: hyper::header::GetAll<'_, hyper::header::HeaderValue>,
        hop: fn(&str) -> Option<IpAddr>,
    ) -> Word {
        let mut client = None;
        let mut left = MAX_HOPS;
        for value in values.iter().rev() {
            let Ok(value) = value.to_str() else { return Word::Unreadable };
            for entry in Backwards(Some(value)) {
                let Some(address) = hop(entry).filter(|_| left > 0) else { return Word::Unreadable };
                left -= 1;
                if !self.contains(address) {
                    return Word::Client(address);
                }
                client = Some(address);
            }
        }
        // Every hop is trusted: the first of them is the client, a machine of the operator's own.
        client.map_or(Word::None, Word::Client)
    }
}

/// The one address that a header holds; `None` when it is not there once, or holds more.
pub(super) fn single(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { listed_hop(value.to_str().ok()?.trim()) }
}

/// What a kind of header says of the client.
enum Word {
    None,
    Client(IpAddr),
    Unreadable,
}

/// The entries of a comma-separated list from the right; a comma within quotes does not part them.
struct Backwards<'a>(Option<&'a str>);

impl<'a> Iterator for Backwards<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0?;
        let mut quoted = false;
        let comma = rest.bytes().rposition(|byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let (rest, entry) = match comma {
            Some(comma) => (Some(&rest[..comma]), &rest[comma + 1..]),
            None => (None, rest),
        };
        self.0 = rest;
        Some(entry.trim_matches([' ', '\t']))
    }
}

/// An entry of `X-Forwarded-For`: an address, as some proxies write it with a port.
fn listed_hop(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    IpAddr::from_str(bare)
        .ok()
        .or_else(|| SocketAddr::from_str(entry).ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

/// An entry of `Forwarded` (RFC 7239, section 4): its one `for` parameter. `unknown` and `_names` tell nothing.
fn forwarded_hop(entry: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in entry.split(';') {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    let node = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').filter(|node| !node.contains(['"', '\\']))?,
        // A token holds neither a colon nor a bracket: a port or an IPv6 address must be quoted.
        None if value.contains([':', '[', '"']) => return None,
        None => value,
    };
    // IPv6 stands in brackets here, always.
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
        let trusted = Trusted::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
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
        ] {
            assert_eq!(client(&[("x-forwarded-for", value)]), expected, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_leaves_the_peer() {
        for value in [
            "",
            ",",
            "1.2.3.4,",
            "unknown",
            "1.2.3.4, x",
            "1.2.3",
            "[::1",
            "1.2.3.4 5.6.7.8",
            "256.1.1.1",
            "%",
        ] {
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
    fn a_header_that_the_proxy_passed_through_cannot_contradict_the_one_it_wrote() {
        assert_eq!(client(&[("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=1.2.3.4")]), PEER);
        assert_eq!(client(&[("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=203.0.113.7")]), PEER);
        assert_eq!(client(&[("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")]), "1.2.3.4");
        assert_eq!(client(&[("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=unknown")]), PEER);
    }
}
