//! Signed site names: `clinic~EXPIRY~MAC` in place of `clinic`. A site that requires them accepts beacons only from clients
//! that have read one of its pages, and only until the name expires.
//!
//! The MAC is the first 128 bits of HMAC-SHA-256 under the site's secret over the three parts `footfall site token v1`, the
//! site's id and the expiry as decimal digits, each preceded by its length as a 32-bit little-endian number; in base64url
//! without padding. It is part of the site's name, so the script needs no code for it. It cannot stop a client that fetches a
//! page and copies the name until it expires.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// Separates this use of a secret from any other.
const DOMAIN: &[u8] = b"footfall site token v1";
/// Bytes of the MAC that are sent: 128 bits cannot be guessed (NIST SP 800-107, 5.3.3).
pub(super) const MAC_BYTES: usize = 16;
/// Most digits of an expiry: below 10^12 s.
pub(super) const MAX_DIGITS: usize = 12;

/// The site's name in a beacon, with its signature if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedSiteName<'a> {
    pub site: &'a str,
    /// `EXPIRY~MAC`, not verified.
    pub signature: Option<&'a str>,
}

impl<'a> SignedSiteName<'a> {
    /// Splits a name at its first `~`; site ids contain none.
    pub fn parse(name: &'a str) -> Self {
        match name.split_once('~') {
            Some((site, signature)) => Self { site, signature: Some(signature) },
            None => Self { site: name, signature: None },
        }
    }

    /// Whether the signature was made with one of `secrets` and has not expired at `now`, Unix time in s.
    pub fn is_signed(&self, secrets: &[Secret], now: i64) -> bool {
        let Some((expiry, mac)) = self.signature.and_then(|signature| signature.split_once('~')) else {
            return false;
        };
        let digits =
            (1..=MAX_DIGITS).contains(&expiry.len()) && expiry.bytes().all(|byte| byte.is_ascii_digit());
        let mut given = [0; MAC_BYTES];
        let whole = URL_SAFE_NO_PAD.decode_slice(mac, &mut given) == Ok(MAC_BYTES);
        if !digits || !whole || expiry.parse::<i64>().map_or(true, |expiry| expiry <= now) {
            return false;
        }
        // Each comparison takes the same time wherever the MACs differ.
        secrets.iter().fold(false, |found, secret| {
            found | mac_of(secret, self.site, expiry).verify_truncated_left(&given).is_ok()
        })
    }
}

/// The signed name of `site`, valid until `expiry`, Unix time in s.
pub fn sign(secret: &Secret, site: &str, expiry: i64) -> String {
    let expiry = expiry.to_string();
    let mac = mac_of(secret, site, &expiry).finalize().into_bytes();
    format!("{site}~{expiry}~{}", URL_SAFE_NO_PAD.encode(&mac[..MAC_BYTES]))
}

fn mac_of(secret: &Secret, site: &str, expiry: &str) -> Hmac<Sha256> {
    mac_of_parts(secret, &[DOMAIN, site.as_bytes(), expiry.as_bytes()])
}

/// The MAC of parts, each preceded by its length, so that no two lists of parts have the same. The first part names the use.
pub(super) fn mac_of_parts(secret: &Secret, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    for part in parts {
        // A part is a name or a number, far below 4 GiB.
        mac.update(&(part.len() as u32).to_le_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_example_of_the_documentation_is_what_is_computed() {
        let signed = sign(&secret("0123456789abcdef0123456789abcdef"), "clinic", 1_795_400_000);
        assert_eq!(signed, "clinic~1795400000~urSM514jCb-KczEbR6Yqkg");
    }

    #[test]
    fn a_signed_name_is_valid_until_it_expires_with_either_secret() {
        let (old, new, other) = (secret("old old old old"), secret("new new new new"), secret("other"));
        let name = sign(&old, "clinic", 1000);
        let secrets = [new.clone(), old.clone()];
        assert!(SignedSiteName::parse(&name).is_signed(&secrets, 999));
        assert!(!SignedSiteName::parse(&name).is_signed(&secrets, 1000));
        assert!(!SignedSiteName::parse(&name).is_signed(&[new, other], 999));
        assert!(!SignedSiteName::parse(&name).is_signed(&[], 999));
        assert_eq!(SignedSiteName::parse(&name).site, "clinic");
        assert_eq!(SignedSiteName::parse("clinic"), SignedSiteName { site: "clinic", signature: None });
    }

    #[test]
    fn no_part_of_a_signed_name_can_be_changed() {
        let secrets = [secret("0123456789abcdef0123456789abcdef")];
        let name = sign(&secrets[0], "clinic", 1000);
        let (rest, mac) = name.rsplit_once('~').unwrap();
        let forged = [
            name.replace("1000", "2000"),
            name.replace("1000", "01000"),
            name.replace("1000", "+1000"),
            name.replace("1000", "1000 "),
            name.replace("clinic", "clini"),
            name.replace("clinic~", "clinic~~"),
            format!("{rest}~"),
            format!("{rest}~{}", &mac[..21]),
            format!("{rest}~{mac}A"),
            format!("{rest}~{mac}=="),
            format!("{rest}~{}", "A".repeat(22)),
            format!("{rest}~{}", "A".repeat(5000)),
            format!("clinic~99999999999999999999~{mac}"),
            "clinic~".to_owned(),
            "clinic~~".to_owned(),
        ];
        for name in forged {
            assert!(!SignedSiteName::parse(&name).is_signed(&secrets, 10), "{name}");
        }
        // Each single bit of the MAC counts.
        let bytes = URL_SAFE_NO_PAD.decode(mac).unwrap();
        for bit in 0..MAC_BYTES * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let name = format!("{rest}~{}", URL_SAFE_NO_PAD.encode(&changed));
            assert!(!SignedSiteName::parse(&name).is_signed(&secrets, 10), "bit {bit}");
        }
    }
}
