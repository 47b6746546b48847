//! Whose page a beacon comes from, as far as the browser says it: a page of another site may not speak for this one.
//!
//! `Origin` decides where it is there. Where it is not, or says `null`, `Referer` does. `null` alone says nothing: pages that
//! keep their address to themselves (`Referrer-Policy: no-referrer`) send it with every beacon, and so do sandboxed frames and
//! files. For a site that wants to shut these out there are signed names. A program that is no browser sends what it likes.

use hyper::HeaderMap;
use hyper::header::{ORIGIN, REFERER};

use crate::config::{Site, WebAddress};
use crate::ingest::collector::Refused;

/// Refuses what a browser sends on behalf of a page that is not the site's.
///
/// # Errors
/// With [`Refused::ForeignHost`].
pub(crate) fn check(site: &Site, headers: &HeaderMap) -> Result<(), Refused> {
    let header = |name| headers.get(name).map(|value| value.as_bytes());
    let from = match header(ORIGIN) {
        None | Some(b"" | b"null") => header(REFERER).filter(|referer| !referer.is_empty()),
        origin => origin,
    };
    let Some(from) = from else { return Ok(()) };
    let address = std::str::from_utf8(from).ok().and_then(WebAddress::parse).ok_or(Refused::ForeignHost)?;
    if site.allows(address.host) { Ok(()) } else { Err(Refused::ForeignHost) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostPattern;

    fn check(headers: &[(&'static str, &str)]) -> bool {
        let site = Site {
            hosts: vec![
                HostPattern::Exact("clinic.example".into()),
                HostPattern::Below(".clinic.example".into()),
            ],
            ..Site::localhost()
        };
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        super::check(&site, &headers).is_ok()
    }

    #[test]
    fn a_page_of_the_site_passes_however_the_browser_names_it() {
        for headers in [
            &[][..],
            &[("origin", "https://clinic.example")],
            &[("origin", "http://www.clinic.example:8443")],
            &[("origin", "null")],
            &[("referer", "https://clinic.example/a?b=https://evil.example/")],
            &[("origin", "null"), ("referer", "https://clinic.example")],
            &[("origin", "https://clinic.example"), ("referer", "https://search.example/")],
        ] {
            assert!(check(headers), "{headers:?}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused_by_either_header() {
        for address in [
            "https://evil.example",
            "https://clinic.example.evil.example",
            "https://evil.example:443",
            "https://evilclinic.example",
            "https://clinic.example@evil.example",
            "https://evil.example\\@clinic.example",
            "https://evil.example#.clinic.example",
            "https://evil.example?.clinic.example",
            "https://[::1]",
            "https://",
            "clinic.example",
            "file:///clinic.example",
            "chrome-extension://clinic.example",
        ] {
            assert!(!check(&[("origin", address)]), "{address}");
            assert!(!check(&[("referer", address)]), "{address}");
            assert!(!check(&[("origin", "null"), ("referer", address)]), "{address}");
        }
    }
}
