//! A share link and its token: `SITE~EXPIRY~ID~MAC`, the secret part of the link's address.
//!
//! The MAC is the first 128 bits of HMAC-SHA-256 over `footfall share link v1`, the site's id, the expiry in Unix seconds and the
//! link's random id. So the key's holder can print a link again, and nobody else can make or change one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use jiff::Timestamp;

use super::password::PasswordHash;
use crate::access::signature::{MAC_BYTES, MAX_DIGITS, mac_of_parts};
use crate::secret::Secret;

/// Separates this use of a key from any other.
const DOMAIN: &[u8] = b"footfall share link v1";
/// Random bytes of an id: two links of one site with one expiry differ.
const ID_BYTES: usize = 9;
/// Longest token that is read: a site's id is at most 64 bytes.
const MAX_TOKEN: usize = 128;

#[derive(Debug, Clone, PartialEq)]
pub struct ShareLink {
    /// What the people of the site call it; unique among the links of the site.
    pub name: String,
    pub site: String,
    /// Random, and part of the token.
    pub id: String,
    /// Who made it.
    pub by: String,
    pub created: Timestamp,
    /// From this moment on the link shows nothing; whole seconds.
    pub expires: Timestamp,
    pub password: Option<PasswordHash>,
}

impl ShareLink {
    pub fn expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }

    pub(super) fn random_id() -> Result<String, getrandom::Error> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The token, for the person who hands on the link.
    pub(super) fn token(&self, key: &Secret) -> String {
        let expiry = self.expires.as_second().to_string();
        let mac = mac_of_parts(key, &[DOMAIN, self.site.as_bytes(), expiry.as_bytes(), self.id.as_bytes()]);
        let mac = mac.finalize().into_bytes();
        format!("{}~{expiry}~{}~{}", self.site, self.id, URL_SAFE_NO_PAD.encode(&mac[..MAC_BYTES]))
    }
}

/// A token whose signature was verified.
#[derive(Debug, PartialEq)]
pub(super) struct VerifiedToken<'a> {
    pub(super) site: &'a str,
    pub(super) id: &'a str,
    pub(super) expiry: i64,
}

impl<'a> VerifiedToken<'a> {
    /// `None` when the token was not made with `key`.
    pub(super) fn parse(token: &'a str, key: &Secret) -> Option<Self> {
        let mut parts = Some(token).filter(|token| token.len() <= MAX_TOKEN)?.split('~');
        let [site, expiry, id, mac] = std::array::from_fn(|_| parts.next());
        let (site, expiry, id, mac) = (site?, expiry?, id?, mac?);
        let mut given = [0; MAC_BYTES];
        let is_whole = parts.next().is_none()
            && (1..=MAX_DIGITS).contains(&expiry.len())
            && expiry.bytes().all(|byte| byte.is_ascii_digit())
            && URL_SAFE_NO_PAD.decode_slice(mac, &mut given) == Ok(MAC_BYTES);
        if !is_whole {
            return None;
        }
        // The comparison takes the same time wherever the MACs differ.
        let mac = mac_of_parts(key, &[DOMAIN, site.as_bytes(), expiry.as_bytes(), id.as_bytes()]);
        mac.verify_truncated_left(&given).ok()?;
        Some(Self { site, id, expiry: expiry.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_token_can_be_changed() {
        let (key, other) = (Secret::new("key".to_owned()), Secret::new("other".to_owned()));
        let link = ShareLink {
            name: "board".to_owned(),
            site: "clinic".to_owned(),
            id: ShareLink::random_id().unwrap(),
            by: "anna".to_owned(),
            created: Timestamp::UNIX_EPOCH,
            expires: Timestamp::from_second(2_000).unwrap(),
            password: None,
        };
        let token = link.token(&key);
        let found = VerifiedToken::parse(&token, &key).unwrap();
        assert_eq!((found.site, found.id, found.expiry), ("clinic", link.id.as_str(), 2_000));
        assert_eq!(VerifiedToken::parse(&token, &other), None);
        let (rest, mac) = token.rsplit_once('~').unwrap();
        for forged in [
            token.replace("clinic", "library"),
            token.replace("2000", "9000"),
            token.replace("2000", "02000"),
            token.replace(&link.id, &ShareLink::random_id().unwrap()),
            format!("{rest}~{}", "A".repeat(22)),
            format!("{token}~"),
            format!("{token}A"),
            rest.to_owned(),
            mac.to_owned(),
            String::new(),
            "~~~".to_owned(),
            "x".repeat(10_000),
        ] {
            assert_eq!(VerifiedToken::parse(&forged, &key), None, "{forged}");
        }
    }
}
