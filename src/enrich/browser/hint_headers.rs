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
    /// The headers of a request. A browser without `Sec-CH-UA` sends none and costs one look-up.
    pub fn from_request(headers: &'a HeaderMap) -> Self {
        let get = |name| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
        let brands = get("sec-ch-ua");
        if brands.is_empty() {
            return Self::default();
        }
        Self {
            brands,
            full_versions: get("sec-ch-ua-full-version-list"),
            mobile: get("sec-ch-ua-mobile"),
            platform: get("sec-ch-ua-platform"),
            platform_version: get("sec-ch-ua-platform-version"),
            model: get("sec-ch-ua-model"),
            form_factors: get("sec-ch-ua-form-factors"),
        }
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
