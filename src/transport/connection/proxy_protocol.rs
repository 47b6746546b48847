//! The PROXY protocol, version 2, with which a TCP load balancer names the client of a connection.
//!
//! Only trusted peers may send the header, and they must. Version 1 (text) is refused, and so is a header longer than
//! [`MAX_PROXY_HEADER`]. Format: section 2.2 of the PROXY protocol specification by HAProxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length.
const FIXED: usize = 16;

/// Bytes of a header with its extensions. Balancers send a few hundred; the format allows 64 KiB.
pub(in crate::transport) const MAX_PROXY_HEADER: usize = FIXED + 2048;

#[derive(Debug, PartialEq, Eq)]
pub(in crate::transport) enum ProxyHeader {
    /// More bytes are needed.
    Partial,
    /// A header of `length` bytes. It has no `source` when the balancer opened the connection for itself (`LOCAL`) or the
    /// client has no IP address.
    Complete { source: Option<IpAddr>, length: usize },
    /// Not a header of version 2, or longer than [`MAX_PROXY_HEADER`].
    Invalid,
}

pub(in crate::transport) fn parse(bytes: &[u8]) -> ProxyHeader {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return ProxyHeader::Invalid;
    }
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return ProxyHeader::Partial };
    let length = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > MAX_PROXY_HEADER {
        return ProxyHeader::Invalid;
    }
    let Some(payload) = bytes.get(FIXED..length) else { return ProxyHeader::Partial };
    let source = match (fixed[12], fixed[13]) {
        (0x20, _) => None,
        // TCP over IPv4: source, destination, ports.
        (0x21, 0x11) => match payload.get(..12).and_then(<[u8]>::first_chunk::<4>) {
            Some(source) => Some(IpAddr::V4(Ipv4Addr::from(*source))),
            None => return ProxyHeader::Invalid,
        },
        // TCP over IPv6.
        (0x21, 0x21) => match payload.get(..36).and_then(<[u8]>::first_chunk::<16>) {
            Some(source) => Some(Ipv6Addr::from(*source).to_canonical()),
            None => return ProxyHeader::Invalid,
        },
        // Unspecified family: the specification says to use the addresses of the connection itself.
        (0x21, 0x00) => None,
        _ => return ProxyHeader::Invalid,
    };
    ProxyHeader::Complete { source, length }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend((payload.len() as u16).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn addresses_of_both_families_are_read_and_extensions_are_skipped() {
        let mut payload = vec![203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        payload.extend([0x04, 0, 2, 1, 2]);
        let mut bytes = header(0x21, 0x11, &payload);
        let length = bytes.len();
        bytes.extend(b"GET / HTTP/1.1\r\n");
        assert_eq!(
            parse(&bytes),
            ProxyHeader::Complete { source: Some("203.0.113.7".parse().unwrap()), length }
        );

        let mut payload = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets().to_vec();
        payload.extend([0; 20]);
        let bytes = header(0x21, 0x21, &payload);
        let source = Some("2001:db8::7".parse().unwrap());
        assert_eq!(parse(&bytes), ProxyHeader::Complete { source, length: bytes.len() });
    }

    #[test]
    fn every_cut_of_a_header_asks_for_more() {
        let bytes = header(0x21, 0x11, &[1; 12]);
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), ProxyHeader::Partial, "{end}");
        }
    }

    #[test]
    fn a_balancer_s_own_check_names_no_client() {
        assert_eq!(parse(&header(0x20, 0, &[])), ProxyHeader::Complete { source: None, length: 16 });
        assert_eq!(parse(&header(0x21, 0, &[])), ProxyHeader::Complete { source: None, length: 16 });
    }

    #[test]
    fn anything_else_is_refused() {
        for bytes in [
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(),
            b"GET / HTTP/1.1\r\n".to_vec(),
            header(0x11, 0x11, &[1; 12]),
            header(0x22, 0x11, &[1; 12]),
            header(0x21, 0x11, &[1; 11]),
            header(0x21, 0x21, &[1; 35]),
            header(0x21, 0x31, &[1; 216]),
            header(0x21, 0x12, &[1; 12]),
            header(0x21, 0x11, &[0; 2049]),
        ] {
            assert_eq!(parse(&bytes), ProxyHeader::Invalid, "{bytes:?}");
        }
    }
}
