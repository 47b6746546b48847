//! User-agent client hints that the script reads from `navigator.userAgentData`.
//!
//! They are half of a beacon's bytes, and the same for all visitors with one browser. So a beacon keeps their text, and they are parsed
//! when a browser is not known by that text yet.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use super::wire::{Members, RawText, wire_object};

/// User-agent client hints, as `getHighEntropyValues` returns them; empty when the browser offers none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientHints<'a> {
    /// Brands with their major versions.
    pub brands: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Brands with their full versions.
    pub full_versions: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Whether the browser prefers a mobile page.
    pub mobile: Option<bool>,
    /// Operating system.
    pub platform: Cow<'a, str>,
    pub platform_version: Cow<'a, str>,
    /// Device model; empty on desktops.
    pub model: Cow<'a, str>,
    /// Form factors such as `Desktop` and `Tablet`.
    pub form_factors: Vec<Cow<'a, str>>,
}

/// The JSON object of the hints as it was sent; empty when there is none. [`SentHints::parse`] reads its fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SentHints<'a>(pub(super) &'a str);

impl<'de: 'a, 'a> Deserialize<'de> for SentHints<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.starts_with('{') { Ok(Self(text)) } else { Err(D::Error::custom("expected an object")) }
    }
}

wire_object! {
    pub(super) struct WireHints<'a> {
        /// Brands with their major versions.
        #[serde(rename = "brands", borrow, default)]
        brands: Vec<WireBrand<'a>>,
        /// Brands with their full versions.
        #[serde(rename = "fullVersionList", borrow, default)]
        full_versions: Vec<WireBrand<'a>>,
        /// Whether the browser prefers a mobile page.
        #[serde(rename = "mobile", default)]
        mobile: Option<bool>,
        /// Operating system.
        #[serde(rename = "platform", borrow, default)]
        platform: RawText<'a>,
        /// Version of the operating system.
        #[serde(rename = "platformVersion", borrow, default)]
        platform_version: RawText<'a>,
        /// Device model; empty on desktops.
        #[serde(rename = "model", borrow, default)]
        model: RawText<'a>,
        /// Form factors such as `Desktop` and `Tablet`.
        #[serde(rename = "formFactors", borrow, default)]
        form_factors: Vec<RawText<'a>>,
    }
}

wire_object! {
    pub(super) struct WireBrand<'a> {
        /// Name of the brand.
        #[serde(rename = "brand", borrow, default)]
        brand: RawText<'a>,
        /// Its version.
        #[serde(rename = "version", borrow, default)]
        version: RawText<'a>,
    }
}

impl<'a> SentHints<'a> {
    /// Hints that cannot be read count as missing.
    pub fn parse(&self) -> ClientHints<'a> {
        if self.0.is_empty() {
            return ClientHints::default();
        }
        let by_fields = |_| WireHints::from_members(&Members::parse(self.0)?, &mut Vec::new());
        serde_json::from_str(self.0).or_else(by_fields).map(WireHints::checked).unwrap_or_default()
    }
}

impl<'a> WireHints<'a> {
    fn checked(self) -> ClientHints<'a> {
        let brands =
            |list: Vec<WireBrand<'a>>| list.into_iter().map(|wire| (wire.brand.0, wire.version.0)).collect();
        ClientHints {
            brands: brands(self.brands),
            full_versions: brands(self.full_versions),
            mobile: self.mobile,
            platform: self.platform.0,
            platform_version: self.platform_version.0,
            model: self.model.0,
            form_factors: self.form_factors.into_iter().map(|text| text.0).collect(),
        }
    }
}

#[cfg(test)]
impl super::wire::WireType for SentHints<'_> {
    fn type_name() -> &'static str {
        "object"
    }
}
