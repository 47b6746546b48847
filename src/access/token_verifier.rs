//! The valid tokens in memory. They follow the token file, so that a revoked token becomes invalid within a second.
//!
//! A presented token is hashed once and compared with all fingerprints, so that the time taken reveals nothing. When the file
//! becomes unreadable, the tokens read before stay valid. When it is unreadable at the start, no token is valid.

use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};
use jiff::Timestamp;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::access::role::TokenHolder;
use crate::access::token::{self, TokenFingerprint};
use crate::access::token_file::{TokenEntry, TokenFile, TokenFileError};
use crate::secret::file_version::FileVersion;

/// Longest `Authorization` header that is read, in bytes: a token, a user name, and base64 of both.
const MAX_HEADER: usize = 1024;

/// The request has an `Authorization` header without a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is unknown, revoked or expired")]
pub struct InvalidToken;

/// A change of the token file, for the audit.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenChange {
    Added(TokenEntry),
    Revoked(TokenEntry),
}

#[derive(Debug)]
pub struct TokenVerifier {
    file: Option<TokenFile>,
    tokens: ArcSwap<Vec<KnownToken>>,
    /// Version of the file that was read last; `None` when there was no file.
    version: Mutex<Option<FileVersion>>,
}

#[derive(Debug)]
struct KnownToken {
    entry: TokenEntry,
    holder: Arc<TokenHolder>,
}

impl TokenVerifier {
    pub fn without_tokens() -> Arc<Self> {
        Arc::new(Self { file: None, tokens: ArcSwap::default(), version: Mutex::new(None) })
    }

    /// A verifier for the tokens of a file, and how many were read. When the file cannot be read, the verifier accepts no
    /// token until it can.
    pub fn open(file: TokenFile) -> (Arc<Self>, Result<usize, TokenFileError>) {
        let verifier = Self { tokens: ArcSwap::default(), version: Mutex::new(None), file: Some(file) };
        let read = verifier.reload_if_changed().map(|changes| changes.len());
        (Arc::new(verifier), read)
    }

    /// Whether there is a token that has not expired.
    pub fn has_tokens(&self) -> bool {
        let now = Timestamp::now();
        self.tokens.load().iter().any(|known| !known.entry.expired(now))
    }

    /// Returns the changes since the last call.
    ///
    /// # Errors
    /// When the file cannot be used. The tokens read before stay valid, and the next call tries again.
    pub fn reload_if_changed(&self) -> Result<Vec<TokenChange>, TokenFileError> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let found = FileVersion::from_path(file.path()).ok();
        let mut version = self.version.lock();
        if *version == found {
            return Ok(Vec::new());
        }
        let entries = file.read()?;
        *version = found;
        let changes = changes(&self.tokens.load(), &entries);
        let tokens = entries.into_iter().map(|entry| {
            let holder =
                TokenHolder { name: entry.name.clone(), role: entry.role, sites: entry.sites.clone() };
            KnownToken { entry, holder: Arc::new(holder) }
        });
        self.tokens.store(Arc::new(tokens.collect()));
        Ok(changes)
    }

    /// Whether a request means to present a token. A browser that knows a `Basic` password of another site behind the same
    /// host name adds it by itself; such a header does not count.
    pub fn presents_token(headers: &HeaderMap) -> bool {
        headers.get_all(AUTHORIZATION).iter().any(|value| {
            let text = header_text(value);
            let is_basic = text.is_some_and(|text| {
                text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "))
            });
            !is_basic || presented_token(text).is_some_and(|password| password.starts_with(token::PREFIX))
        })
    }

    /// The holder of the token that a request presents: `Authorization: Bearer TOKEN`, or `Basic` with any user name and the
    /// token as password, which is how browsers send it. `None` when the request has no such header.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Option<Arc<TokenHolder>>, InvalidToken> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(InvalidToken);
        }
        let presented = presented_token(header_text(value)).ok_or(InvalidToken)?;
        let fingerprint = TokenFingerprint::from_token(&presented).ok_or(InvalidToken)?;
        self.holder_of(&fingerprint).map(Some).ok_or(InvalidToken)
    }

    /// The holder of the token with this fingerprint; `None` when it is unknown, revoked or expired.
    pub fn holder_of(&self, fingerprint: &TokenFingerprint) -> Option<Arc<TokenHolder>> {
        let now = Timestamp::now();
        let mut found = None;
        // No early end: the time must not depend on the position of the token.
        for known in self.tokens.load().iter() {
            if known.entry.fingerprint.matches(fingerprint) {
                found = (!known.entry.expired(now)).then(|| known.holder.clone());
            }
        }
        found
    }
}

fn header_text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().filter(|text| text.len() <= MAX_HEADER)
}

fn presented_token(header: Option<&str>) -> Option<Zeroizing<String>> {
    let (scheme, rest) = header?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(rest).ok()?);
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Zeroizing::new(password.to_owned()))
}

fn changes(before: &[KnownToken], after: &[TokenEntry]) -> Vec<TokenChange> {
    let added = after.iter().filter(|entry| !before.iter().any(|known| known.entry == **entry));
    let revoked = before.iter().filter(|known| !after.contains(&known.entry));
    let revoked = revoked.map(|known| TokenChange::Revoked(known.entry.clone()));
    revoked.chain(added.cloned().map(TokenChange::Added)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::access::role::Role;
    use crate::access::token::AccessToken;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    fn add(file: &TokenFile, name: &str, expires: Option<&str>) -> AccessToken {
        let token = AccessToken::random().unwrap();
        let entry = TokenEntry {
            name: name.to_owned(),
            role: Role::Sre,
            sites: Vec::new(),
            created: Timestamp::now(),
            expires: expires.map(|end| end.parse().unwrap()),
            fingerprint: TokenFingerprint::from_token(token.expose()).unwrap(),
        };
        file.add(entry).unwrap();
        token
    }

    #[test]
    fn a_token_is_accepted_as_bearer_and_as_password_and_in_no_other_form() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path());
        let token = add(&file, "anna", None);
        let (verifier, read) = TokenVerifier::open(file);
        assert_eq!(read.unwrap(), 1);
        let token = token.expose();
        let basic =
            |text: String| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        for good in [
            format!("Bearer {token}"),
            format!("bearer  {token}"),
            basic(format!("x:{token}")),
            basic(format!(":{token}")),
        ] {
            assert_eq!(verifier.authenticate(&headers(&good)).unwrap().unwrap().name, "anna", "{good}");
        }
        let long = "x".repeat(2 * MAX_HEADER);
        for invalid in [
            token.to_owned(),
            format!("Token {token}"),
            format!("Bearer {token}x"),
            format!("Bearer {}", &token[..45]),
            format!("Bearer {}", token.to_lowercase().replace("ff_", "FF_")),
            "Bearer".to_owned(),
            "Basic ???".to_owned(),
            basic(token.to_owned()),
            basic(format!("{token}:")),
            basic(format!("{long}:{token}")),
        ] {
            assert_eq!(verifier.authenticate(&headers(&invalid)), Err(InvalidToken), "{invalid}");
        }
        let mut twice = headers(&format!("Bearer {token}"));
        twice.append(AUTHORIZATION, "Bearer x".parse().unwrap());
        assert_eq!(verifier.authenticate(&twice), Err(InvalidToken));
        assert_eq!(verifier.authenticate(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn added_and_revoked_tokens_are_noticed_and_reported() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path());
        let anna = add(&file, "anna", None);
        let (verifier, _) = TokenVerifier::open(file.clone());
        assert_eq!(verifier.reload_if_changed().unwrap(), []);
        file.revoke("anna").unwrap();
        let boris = add(&file, "boris", None);
        let reported: Vec<_> = verifier
            .reload_if_changed()
            .unwrap()
            .into_iter()
            .map(|change| match change {
                TokenChange::Added(entry) => format!("+{}", entry.name),
                TokenChange::Revoked(entry) => format!("-{}", entry.name),
            })
            .collect();
        assert_eq!(reported, ["-anna", "+boris"]);
        assert!(verifier.authenticate(&headers(&format!("Bearer {}", anna.expose()))).is_err());
        assert!(verifier.authenticate(&headers(&format!("Bearer {}", boris.expose()))).is_ok());
    }

    #[test]
    fn a_file_that_could_not_be_read_is_read_when_its_permissions_are_corrected() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path());
        let token = add(&file, "anna", None);
        let path = file.path().to_owned();
        let (verifier, _) = TokenVerifier::open(file);
        let set_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        TokenFile::new(directory.path()).revoke("anna").unwrap();
        set_mode(0o666);
        assert!(verifier.reload_if_changed().is_err());
        assert!(verifier.reload_if_changed().is_err(), "the change is not forgotten");
        set_mode(0o600);
        assert_eq!(verifier.reload_if_changed().unwrap().len(), 1);
        assert!(verifier.authenticate(&headers(&format!("Bearer {}", token.expose()))).is_err());
    }

    #[test]
    fn credentials_of_another_site_do_not_present_a_token() {
        let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        assert!(!TokenVerifier::presents_token(&headers(&basic("staging:swordfish"))));
        for presented in [basic("x:ff_"), "Bearer swordfish".to_owned(), "Digest x".to_owned()] {
            assert!(TokenVerifier::presents_token(&headers(&presented)), "{presented}");
        }
    }

    #[test]
    fn an_expired_token_is_invalid() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path());
        let token = add(&file, "old", Some("2020-01-01T00:00:00Z"));
        let (verifier, _) = TokenVerifier::open(file);
        assert_eq!(verifier.authenticate(&headers(&format!("Bearer {}", token.expose()))), Err(InvalidToken));
        assert!(!verifier.has_tokens());
    }

    #[test]
    fn a_damaged_file_keeps_the_tokens_in_force_and_at_start_leaves_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path());
        let token = add(&file, "anna", None);
        let (verifier, _) = TokenVerifier::open(file.clone());
        fs::write(file.path(), "{").unwrap();
        assert!(verifier.reload_if_changed().is_err());
        let shown = headers(&format!("Bearer {}", token.expose()));
        assert!(verifier.authenticate(&shown).is_ok());
        let (started, read) = TokenVerifier::open(file.clone());
        assert!(read.is_err() && started.authenticate(&shown).is_err());
        fs::remove_file(file.path()).unwrap();
        verifier.reload_if_changed().unwrap();
        assert!(verifier.authenticate(&shown).is_err(), "without a file there are no tokens");
    }
}
