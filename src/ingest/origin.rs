//! Checks that a beacon comes from a page of its site, by the headers that browsers send.
//!
//! `Origin` decides, or `Referer` when `Origin` is missing or `null`. A beacon with `null` alone is accepted: pages with
//! `Referrer-Policy: no-referrer`, sandboxed frames and files send it. Sites can require signed names to refuse those.
//! Programs other than browsers can send any header.

use hyper::HeaderMap;
use hyper::header::{ORIGIN, REFERER};

use crate::config::{Site, WebAddress};
use crate::ingest::outcome::IngestError;

/// The header that names the sending page as one of the site's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendingPage {
    Origin,
    Referer,
    /// Neither header names a page.
    Unknown,
}

/// Refuses a beacon that a browser sends from a page of another site.
///
/// # Errors
/// With [`IngestError::ForeignOrigin`].
pub(crate) fn check(site: &Site, headers: &HeaderMap) -> Result<SendingPage, IngestError> {
    let header = |name| headers.get(name).map(|value| value.as_bytes());
    let (from, page) = match header(ORIGIN) {
        None | Some(b"" | b"null") => {
            (header(REFERER).filter(|referer| !referer.is_empty()), SendingPage::Referer)
        }
        origin => (origin, SendingPage::Origin),
    };
    let Some(from) = from else { return Ok(SendingPage::Unknown) };
    // Only the path of a referrer may have other bytes than ASCII.
    let from = String::from_utf8_lossy(from);
    let address = WebAddress::parse(&from).ok_or(IngestError::ForeignOrigin)?;
    // A final dot makes a name absolute; it is the same host.
    if site.allows(address.host.strip_suffix('.').unwrap_or(address.host)) {
        Ok(page)
    } else {
        Err(IngestError::ForeignOrigin)
    }
}

/// The page that `Referer` names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReferringPage<'a> {
    /// Without a final dot.
    pub(crate) host: &'a str,
    /// Scheme, host and port.
    pub(crate) origin: &'a str,
}

pub(crate) fn referring_page(headers: &HeaderMap) -> Option<ReferringPage<'_>> {
    let referer = headers.get(REFERER)?.to_str().ok()?;
    let WebAddress { host, rest, .. } = WebAddress::parse(referer)?;
    let origin = &referer[..referer.len() - rest.len()];
    Some(ReferringPage { host: host.strip_suffix('.').unwrap_or(host), origin })
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
    fn a_page_of_the_site_is_accepted_by_either_header() {
        for headers in [
            &[][..],
            &[("origin", "https://clinic.example")],
            &[("origin", "http://www.clinic.example:8443")],
            &[("origin", "null")],
            &[("origin", "https://clinic.example.")],
            &[("origin", "https://www.clinic.example.:8443")],
            &[("referer", "https://clinic.example./a")],
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
            "https://clinic.example..",
            "https://clinic.example.evil.example.",
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
