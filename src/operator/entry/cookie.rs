//! The cookies of the page: one of a session, one for each share link with a password.
//!
//! Scripts cannot read them, and requests of other sites' pages do not bring them. Over TLS their names have a prefix. Browsers then refuse
//! such a cookie if another host of the domain sets it (RFC 6265bis, section 4.1.3).

use hyper::header::HeaderValue;

use crate::access::SESSION_LIFE;

/// The name of the cookie of a session.
pub(super) const fn session(is_encrypted: bool) -> &'static str {
    if is_encrypted { "__Host-footfall_session" } else { "footfall_session" }
}

/// The name of the cookie of a share link. Its path is not `/`, so it has the weaker prefix.
pub(super) const fn share(is_encrypted: bool) -> &'static str {
    if is_encrypted { "__Secure-footfall_share" } else { "footfall_share" }
}

/// `Set-Cookie` for a value that lasts as long as a session.
pub(super) fn set(name: &str, value: &str, path: &str, is_encrypted: bool) -> HeaderValue {
    header(name, value, path, SESSION_LIFE.as_secs(), is_encrypted)
}

/// `Set-Cookie` that removes a cookie.
pub(super) fn remove(name: &str, path: &str, is_encrypted: bool) -> HeaderValue {
    header(name, "", path, 0, is_encrypted)
}

fn header(name: &str, value: &str, path: &str, seconds: u64, is_encrypted: bool) -> HeaderValue {
    let secure = if is_encrypted { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut header = HeaderValue::try_from(text).expect("values and paths are printable ASCII");
    header.set_sensitive(true);
    header
}
