//! Client hints as headers (W3C "User-Agent Client Hints"), structured fields of RFC 9651.
//!
//! A browser sends three of them by default. The script can read all hints (`navigator.userAgentData`) and has priority.

use std::borrow::Cow;

use hyper::HeaderMap;
use sfv::{BareItem, List, ListEntry, Parser};

use crate::beacon::ClientHints;

/// Brands of one client that are read.
pub(super) const MAX_BRANDS: usize = 8;

/// Client hints as raw headers; empty where a header is missing.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct HintHeaders<'a> {
    brands: &'a [u8],
    full_versions: &'a [u8],
    mobile: &'a [u8],
    platform: &'a [u8],
    platform_version: &'a [u8],
    model: &'a [u8],
    form_factors: &'a [u8],
}

impl<'a> HintHeaders<'a> {
    /// The headers of a request. One pass over all of them costs less than a look-up of each.
    pub fn from_request(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let Some(hint) = name.as_str().strip_prefix("sec-ch-ua") else { continue };
            let field = match hint {
                "" => &mut found.brands,
                "-full-version-list" => &mut found.full_versions,
                "-mobile" => &mut found.mobile,
                "-platform" => &mut found.platform,
                "-platform-version" => &mut found.platform_version,
                "-model" => &mut found.model,
                "-form-factors" => &mut found.form_factors,
                _ => continue,
            };
            // The first line of a header counts.
            if field.is_empty() {
                *field = value.as_bytes();
            }
        }
        // A browser that sends hints sends its brands.
        if found.brands.is_empty() { Self::default() } else { found }
    }

    /// A header that is not a structured field of its type counts as missing.
    fn parse(&self) -> ClientHints<'static> {
        ClientHints {
            brands: brands(self.brands),
            full_versions: brands(self.full_versions),
            mobile: flag(self.mobile),
            platform: text(self.platform),
            platform_version: text(self.platform_version),
            model: text(self.model),
            form_factors: texts(self.form_factors),
        }
    }
}

/// Hints of the script, completed from the headers.
pub(super) fn merged<'a>(sent: &'a ClientHints<'a>, headers: &HintHeaders<'_>) -> Cow<'a, ClientHints<'a>> {
    if *headers == HintHeaders::default() {
        return Cow::Borrowed(sent);
    }
    let headers = headers.parse();
    let mut merged = sent.clone();
    if merged.brands.is_empty() && merged.full_versions.is_empty() {
        merged.brands = headers.brands;
        merged.full_versions = headers.full_versions;
    }
    merged.mobile = merged.mobile.or(headers.mobile);
    if merged.platform.is_empty() {
        merged.platform = headers.platform;
    }
    if merged.platform_version.is_empty() {
        merged.platform_version = headers.platform_version;
    }
    if merged.model.is_empty() {
        merged.model = headers.model;
    }
    if merged.form_factors.is_empty() {
        merged.form_factors = headers.form_factors;
    }
    Cow::Owned(merged)
}

/// `"Chromium";v="142", "Google Chrome";v="142"`.
fn brands(header: &[u8]) -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
    let list: List = Parser::new(header).parse().unwrap_or_default();
    let brand = |entry: &ListEntry| {
        let ListEntry::Item(item) = entry else { return None };
        let version = item.params.get("v").and_then(BareItem::as_string);
        let version = version.map_or_else(String::new, |version| version.as_str().to_owned());
        Some((Cow::Owned(item.bare_item.as_string()?.as_str().to_owned()), Cow::Owned(version)))
    };
    list.iter().take(MAX_BRANDS).filter_map(brand).collect()
}

fn texts(header: &[u8]) -> Vec<Cow<'static, str>> {
    let list: List = Parser::new(header).parse().unwrap_or_default();
    let text = |entry: &ListEntry| {
        let ListEntry::Item(item) = entry else { return None };
        Some(Cow::Owned(item.bare_item.as_string()?.as_str().to_owned()))
    };
    list.iter().take(MAX_BRANDS).filter_map(text).collect()
}

fn text(header: &[u8]) -> Cow<'static, str> {
    let item = Parser::new(header).parse::<sfv::Item>().ok();
    let text = item.and_then(|item| Some(item.bare_item.as_string()?.as_str().to_owned()));
    text.map_or(Cow::Borrowed(""), Cow::Owned)
}

fn flag(header: &[u8]) -> Option<bool> {
    Parser::new(header).parse::<sfv::Item>().ok()?.bare_item.as_boolean()
}
