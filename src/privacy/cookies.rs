//! Cookies that the site's operator allow-listed (clause 1.7): presence, HMAC or value, chosen by name. All others are
//! not even looked at.

use std::borrow::Cow;

use super::key::Key;
use super::scrub;
use crate::config::{CookieRule, Site};

/// Bytes of a kept cookie value at most: a name of a variant, not a document.
const MAX_VALUE: usize = 128;

/// Applies the site's rules to what the page sent; a name that comes twice counts once.
pub(super) fn admit<'a>(
    key: &Key,
    site: &'a Site,
    offered: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(&'a str, Cow<'a, str>)> {
    let mut kept: Vec<(&str, Cow<'_, str>)> = Vec::new();
    if site.cookies.is_empty() {
        return kept;
    }
    for (name, value) in offered {
        let Some((name, rule)) = site.cookies.get_key_value(name) else { continue };
        if kept.iter().any(|(seen, _)| seen == name) {
            continue;
        }
        let value = match rule {
            CookieRule::Presence => Cow::Borrowed("1"),
            CookieRule::Hmac => {
                let mac = key.mac().part(b"cookie").part(site.id.as_bytes());
                let code = mac.part(name.as_bytes()).part(value.as_bytes()).finish();
                Cow::Owned(format!("{code:016x}"))
            }
            CookieRule::Value => scrub::text(value, MAX_VALUE),
        };
        kept.push((name, value));
    }
    kept
}
