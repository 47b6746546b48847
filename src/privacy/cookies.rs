//! Cookies that the site allow-lists (clause 1.7): presence, HMAC or value, by name. All others are ignored.

use std::borrow::Cow;

use super::key::EpochKey;
use super::scrub;
use crate::config::{CookieRule, Site};

/// Most bytes of a kept value: the name of a variant fits.
const MAX_VALUE: usize = 128;

/// Applies the site's rules to the cookies of a page. Of several cookies with one name the first counts.
pub(super) fn keep<'a>(
    key: &EpochKey,
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
            CookieRule::Value => scrub::value(name, value, MAX_VALUE),
        };
        kept.push((name, value));
    }
    kept
}
