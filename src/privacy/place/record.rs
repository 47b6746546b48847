//! One record of a MaxMind file, in whichever layout.

use maxminddb::{LookupResult, PathElement, path};

/// Most bytes of a name. Longer names are cut, so that the cache stays bounded.
const MAX_NAME: usize = 128;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GeoRecord {
    pub(super) country: Box<str>,
    pub(super) region: Box<str>,
    pub(super) city: Box<str>,
    pub(super) network: Box<str>,
    pub(super) asn: u32,
}

impl GeoRecord {
    /// Decodes the fields that are used. A field of an unexpected type counts as missing.
    pub(super) fn read<S: AsRef<[u8]>>(found: &LookupResult<'_, S>) -> Self {
        let country = first_text(
            found,
            &[&path!["country", "iso_code"], &path!["country_code"], &path!["country"]],
            |code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()),
        );
        let any = |name: &str| !name.is_empty();
        Self {
            country: country.to_ascii_uppercase().into(),
            region: first_text(
                found,
                &[&path!["subdivisions", 0, "names", "en"], &path!["state1"], &path!["region"]],
                any,
            ),
            city: without_district(&first_text(found, &[&path!["city", "names", "en"], &path!["city"]], any))
                .into(),
            network: first_text(
                found,
                &[&path!["autonomous_system_organization"], &path!["as_name"], &path!["organization"]],
                any,
            ),
            asn: number(found),
        }
    }

    pub(super) fn has_location(&self) -> bool {
        !self.country.is_empty()
    }

    pub(super) fn has_network(&self) -> bool {
        self.asn != 0 || !self.network.is_empty()
    }
}

/// The text of the first path whose text fits.
fn first_text<S: AsRef<[u8]>>(
    found: &LookupResult<'_, S>,
    paths: &[&[PathElement<'_>]],
    fits: impl Fn(&str) -> bool,
) -> Box<str> {
    let text = paths
        .iter()
        .filter_map(|path| found.decode_path::<&str>(path).ok().flatten())
        .find(|text| fits(text));
    let text = text.unwrap_or_default();
    text[..text.floor_char_boundary(MAX_NAME)].into()
}

/// DB-IP names districts behind some cities: `Moscow (Tsentralnyy administrativnyy okrug)`. All of a city's visitors are of one city, and a
/// district is finer than any report needs.
fn without_district(city: &str) -> &str {
    match city.split_once(" (") {
        Some((city, _)) if !city.trim().is_empty() => city.trim_end(),
        _ => city,
    }
}

/// The autonomous system's number, as a number or as a text with or without `AS`.
fn number<S: AsRef<[u8]>>(found: &LookupResult<'_, S>) -> u32 {
    for path in [path!["autonomous_system_number"], path!["asn"]] {
        if let Ok(Some(number)) = found.decode_path::<u32>(&path) {
            return number;
        }
        if let Ok(Some(text)) = found.decode_path::<&str>(&path)
            && let Ok(number) = text.trim_start_matches("AS").parse()
        {
            return number;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_city_has_no_district() {
        for (name, city) in [
            ("Moscow (Tsentralnyy administrativnyy okrug)", "Moscow"),
            ("Saint Petersburg (Admiralteisky)", "Saint Petersburg"),
            ("Moscow (Presnenskiy (north))", "Moscow"),
            ("Frankfurt am Main (Innenstadt I", "Frankfurt am Main"),
            ("Frankfurt am Main", "Frankfurt am Main"),
            ("(unnamed)", "(unnamed)"),
            (" (x)", " (x)"),
            ("", ""),
        ] {
            assert_eq!(without_district(name), city);
        }
    }
}
