//! Whether a visitor opted out (clauses 2.1 and 2.2). The collector checks it before it reads the
//! client's address, user agent or cookies.

use hyper::HeaderMap;
use hyper::header::{COOKIE, DNT, HeaderName};

static SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");

/// The opt-out cookie. The script's `footfall.optOut()` sets it.
pub const OPT_OUT_COOKIE: &str = "footfall_optout";

/// How a visitor says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptOutSignal {
    /// Global Privacy Control: `Sec-GPC: 1`.
    GlobalPrivacyControl,
    /// Do Not Track: `DNT: 1`.
    DoNotTrack,
    /// [`OPT_OUT_COOKIE`].
    Cookie,
}

/// The first signal of a request with which the visitor opted out.
pub fn opt_out_signal(headers: &HeaderMap) -> Option<OptOutSignal> {
    if is_one(headers, &SEC_GPC) {
        Some(OptOutSignal::GlobalPrivacyControl)
    } else if is_one(headers, &DNT) {
        Some(OptOutSignal::DoNotTrack)
    } else if has_opt_out_cookie(headers) {
        Some(OptOutSignal::Cookie)
    } else {
        None
    }
}

/// Whether any line of this header is `1`.
fn is_one(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().any(|value| value.as_bytes().trim_ascii() == b"1")
}

fn has_opt_out_cookie(headers: &HeaderMap) -> bool {
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
        opt_out_signal(&headers).is_some()
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
