//! The pages of the demonstration site, embedded in the binary.
//!
//! In the HTML, `{{collector}}` stands for the collector's address and `{{site}}` for the site's id.

use crate::demo::clinic::SITE;

const HTML: &str = "text/html; charset=utf-8";

/// The specialities with a page below `/doctors/`.
const SPECIALITIES: &[&str] = &["cardiology", "children", "laboratory", "surgery"];

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("site/", $name)).as_slice()
    };
}

/// Content type, body and status of the page at `path`, without a query. An unknown path has the 404 page. `None` when `path` does
/// not start with a slash. HTML bodies contain the placeholder; [`fill`] replaces it.
pub(crate) fn page(path: &str) -> Option<(&'static str, &'static [u8], u16)> {
    let found = match path {
        "/" => (HTML, file!("index.html"), 200),
        "/doctors" => (HTML, file!("doctors.html"), 200),
        "/booking" => (HTML, file!("booking.html"), 200),
        "/news" => (HTML, file!("news.html"), 200),
        "/privacy" => (HTML, file!("privacy.html"), 200),
        "/style.css" => ("text/css; charset=utf-8", file!("style.css"), 200),
        "/site.js" => ("text/javascript; charset=utf-8", file!("site.js"), 200),
        "/icon.svg" => ("image/svg+xml", file!("icon.svg"), 200),
        "/prices.pdf" => ("application/pdf", file!("prices.pdf"), 200),
        _ if path.strip_prefix("/doctors/").is_some_and(|name| SPECIALITIES.contains(&name)) => {
            (HTML, file!("doctors.html"), 200)
        }
        _ => (HTML, file!("missing.html"), 404),
    };
    path.starts_with('/').then_some(found)
}

/// Puts the collector's address, without a slash at its end, and the site's id into an HTML page.
pub(crate) fn fill(body: &[u8], collector: &str) -> Vec<u8> {
    String::from_utf8_lossy(body).replace("{{collector}}", collector).replace("{{site}}", SITE).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> &'static str {
        str::from_utf8(page(path).unwrap().1).unwrap()
    }

    #[test]
    fn every_link_of_the_site_leads_to_a_page_of_it() {
        for path in ["/", "/doctors", "/booking", "/news", "/privacy"] {
            let body = text(path);
            for link in body.split("href=\"/").skip(1).chain(body.split("src=\"/").skip(1)) {
                let target = format!("/{}", link.split(['"', '?']).next().unwrap());
                // These two are missing on purpose: a broken image and a page that is gone.
                let gone = ["/images/ultrasound-room.jpg", "/doctors/old-list"].contains(&target.as_str());
                assert_eq!(page(&target).unwrap().2, if gone { 404 } else { 200 }, "{target} on {path}");
            }
        }
    }

    #[test]
    fn an_unknown_path_has_the_404_page() {
        let (content_type, _, status) = page("/nowhere").unwrap();
        assert_eq!((status, content_type), (404, HTML));
        assert!(text("/nowhere").contains("<main class=\"wide\" data-footfall-missing>"));
    }

    #[test]
    fn the_collector_s_origin_is_filled_in_and_no_placeholder_remains() {
        for path in ["/", "/doctors", "/booking", "/news", "/privacy", "/nowhere"] {
            let filled = fill(page(path).unwrap().1, "http://127.0.0.1:8080");
            let text = str::from_utf8(&filled).unwrap();
            assert!(text.contains("src=\"http://127.0.0.1:8080/s.js\" data-site=\"demo\""), "{path}");
            assert!(!text.contains("{{"), "{path}");
        }
    }

    #[test]
    fn no_page_loads_anything_from_another_host() {
        for path in ["/", "/doctors", "/booking", "/news", "/privacy", "/nowhere"] {
            let body = text(path);
            assert!(
                !body.contains("src=\"http") && !body.contains("link rel=\"stylesheet\" href=\"http"),
                "{path}"
            );
        }
    }
}
