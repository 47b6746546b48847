//! Sessions of browsers: what stands for a token, or for the password of a share link, between requests.
//!
//! The cookie of a session is a random text, not the token. So it is worth nothing on another machine's listener, ends after
//! [`LIFE`], when its holder signs out, when the token is revoked, and when the process ends. The process keeps the SHA-256 of each
//! cookie and which token it stands for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header::COOKIE;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::access::token::TokenFingerprint;
use crate::secret::random::{self, TOKEN_LETTERS};

/// A working day and some: who comes back tomorrow signs in again.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Most sessions at once. Only holders of tokens and passwords open any; the oldest ends for a new one.
const MAX_SESSIONS: usize = 1000;
/// Most sessions of one token or link. Beyond them its own oldest ends, so that nobody can end those of others.
const MAX_SESSIONS_OF_ONE: usize = 100;

/// What a session stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionSubject {
    Token(TokenFingerprint),
    /// The id of a share link whose password was given.
    Share(String),
}

#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<[u8; 32], OpenSession>>,
}

struct OpenSession {
    subject: SessionSubject,
    began: Instant,
}

impl Sessions {
    /// Opens a session and returns the value of its cookie.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn open(&self, subject: SessionSubject) -> Result<Zeroizing<String>, getrandom::Error> {
        let value = random::token("")?;
        let now = Instant::now();
        let mut open = self.open.lock();
        open.retain(|_, session| now.duration_since(session.began) < LIFE);
        let is_own = |session: &OpenSession| session.subject == subject;
        let has_many = open.values().filter(|session| is_own(session)).count() >= MAX_SESSIONS_OF_ONE;
        if has_many || open.len() >= MAX_SESSIONS {
            let may_end = open.iter().filter(|(_, session)| !has_many || is_own(session));
            let oldest = may_end.min_by_key(|(_, session)| session.began).map(|(key, _)| *key);
            oldest.map(|oldest| open.remove(&oldest));
        }
        open.insert(digest(&value), OpenSession { subject, began: now });
        Ok(value)
    }

    /// What the session of the cookie `name` stands for. The caller checks that the token or the link is still valid.
    pub fn find(&self, headers: &HeaderMap, name: &str) -> Option<SessionSubject> {
        let key = digest(cookie(headers, name)?);
        let open = self.open.lock();
        let session = open.get(&key)?;
        (session.began.elapsed() < LIFE).then(|| session.subject.clone())
    }

    /// Ends the session of the cookie `name`, if there is one.
    pub fn end(&self, headers: &HeaderMap, name: &str) {
        if let Some(value) = cookie(headers, name) {
            self.open.lock().remove(&digest(value));
        }
    }
}

fn digest(value: &str) -> [u8; 32] {
    Sha256::digest(value).into()
}

/// The value of a cookie of this name that has the form of ours.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, value)| *found == name && value.len() == TOKEN_LETTERS).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_ends() {
        let sessions = Sessions::default();
        let subject = SessionSubject::Share("one".to_owned());
        let value = sessions.open(subject.clone()).unwrap();
        let shown = headers(&format!("other=1; footfall={}; x=y", *value));
        assert_eq!(sessions.find(&shown, "footfall"), Some(subject));
        assert_eq!(sessions.find(&shown, "other"), None);
        for wrong in ["", "footfall", "footfall=", &format!("footfall={}", "A".repeat(TOKEN_LETTERS))] {
            assert_eq!(sessions.find(&headers(wrong), "footfall"), None, "{wrong}");
        }
        sessions.end(&shown, "footfall");
        assert_eq!(sessions.find(&shown, "footfall"), None);
    }

    #[test]
    fn whoever_opens_many_sessions_ends_their_own_oldest() {
        let sessions = Sessions::default();
        let open = |name: &str| {
            let value = sessions.open(SessionSubject::Share(name.to_owned())).unwrap();
            headers(&format!("footfall={}", *value))
        };
        let (other, first) = (open("other"), open("one"));
        for _ in 0..MAX_SESSIONS_OF_ONE {
            open("one");
        }
        assert!(sessions.find(&other, "footfall").is_some());
        assert!(sessions.find(&first, "footfall").is_none());
    }

    #[test]
    fn the_oldest_session_ends_when_there_are_too_many() {
        let sessions = Sessions::default();
        let open = |number: usize| sessions.open(SessionSubject::Share(number.to_string())).unwrap();
        let first = open(0);
        let second = open(1);
        for number in 2..=MAX_SESSIONS {
            open(number);
        }
        let find = |value: &str| sessions.find(&headers(&format!("footfall={value}")), "footfall");
        assert!(find(&first).is_none() && find(&second).is_some());
    }
}
