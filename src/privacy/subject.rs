//! A visitor with a request (the data subject), and the list of visitors whose events are not stored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

/// A visitor on one site in one epoch: all that can be linked to a browser.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Subject {
    pub site: String,
    pub epoch: u32,
    /// The visitor's pseudonym.
    pub visitor: u64,
}

/// Whose events a request concerns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum SubjectScope {
    Visitor(Subject),
    /// The events that carry a cookie, with its value as it is stored. An HMAC belongs to one epoch, a plain value to all.
    Cookie {
        site: String,
        name: String,
        value: String,
    },
    /// Every event of a site.
    Site {
        site: String,
    },
}

impl SubjectScope {
    pub fn site(&self) -> &str {
        match self {
            Self::Visitor(Subject { site, .. }) | Self::Cookie { site, .. } | Self::Site { site } => site,
        }
    }

    /// Whether an event, as JSON with the names of its columns, is one of these.
    pub fn has_row(&self, row: &serde_json::Value) -> bool {
        row["site"] == self.site()
            && match self {
                Self::Visitor(subject) => row["epoch"] == subject.epoch && row["visitor"] == subject.visitor,
                Self::Cookie { name, value, .. } => row["cookies"][name] == **value,
                Self::Site { .. } => true,
            }
    }
}

/// What is blocked at a time.
#[derive(Debug, Default)]
pub struct BlockedScopes {
    by_site: HashMap<String, BlockedOnSite, foldhash::fast::RandomState>,
}

#[derive(Debug, Default)]
struct BlockedOnSite {
    all: bool,
    visitors: HashSet<(u32, u64)>,
    cookies: HashSet<(String, String)>,
}

impl BlockedScopes {
    /// Whether nothing may be stored of a visitor (epoch and pseudonym) with these cookies, as they would be stored.
    pub fn contain(&self, site: &str, visitor: (u32, u64), cookies: &[(&str, &str)]) -> bool {
        let Some(blocked) = self.by_site.get(site) else { return false };
        let has_cookie = || {
            let mut known = blocked.cookies.iter();
            known.any(|(name, value)| cookies.contains(&(name.as_str(), value.as_str())))
        };
        blocked.all || blocked.visitors.contains(&visitor) || has_cookie()
    }
}

impl<'a> FromIterator<&'a SubjectScope> for BlockedScopes {
    fn from_iter<T: IntoIterator<Item = &'a SubjectScope>>(scopes: T) -> Self {
        let mut blocked = Self::default();
        for scope in scopes {
            let on_site = blocked.by_site.entry(scope.site().to_owned()).or_default();
            match scope {
                SubjectScope::Visitor(subject) => {
                    on_site.visitors.insert((subject.epoch, subject.visitor));
                }
                SubjectScope::Cookie { name, value, .. } => {
                    on_site.cookies.insert((name.clone(), value.clone()));
                }
                SubjectScope::Site { .. } => on_site.all = true,
            }
        }
        blocked
    }
}

/// The list in force.
#[derive(Debug, Default)]
pub struct BlockedSubjects(ArcSwap<BlockedScopes>);

impl BlockedSubjects {
    pub(super) fn load(&self) -> Guard<Arc<BlockedScopes>> {
        self.0.load()
    }

    /// Replaces the list. When this returns, no beacon is on its way to the spool that was checked against the old one.
    pub fn replace<'a>(&self, scopes: impl IntoIterator<Item = &'a SubjectScope>) {
        let mut old = self.0.swap(Arc::new(scopes.into_iter().collect()));
        // A beacon takes microseconds from the check to the spool.
        while let Err(held) = Arc::try_unwrap(old) {
            old = held;
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes() -> [SubjectScope; 3] {
        let site = || "clinic".to_owned();
        [
            SubjectScope::Visitor(Subject { site: site(), epoch: 5, visitor: u64::MAX - 1 }),
            SubjectScope::Cookie { site: site(), name: "ab".into(), value: "B".into() },
            SubjectScope::Site { site: "school".into() },
        ]
    }

    #[test]
    fn a_scope_has_its_rows_and_blocks_their_visitors_alone() {
        let blocked: BlockedScopes = scopes().iter().collect();
        // Site, epoch, visitor, value of cookie `ab`, and the scope that names them.
        let rows = [
            ("clinic", 5, u64::MAX - 1, "A", Some(0)),
            ("clinic", 6, u64::MAX - 1, "A", None),
            ("clinic", 5, u64::MAX, "A", None),
            ("clinic", 9, 1, "B", Some(1)),
            ("shop", 5, u64::MAX - 1, "B", None),
            ("school", 1, 1, "A", Some(2)),
        ];
        for (site, epoch, visitor, ab, expected) in rows {
            let row = serde_json::json!({ "site": site, "epoch": epoch, "visitor": visitor, "cookies": { "ab": ab } });
            let found = scopes().iter().position(|scope| scope.has_row(&row));
            assert_eq!(found, expected, "{row}");
            assert_eq!(blocked.contain(site, (epoch, visitor), &[("ab", ab)]), expected.is_some(), "{row}");
        }
    }

    #[test]
    fn a_scope_is_read_back_from_its_json() {
        for scope in scopes() {
            let text = serde_json::to_string(&scope).unwrap();
            assert_eq!(serde_json::from_str::<SubjectScope>(&text).unwrap(), scope, "{text}");
        }
    }
}
