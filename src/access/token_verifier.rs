//! The tokens in force, as a running collector knows them: it follows the file, so that revoking works within a second.
//!
//! A presented token is hashed once and compared with all fingerprints, whichever fits, so that the time taken tells
//! nothing. A file that becomes unreadable leaves in force what was read before and says so; at the start it leaves nothing
//! in force, which closes the doors and keeps the beacons.

use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use jiff::Timestamp;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::access::{Entry, Fingerprint, Ledger, LedgerError, Role, token};
use crate::secret::file_version::FileVersion;

/// Letters of an `Authorization` header at most that are looked at: a token, a name of somebody, and base64 around both.
const MAX_HEADER: usize = 1024;

/// Somebody who showed a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Bearer {
    /// The token's name.
    pub name: String,
    /// What they are here for.
    pub role: Role,
    /// The sites that they are kept to; empty when to none.
    pub sites: Vec<String>,
}

/// The `Authorization` header is there and is no token that is good now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no token that is good now")]
pub struct Wrong;

/// What changed in the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A token was added.
    Added(Entry),
    /// A token was revoked.
    Revoked(Entry),
}

/// The tokens in force.
#[derive(Debug)]
pub struct Gate {
    ledger: Option<Ledger>,
    held: ArcSwap<Vec<Held>>,
    /// Of the file that was read last; `None` when there was no file.
    seen: Mutex<Option<FileVersion>>,
}

#[derive(Debug)]
struct Held {
    entry: Entry,
    bearer: Arc<Bearer>,
}

impl Gate {
    /// A gate that knows no token.
    pub fn closed() -> Arc<Self> {
        Arc::new(Self { ledger: None, held: ArcSwap::default(), seen: Mutex::new(None) })
    }

    /// The tokens of this file, as far as it can be read.
    pub fn open(ledger: Ledger) -> (Arc<Self>, Result<usize, LedgerError>) {
        let gate = Self { held: ArcSwap::default(), seen: Mutex::new(None), ledger: Some(ledger) };
        let read = gate.follow().map(|changes| changes.len());
        (Arc::new(gate), read)
    }

    /// Whether there is a token that is good now.
    pub fn has_tokens(&self) -> bool {
        let now = Timestamp::now();
        self.held.load().iter().any(|held| !held.entry.expired(now))
    }

    /// Takes up the file if it is another than before, and says what changed.
    ///
    /// # Errors
    /// When it cannot be used: what was in force stays in force.
    pub fn follow(&self) -> Result<Vec<Change>, LedgerError> {
        let Some(ledger) = &self.ledger else { return Ok(Vec::new()) };
        let now = FileVersion::from_path(ledger.path()).ok();
        let mut seen = self.seen.lock();
        if *seen == now {
            return Ok(Vec::new());
        }
        // What could not be read now is read the next time.
        let changes = self.read()?;
        *seen = now;
        Ok(changes)
    }

    fn read(&self) -> Result<Vec<Change>, LedgerError> {
        let Some(ledger) = &self.ledger else { return Ok(Vec::new()) };
        let entries = ledger.read()?;
        let before = self.held.load_full();
        let changes = changes(&before, &entries);
        let held = entries.into_iter().map(|entry| {
            let bearer = Bearer { name: entry.name.clone(), role: entry.role, sites: entry.sites.clone() };
            Held { entry, bearer: Arc::new(bearer) }
        });
        self.held.store(Arc::new(held.collect()));
        Ok(changes)
    }

    /// Whether a request means to show a token. What a browser adds by itself, the `Basic` of another site behind the same name, does not.
    pub fn is_meant(headers: &HeaderMap) -> bool {
        headers.get_all(AUTHORIZATION).iter().any(|value| {
            let text = value.to_str().ok().filter(|text| text.len() <= MAX_HEADER);
            let is_basic = text.is_some_and(|text| {
                text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "))
            });
            !is_basic || presented(text).is_some_and(|password| password.starts_with(token::PREFIX))
        })
    }

    /// Whose token the request shows: `Authorization: Bearer TOKEN`, or `Basic` with the token as password under any name,
    /// which browsers offer. `None` when it shows nothing.
    ///
    /// # Errors
    /// When what it shows is no token that is good now.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Option<Arc<Bearer>>, Wrong> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Wrong);
        }
        let presented =
            presented(value.to_str().ok().filter(|text| text.len() <= MAX_HEADER)).ok_or(Wrong)?;
        let fingerprint = Fingerprint::of(&presented).ok_or(Wrong)?;
        let now = Timestamp::now();
        let mut found = None;
        for held in self.held.load().iter() {
            if held.entry.fingerprint.matches(&fingerprint) {
                found = Some((held.entry.expired(now), held.bearer.clone()));
            }
        }
        match found {
            Some((false, bearer)) => Ok(Some(bearer)),
            _ => Err(Wrong),
        }
    }
}

/// The token in an `Authorization` header.
fn presented(header: Option<&str>) -> Option<Zeroizing<String>> {
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

fn changes(before: &[Held], after: &[Entry]) -> Vec<Change> {
    let added = after.iter().filter(|entry| !before.iter().any(|held| held.entry == **entry));
    let revoked = before.iter().filter(|held| !after.contains(&held.entry));
    let revoked = revoked.map(|held| Change::Revoked(held.entry.clone()));
    revoked.chain(added.cloned().map(Change::Added)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::access::Token;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    fn add(ledger: &Ledger, name: &str, expires: Option<&str>) -> Token {
        let token = Token::random().unwrap();
        let entry = Entry {
            name: name.to_owned(),
            role: Role::Sre,
            sites: Vec::new(),
            created: Timestamp::now(),
            expires: expires.map(|end| end.parse().unwrap()),
            fingerprint: Fingerprint::of(token.expose()).unwrap(),
        };
        ledger.add(entry).unwrap();
        token
    }

    #[test]
    fn a_token_is_taken_as_bearer_and_as_password_and_in_no_other_way() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(directory.path());
        let token = add(&ledger, "anna", None);
        let (gate, read) = Gate::open(ledger);
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
            assert_eq!(gate.identify(&headers(&good)).unwrap().unwrap().name, "anna", "{good}");
        }
        let long = "x".repeat(2 * MAX_HEADER);
        for wrong in [
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
            assert_eq!(gate.identify(&headers(&wrong)), Err(Wrong), "{wrong}");
        }
        let mut twice = headers(&format!("Bearer {token}"));
        twice.append(AUTHORIZATION, "Bearer x".parse().unwrap());
        assert_eq!(gate.identify(&twice), Err(Wrong));
        assert_eq!(gate.identify(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn revoking_and_adding_are_noticed_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(directory.path());
        let anna = add(&ledger, "anna", None);
        let (gate, _) = Gate::open(ledger.clone());
        assert_eq!(gate.follow().unwrap(), []);
        ledger.revoke("anna").unwrap();
        let boris = add(&ledger, "boris", None);
        let told: Vec<_> = gate
            .follow()
            .unwrap()
            .into_iter()
            .map(|change| match change {
                Change::Added(entry) => format!("+{}", entry.name),
                Change::Revoked(entry) => format!("-{}", entry.name),
            })
            .collect();
        assert_eq!(told, ["-anna", "+boris"]);
        assert!(gate.identify(&headers(&format!("Bearer {}", anna.expose()))).is_err());
        assert!(gate.identify(&headers(&format!("Bearer {}", boris.expose()))).is_ok());
    }

    #[test]
    fn a_file_that_could_not_be_read_is_read_when_its_rights_are_mended() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(directory.path());
        let token = add(&ledger, "anna", None);
        let path = ledger.path().to_owned();
        let (gate, _) = Gate::open(ledger);
        let rights = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Ledger::new(directory.path()).revoke("anna").unwrap();
        rights(0o666);
        assert!(gate.follow().is_err());
        assert!(gate.follow().is_err(), "the change is not forgotten");
        rights(0o600);
        assert_eq!(gate.follow().unwrap().len(), 1);
        assert!(gate.identify(&headers(&format!("Bearer {}", token.expose()))).is_err());
    }

    #[test]
    fn what_a_browser_adds_by_itself_shows_no_token() {
        let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        assert!(!Gate::is_meant(&headers(&basic("staging:swordfish"))));
        for meant in [basic("x:ff_"), "Bearer swordfish".to_owned(), "Digest x".to_owned()] {
            assert!(Gate::is_meant(&headers(&meant)), "{meant}");
        }
    }

    #[test]
    fn an_expired_token_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(directory.path());
        let token = add(&ledger, "old", Some("2020-01-01T00:00:00Z"));
        let (gate, _) = Gate::open(ledger);
        assert_eq!(gate.identify(&headers(&format!("Bearer {}", token.expose()))), Err(Wrong));
        assert!(!gate.has_tokens());
    }

    #[test]
    fn a_damaged_file_leaves_in_force_what_was_and_at_the_start_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(directory.path());
        let token = add(&ledger, "anna", None);
        let (gate, _) = Gate::open(ledger.clone());
        fs::write(ledger.path(), "{").unwrap();
        assert!(gate.follow().is_err());
        let shown = headers(&format!("Bearer {}", token.expose()));
        assert!(gate.identify(&shown).is_ok());
        let (started, read) = Gate::open(ledger.clone());
        assert!(read.is_err() && started.identify(&shown).is_err());
        fs::remove_file(ledger.path()).unwrap();
        gate.follow().unwrap();
        assert!(gate.identify(&shown).is_err(), "no file is no token");
    }
}
