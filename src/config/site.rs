//! The sites that events are taken for. A site is settings only: nothing per site grows with its traffic.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One site, checked.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its name in beacons, rows and reports: 1 to 64 of `a-z 0-9 - _ .`.
    pub id: Arc<str>,
    /// The hosts whose pages may send events for it.
    pub hosts: Vec<HostPattern>,
    /// How long its rows are kept.
    pub retention: Retention,
    /// Query parameters that may be kept; all others are dropped.
    pub query: NamePatterns,
    /// Cookies that are looked at; all others are ignored.
    pub cookies: BTreeMap<String, CookieRule>,
    /// Drop events of bots instead of marking them.
    pub drop_bots: bool,
}

impl Site {
    /// Whether a page on `host` (lower case, without port) may send events for this site.
    pub fn allows(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// A host name, `*.` and a host name for all below it (not itself), or `*` for any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// This host alone.
    Exact(String),
    /// Every host that ends in this, which starts with a dot.
    Below(String),
    /// Any host: for trying things out.
    Any,
}

impl HostPattern {
    /// Whether `host`, lower case and without port, fits.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            Self::Any => true,
        }
    }
}

/// How long a site's rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// This many days after they were received.
    Days(u16),
    /// For ever; stored as the last day that a ClickHouse `Date` can hold, 2149-06-06.
    Unlimited,
}

/// Names, some of which may end in `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamePatterns {
    /// Names that match as they are.
    pub exact: Vec<String>,
    /// Beginnings of names.
    pub prefixes: Vec<String>,
}

impl NamePatterns {
    /// Whether `name` fits one of the patterns.
    pub fn matches(&self, name: &str) -> bool {
        self.exact.iter().any(|exact| exact == name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

/// What is kept of an allow-listed cookie (clause 1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieRule {
    /// `1` when it is there.
    Presence,
    /// Its HMAC under the epoch's key, 16 hexadecimal digits.
    Hmac,
    /// Its value, scrubbed.
    Value,
}

/// All sites by id.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    by_id: HashMap<Arc<str>, Arc<Site>, foldhash::fast::RandomState>,
}

impl Sites {
    /// Collects checked sites; a later one of the same id wins.
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        Self { by_id: sites.into_iter().map(|site| (site.id.clone(), Arc::new(site))).collect() }
    }

    /// The site of this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Site>> {
        self.by_id.get(id)
    }

    /// All sites, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.by_id.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
