//! `GET /b.gif?s=SITE`: one view of a page without JavaScript.
//!
//! The page's address comes from the parameter `u`, or from `Referer`, where most browsers send only the origin. `u` may be a path of that
//! origin.

use std::borrow::Cow;

use percent_encoding::{CONTROLS, percent_decode_str, percent_encode};

use super::error::MalformedBeacon;
use super::event::{BeaconEvent, EventDetail, PageAddress};
use super::format::{BeaconTransfer, WireFormat, WireInput};
use super::page_load::Beacon;
use super::wire::MendedBody;

pub(super) static FORMAT: WireFormat = WireFormat {
    name: "pixel",
    path: "/b.gif",
    transfer: BeaconTransfer::Pixel,
    about: "One view of a page without JavaScript, in the query.",
    parse: parse_input,
    site_of,
};

fn parse_input<'a>(input: &WireInput<'a>, _: &'a MendedBody) -> Result<Beacon<'a>, MalformedBeacon> {
    parse(input.query, input.referer, (input.random_page_load)())
}

fn site_of<'a>(input: &WireInput<'a>, _: &'a MendedBody) -> Option<Cow<'a, str>> {
    input.query.rsplit('&').find_map(|pair| pair.strip_prefix("s=")).map(decode)
}

/// Form decoding. A text with bytes that are not UTF-8 keeps all that is beyond ASCII percent-encoded: it is part of an address.
fn decode(value: &str) -> Cow<'_, str> {
    if !value.contains(['+', '%']) {
        return Cow::Borrowed(value);
    }
    let bytes: Vec<u8> = percent_decode_str(&value.replace('+', " ")).collect();
    let text = String::from_utf8(bytes);
    text.unwrap_or_else(|error| percent_encode(error.as_bytes(), CONTROLS).to_string()).into()
}

/// Reads the query and the `Referer` header as a beacon of one view. Each request is a page load of its own with the id
/// `page_load`.
///
/// # Errors
/// When the site or the page address is missing.
pub fn parse<'a>(query: &'a str, referer: &'a str, page_load: u64) -> Result<Beacon<'a>, MalformedBeacon> {
    let mut site = Cow::Borrowed("");
    let mut url = Cow::Borrowed(referer);
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("s", value)) => site = decode(value),
            Some(("u", value)) => url = decode(value),
            _ => {}
        }
    }
    if site.is_empty() {
        return Err(MalformedBeacon::new("s", "is missing: /b.gif?s=SITE"));
    }
    if url.is_empty() {
        return Err(MalformedBeacon::new("u", "is missing, and there is no Referer header"));
    }
    if url.starts_with('/') {
        let Some(origin) = origin(referer) else {
            return Err(MalformedBeacon::new(
                "u",
                "is a path, and there is no Referer header with its origin",
            ));
        };
        url = Cow::Owned(format!("{origin}{url}"));
    }
    let page = PageAddress { url, referrer: Cow::Borrowed("") };
    let events = vec![BeaconEvent { index: 0, age_ms: 0, page: Some(page), detail: EventDetail::View }];
    Ok(Beacon { site, page_load, events, ..Beacon::default() })
}

/// The part of an address before its path.
fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + "://".len();
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |length| host + length);
    Some(&url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_wins_over_the_referer() {
        let beacon = parse("s=clinic&u=https%3A%2F%2Fa.example%2Fx", "https://a.example/", 7).unwrap();
        assert_eq!((&*beacon.site, beacon.page_load), ("clinic", 7));
        assert_eq!(beacon.events[0].page.as_ref().unwrap().url, "https://a.example/x");
    }

    #[test]
    fn an_address_in_another_encoding_stays_encoded() {
        let url = |query: &'static str| parse(query, "", 0).unwrap().events.remove(0).page.unwrap().url;
        assert_eq!(url("s=a&u=https://a.example/%E2%E5?x=1%2B2"), "https://a.example/%E2%E5?x=1+2");
        assert_eq!(url("u=https://a.example/%D0%B2+%25E2&s=a"), "https://a.example/в %E2");
    }

    #[test]
    fn a_path_belongs_to_the_origin_of_the_referer() {
        for (referer, path, url) in [
            ("https://a.example/", "%2Fdoctors%3Futm_source%3Dx", "https://a.example/doctors?utm_source=x"),
            ("https://a.example:8443", "/", "https://a.example:8443/"),
            ("https://a.example/x/y?z", "/doctors", "https://a.example/doctors"),
            // A second slash does not begin another host.
            ("https://a.example/", "//b.example/x", "https://a.example//b.example/x"),
        ] {
            let query = format!("s=clinic&u={path}");
            let beacon = parse(&query, referer, 0).unwrap();
            assert_eq!(beacon.events[0].page.as_ref().unwrap().url, url);
        }
        assert_eq!(parse("s=clinic&u=/doctors", "", 0).unwrap_err().path, "u");
        assert_eq!(parse("s=clinic&u=/doctors", "about:blank", 0).unwrap_err().path, "u");
    }

    #[test]
    fn a_pixel_without_site_or_page_is_refused() {
        assert_eq!(parse("", "https://a.example/", 0).unwrap_err().path, "s");
        assert_eq!(parse("s=clinic", "", 0).unwrap_err().path, "u");
    }
}
