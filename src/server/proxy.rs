//! The PROXY protocol, version 2: how a load balancer of the fourth layer tells whose connection it hands on.
//!
//! The header is read only from trusted peers, which then must send it. Version 1 (text) is refused, like every header
//! that is longer than [`MAX_HEADER`]. Format: the PROXY protocol specification by HAProxy, section 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length.
const FIXED: usize = 16;

/// Bytes of a header with its extensions; balancers send a few hundred, the format allows 64 KiB.
pub(super) const MAX_HEADER: usize = FIXED + 2048;

/// What the bytes at the start of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// More bytes are needed.
    Partial,
    /// A whole header of `length` bytes. `source` is absent when the balancer speaks for itself (`LOCAL`) or the client
    /// has no IP address.
    Whole { source: Option<IpAddr>, length: usize },
    /// Not a header of version 2, or one over the bound.
    Invalid,
}

/// Reads the header at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Header {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Header::Invalid;
    }
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Header::Partial };
    let length = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > MAX_HEADER {
        return Header::Invalid;
    }
    let Some(payload) = bytes.get(FIXED..length) else { return Header::Partial };
    let source = match (fixed[12], fixed[13]) {
        (0x20, _) => None,
        // TCP over IPv4: source, destination, ports.
        (0x21, 0x11) => match payload.get(..12).and_then(<[u8]>::first_chunk::<4>) {
            Some(source) => Some(IpAddr::V4(Ipv4Addr::from(*source))),
            None => return Header::Invalid,
        },
        // TCP over IPv6.
        (0x21, 0x21) => match payload.get(..36).and_then(<[u8]>::first_chunk::<16>) {
            Some(source) => Some(Ipv6Addr::from(*source).to_canonical()),
            None => return Header::Invalid,
        },
        // An unspecified family: the specification asks to use the connection's own addresses.
        (0x21, 0x00) => None,
        _ => return Header::Invalid,
    };
    Header::Whole { source, length }
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
    fn addresses_of_both_families_are_read_and_extensions_are_passed_over() {
        let mut payload = vec![203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        payload.extend([0x04, 0, 2, 1, 2]);
        let mut bytes = header(0x21, 0x11, &payload);
        let length = bytes.len();
        bytes.extend(b"GET / HTTP/1.1\r\n");
        assert_eq!(parse(&bytes), Header::Whole { source: Some("203.0.113.7".parse().unwrap()), length });

        let mut payload = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets().to_vec();
        payload.extend([0; 20]);
        let bytes = header(0x21, 0x21, &payload);
        let source = Some("2001:db8::7".parse().unwrap());
        assert_eq!(parse(&bytes), Header::Whole { source, length: bytes.len() });
    }

    #[test]
    fn every_cut_of_a_header_asks_for_more() {
        let bytes = header(0x21, 0x11, &[1; 12]);
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Header::Partial, "{end}");
        }
    }

    #[test]
    fn a_balancer_s_own_check_names_no_client() {
        assert_eq!(parse(&header(0x20, 0, &[])), Header::Whole { source: None, length: 16 });
        assert_eq!(parse(&header(0x21, 0, &[])), Header::Whole { source: None, length: 16 });
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
            assert_eq!(parse(&bytes), Header::Invalid, "{bytes:?}");
        }
    }
}
