//! The sites of a collector. A site is settings only: nothing per site grows with its traffic.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::goal::{Funnel, Goal};
use super::host::HostPattern;
use super::path_template::PathTemplates;
use crate::event::{BotCategory, names};
use crate::secret::Secret;

/// 400 days: a year, and the same month of the previous year.
pub(super) const DEFAULT_RETENTION: Retention = Retention::Days(400);
#[derive(Debug, Clone)]
pub struct Site {
    /// Its name in beacons, rows and reports: 1 to 64 of `a-z 0-9 - _ .`.
    pub id: Arc<str>,
    /// Hosts of the pages that may send events for it.
    pub hosts: Vec<HostPattern>,
    pub retention: Retention,
    /// Query parameters that may be kept; all others are dropped.
    pub query: NamePatterns,
    /// Segments of paths that stand for a person.
    pub paths: PathTemplates,
    /// Cookies that are kept, and how; all others are ignored.
    pub cookies: BTreeMap<String, CookieRule>,
    /// Bots whose events are dropped instead of stored with a mark.
    pub drop_bots: DropBots,
    pub signatures: SignatureRules,
    /// The address of the site's privacy policy, for the visitor's page.
    pub policy_url: Option<String>,
    /// Goals, in the order of the file.
    pub goals: Vec<Goal>,
    /// Funnels, in the order of the file.
    pub funnels: Vec<Funnel>,
}

/// Rules for the signature in `data-site` of a site's pages.
#[derive(Debug, Clone, Default)]
pub struct SignatureRules {
    /// Whether a beacon without a signature is refused. One with a wrong signature always is.
    pub required: bool,
    /// Secrets that may have made a signature. There are several while one replaces another.
    pub secrets: Vec<Secret>,
}

impl Site {
    /// The site of a collector without a configuration: pages of this machine.
    pub fn localhost() -> Self {
        Self {
            id: "localhost".into(),
            hosts: ["localhost", "127.0.0.1", "[::1]"]
                .map(|host| HostPattern::Exact(host.to_owned()))
                .to_vec(),
            retention: DEFAULT_RETENTION,
            query: default_query(),
            paths: PathTemplates::default(),
            cookies: BTreeMap::new(),
            drop_bots: DropBots::default(),
            signatures: SignatureRules::default(),
            policy_url: None,
            goals: Vec::new(),
            funnels: Vec::new(),
        }
    }

    /// Whether a page on `host` (lower case, without port) may send events for this site.
    pub fn allows(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// Longer retentions are in days, which the store enforces by itself.
pub(super) const MOST_HOURS: u16 = 14 * 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Hours after receipt, at most `MOST_HOURS`. The collector deletes events by the hour.
    Hours(u16),
    /// Days after receipt.
    Days(u16),
    /// Without limit; stored as the last day of a ClickHouse `Date`, 2149-06-06.
    Unlimited,
}

/// Categories of bots whose events a site drops; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DropBots(u16);

impl DropBots {
    /// Whether events of bots of this category are dropped. Events of people never are.
    pub fn drops(self, category: BotCategory) -> bool {
        self.0 & Self::bit(category) != 0
    }

    const fn bit(category: BotCategory) -> u16 {
        match category {
            BotCategory::None => 0,
            bot => 1 << bot as u16,
        }
    }
}

impl FromIterator<BotCategory> for DropBots {
    fn from_iter<T: IntoIterator<Item = BotCategory>>(categories: T) -> Self {
        Self(categories.into_iter().fold(0, |bits, category| bits | Self::bit(category)))
    }
}

/// Exact names and prefixes of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamePatterns {
    pub exact: Vec<String>,
    pub prefixes: Vec<String>,
}

impl NamePatterns {
    pub const fn none() -> Self {
        Self { exact: Vec::new(), prefixes: Vec::new() }
    }

    pub fn matches(&self, name: &str) -> bool {
        self.exact.iter().any(|exact| exact == name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

names! {
    /// What is kept of an allow-listed cookie (clause 1.7).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum CookieRule {
        /// `1` when it is present.
        Presence => "presence",
        /// Its HMAC under the epoch's key, 16 hexadecimal digits.
        Hmac => "hmac",
        /// Its value, scrubbed.
        Value => "value",
    }
}

#[derive(Debug, Clone, Default)]
pub struct Sites {
    by_id: HashMap<Arc<str>, Arc<Site>, foldhash::fast::RandomState>,
}

impl Sites {
    /// A later site replaces an earlier one of the same id.
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        Self { by_id: sites.into_iter().map(|site| (site.id.clone(), Arc::new(site))).collect() }
    }

    #[must_use]
    pub fn with(mut self, site: Site) -> Self {
        self.by_id.insert(site.id.clone(), Arc::new(site));
        self
    }

    pub fn get(&self, id: &str) -> Option<&Arc<Site>> {
        self.by_id.get(id)
    }

    /// The ids, in order.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.iter().map(|site| site.id.to_string()).collect();
        ids.sort_unstable();
        ids
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.by_id.values()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// Campaign parameters: they name campaigns, not people.
pub(super) fn default_query() -> NamePatterns {
    name_patterns(vec!["utm_*".to_owned()])
}

pub(super) fn name_patterns(names: Vec<String>) -> NamePatterns {
    let mut patterns = NamePatterns::default();
    for name in names {
        match name.strip_suffix('*') {
            Some(prefix) => patterns.prefixes.push(prefix.to_owned()),
            None => patterns.exact.push(name),
        }
    }
    patterns
}
