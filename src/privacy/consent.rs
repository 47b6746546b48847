//! Whether a visitor refused to be counted (clauses 2.1 and 2.2): asked before anything else of a beacon is read.

use hyper::HeaderMap;
use hyper::header::COOKIE;

/// The cookie that says no; the script's `footfall.optOut()` sets it.
pub const OPT_OUT_COOKIE: &str = "footfall_optout";

/// Whether the browser says no: Global Privacy Control, Do Not Track, or the opt-out cookie.
pub fn refused(headers: &HeaderMap) -> bool {
    says(headers, "sec-gpc") || says(headers, "dnt") || opted_out(headers)
}

/// Whether any line of this header is `1`.
fn says(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(name).iter().any(|value| value.as_bytes().trim_ascii() == b"1")
}

fn opted_out(headers: &HeaderMap) -> bool {
    headers.get_all(COOKIE).iter().any(|line| {
        line.as_bytes().split(|byte| *byte == b';').any(|pair| {
            let value = pair.trim_ascii().strip_prefix(OPT_OUT_COOKIE.as_bytes());
            value.and_then(|value| value.strip_prefix(b"=")) == Some(b"1")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        refused(&headers)
    }

    #[test]
    fn each_of_the_three_signals_refuses() {
        assert!(asked(&[("sec-gpc", "1")]));
        assert!(asked(&[("dnt", "1")]));
        assert!(asked(&[("cookie", "a=b; footfall_optout=1")]));
        assert!(asked(&[("cookie", "a=b"), ("cookie", "footfall_optout=1; c=d")]));
    }

    #[test]
    fn anything_else_does_not() {
        assert!(!asked(&[]));
        assert!(!asked(&[("sec-gpc", "0"), ("dnt", "0"), ("cookie", "footfall_optout=0")]));
        assert!(!asked(&[("dnt", "unspecified"), ("cookie", "xfootfall_optout=1; footfall_optout=11")]));
    }
}
