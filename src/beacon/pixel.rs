//! `GET /b.gif?s=SITE`: one view of a page without JavaScript.
//!
//! The page's address comes from `Referer`, or from the parameter `u` where browsers send only the origin there.

use std::borrow::Cow;

use super::{Beacon, Event, Hints, Malformed, Page, What};

/// Reads the query and the `Referer` header as a beacon of one view. Each request is a page load of its own, named by
/// `page_load`.
///
/// # Errors
/// When there is no site or no page address.
pub fn parse<'a>(query: &'a str, referer: &'a str, page_load: u64) -> Result<Beacon<'a>, Malformed> {
    let mut site = Cow::Borrowed("");
    let mut url = Cow::Borrowed(referer);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "s" => site = value,
            "u" => url = value,
            _ => {}
        }
    }
    if site.is_empty() {
        return Err(Malformed::new("s", "is missing: /b.gif?s=SITE"));
    }
    if url.is_empty() {
        return Err(Malformed::new("u", "is missing, and there is no Referer header"));
    }
    let page = Page { url, referrer: Cow::Borrowed("") };
    Ok(Beacon {
        site,
        page_load,
        first: 0,
        screen_width: 0,
        screen_height: 0,
        language: Cow::Borrowed(""),
        timezone: Cow::Borrowed(""),
        cookies_enabled: false,
        touch_points: 0,
        automated: false,
        cookies: Vec::new(),
        hints: Hints::default(),
        events: vec![Event { age_ms: 0, page: Some(page), what: What::View }],
    })
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
    fn a_pixel_without_site_or_page_is_refused() {
        assert_eq!(parse("", "https://a.example/", 0).unwrap_err().at, "s");
        assert_eq!(parse("s=clinic", "", 0).unwrap_err().at, "u");
    }
}
