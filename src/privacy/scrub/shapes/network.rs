//! Addresses of networks: IPv6, and of network cards. IPv4 addresses are groups of digits, see [`numbers`](super::numbers).

use std::net::Ipv6Addr;

/// The longest IPv6 address in text.
const MAX_IPV6: usize = 45;

/// Where the IPv6 or MAC address ends that begins at `at`, which no letter or digit precedes.
pub(in crate::privacy::scrub) fn address_end(bytes: &[u8], at: usize) -> Option<usize> {
    // Cheaply: a group of at most four hexadecimal digits, then a colon or, in a MAC address, a hyphen.
    let group = bytes[at..].iter().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
    match bytes.get(at + group)? {
        b':' | b'-'
            if group == 2
                && let Some(end) = mac_end(bytes, at) =>
        {
            Some(end)
        }
        b'.' if group == 4 => dotted_mac_end(bytes, at),
        b':' if group <= 4 => ipv6_end(bytes, at),
        _ => None,
    }
}

fn ipv6_end(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes[at..]
        .iter()
        .take(MAX_IPV6 + 1)
        .take_while(|byte| byte.is_ascii_hexdigit() || **byte == b':')
        .count();
    let run = &bytes[at..at + length];
    let groups = run.split(|byte| *byte == b':').filter(|group| !group.is_empty()).count();
    // Two groups are hours and minutes, and a word like `dead:beef` has no digit. `::1` is the machine itself.
    if groups < 3
        || !run.iter().any(u8::is_ascii_digit)
        || bytes.get(at + length).is_some_and(u8::is_ascii_alphanumeric)
    {
        return None;
    }
    let text = std::str::from_utf8(run).ok()?.trim_end_matches(':');
    // A port may follow without brackets, so the longest beginning counts.
    (groups == 8 || text.contains("::")).then_some(())?;
    text.parse::<Ipv6Addr>().ok().map(|_| at + text.len())
}

/// The address of a network card as switches write it: `001a.2b3c.4d5e`. With digits alone it is something else.
fn dotted_mac_end(bytes: &[u8], at: usize) -> Option<usize> {
    const MAC: usize = 14;
    let mac = bytes.get(at..at + MAC)?;
    let is_mac = mac
        .iter()
        .enumerate()
        .all(|(at, byte)| if at % 5 == 4 { *byte == b'.' } else { byte.is_ascii_hexdigit() });
    let is_mixed = mac.iter().any(u8::is_ascii_digit) && mac.iter().any(u8::is_ascii_alphabetic);
    let ends = bytes.get(at + MAC).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.');
    (is_mac && is_mixed && ends).then_some(at + MAC)
}

fn mac_end(bytes: &[u8], at: usize) -> Option<usize> {
    const MAC: usize = 17;
    let mac = bytes.get(at..at + MAC)?;
    let separator = mac[2];
    let is_mac = mac
        .iter()
        .enumerate()
        .all(|(at, byte)| if at % 3 == 2 { *byte == separator } else { byte.is_ascii_hexdigit() });
    (is_mac && bytes.get(at + MAC).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != separator))
        .then_some(at + MAC)
}
