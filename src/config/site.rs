//! The sites that events are taken for. A site is settings only: nothing per site grows with its traffic.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::read::{Given, Section, text};
use crate::event::BotCategory;
use crate::secret::Secret;

/// Sites kept for 400 days unless they say otherwise: a year and the same month of the year before.
const DEFAULT_RETENTION: Retention = Retention::Days(400);
/// Days in the longest retention short of `unlimited`: a hundred years.
const MAX_RETENTION_DAYS: u16 = 36_500;
/// Letters of a secret at least: 128 bits in hexadecimal.
const MIN_SECRET: usize = 32;
/// Secrets of a site at most: each is tried for each beacon.
const MAX_SECRETS: usize = 4;
/// Letters of a site's id at most.
const MAX_SITE_ID: usize = 64;

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
    /// Bots whose events are dropped instead of marked.
    pub drop_bots: DropBots,
    /// Signed names, by which its pages prove that they are its own.
    pub signatures: Signatures,
}

/// What a site asks of the signature in its pages' `data-site`.
#[derive(Debug, Clone, Default)]
pub struct Signatures {
    /// Whether a beacon without a good one is refused. A bad one always is.
    pub required: bool,
    /// Secrets that a signature may be made with: while one takes another's place, both.
    pub secrets: Vec<Secret>,
}

impl Site {
    /// The site of a collector without a configuration: pages on this machine.
    pub fn localhost() -> Self {
        Self {
            id: "localhost".into(),
            hosts: ["localhost", "127.0.0.1", "[::1]"]
                .map(|host| HostPattern::Exact(host.to_owned()))
                .to_vec(),
            retention: DEFAULT_RETENTION,
            query: default_query(),
            cookies: BTreeMap::new(),
            drop_bots: DropBots::default(),
            signatures: Signatures::default(),
        }
    }

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

/// The categories of bots whose events a site does not want; by default none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DropBots(u16);

impl DropBots {
    /// Whether events of bots of this category are dropped. People's never are.
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

/// Names, some of which may end in `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamePatterns {
    /// Names that match as they are.
    pub exact: Vec<String>,
    /// Beginnings of names.
    pub prefixes: Vec<String>,
}

impl NamePatterns {
    /// No name at all.
    pub const fn none() -> Self {
        Self { exact: Vec::new(), prefixes: Vec::new() }
    }

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

    /// These sites and one more.
    #[must_use]
    pub fn with(mut self, site: Site) -> Self {
        self.by_id.insert(site.id.clone(), Arc::new(site));
        self
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

/// Checks one `[[site]]`; `None` when it has no usable id or hosts.
pub(super) fn check(mut section: Section<'_>) -> Option<Site> {
    let id = section.required("id", site_id);
    let hosts = match section.list("hosts", host_pattern) {
        Some(hosts) => Some(hosts),
        None => section.required("hosts", |_| Err("must be a list of host names".to_owned())),
    };
    let retention = section.read("retention", retention).unwrap_or(DEFAULT_RETENTION);
    let query = section.list("query", text).map_or_else(default_query, name_patterns);
    let cookies = section.read("cookies", cookie_rules).unwrap_or_default();
    let drop_bots = section.some_of("drop_bots", &BotCategory::BOTS, bot_category).unwrap_or_default();
    let drop_bots = drop_bots.into_iter().collect();
    let secrets = section.read("token_secret_file", secrets).unwrap_or_default();
    let given = section.place("tokens");
    let required = section.read("tokens", tokens).unwrap_or(false);
    if let Some(place) = given.filter(|_| required && secrets.is_empty()) {
        section.problems.note(&place, "site.tokens are required, but token_secret_file names no secret");
    }
    section.finish(&[
        "id",
        "hosts",
        "retention",
        "query",
        "cookies",
        "drop_bots",
        "token_secret_file",
        "tokens",
    ]);
    let (id, hosts) = id.zip(hosts)?;
    let signatures = Signatures { required, secrets };
    Some(Site { id: id.into(), hosts, retention, query, cookies, drop_bots, signatures })
}

/// Whether signed names are required.
fn tokens(value: &Given) -> Result<bool, String> {
    match text(value)?.as_str() {
        "required" => Ok(true),
        "optional" => Ok(false),
        other => Err(format!("must be \"required\" or \"optional\", not {other:?}")),
    }
}

/// The lines of a file, each a secret: the first signs, any of them is taken.
fn secrets(value: &Given) -> Result<Vec<Secret>, String> {
    let file = text(value)?;
    let content = std::fs::read_to_string(&file)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| format!("cannot be read from {file}: {error}"))?;
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Vec<Secret> = lines.map(|line| Secret::new(line.to_owned())).collect();
    let long = secrets.iter().all(|secret| secret.expose().len() >= MIN_SECRET);
    if (1..=MAX_SECRETS).contains(&secrets.len()) && long {
        Ok(secrets)
    } else {
        Err(format!(
            "must name a file of 1 to {MAX_SECRETS} lines, each a secret of at least {MIN_SECRET} letters; \
             `openssl rand -hex 32` makes one"
        ))
    }
}

/// Campaign parameters name campaigns, not people.
fn default_query() -> NamePatterns {
    name_patterns(vec!["utm_*".to_owned()])
}

fn name_patterns(names: Vec<String>) -> NamePatterns {
    let mut patterns = NamePatterns::default();
    for name in names {
        match name.strip_suffix('*') {
            Some(prefix) => patterns.prefixes.push(prefix.to_owned()),
            None => patterns.exact.push(name),
        }
    }
    patterns
}

fn site_id(value: &Given) -> Result<String, String> {
    let id = text(value)?;
    let plain = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
    if plain && id.len() <= MAX_SITE_ID {
        Ok(id)
    } else {
        Err(format!("must be 1 to {MAX_SITE_ID} of a-z, 0-9, - _ and ., not {id:?}"))
    }
}

fn host_pattern(value: &Given) -> Result<HostPattern, String> {
    let text = text(value)?;
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    let (below, name) = text.strip_prefix("*.").map_or((false, text.as_str()), |name| (true, name));
    let host = url::Host::parse(name).ok().filter(|_| !name.contains(['/', ' ', '*'])).ok_or_else(|| {
        format!("must be host names such as clinic.example or *.clinic.example, not {text:?}")
    })?;
    Ok(if below { HostPattern::Below(format!(".{host}")) } else { HostPattern::Exact(host.to_string()) })
}

fn bot_category(value: &Given) -> Result<BotCategory, String> {
    let (category, given) = match value {
        Given::Text(name) => (
            BotCategory::from_name(name).filter(|category| *category != BotCategory::None),
            format!("{name:?}"),
        ),
        other => (None, other.kind().to_owned()),
    };
    category.ok_or_else(|| {
        let known = BotCategory::BOTS.map(BotCategory::name).join(", ");
        format!("must be true, false or a list of some of {known}, not {given}")
    })
}

fn retention(value: &Given) -> Result<Retention, String> {
    let text = text(value)?;
    if text == "unlimited" {
        return Ok(Retention::Unlimited);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let days = match &text[end..] {
        "d" => Some(1),
        "w" => Some(7),
        "y" => Some(365),
        _ => None,
    };
    text[..end]
        .parse::<u16>()
        .ok()
        .zip(days)
        .and_then(|(number, days)| number.checked_mul(days))
        .filter(|days| (1..=MAX_RETENTION_DAYS).contains(days))
        .map(Retention::Days)
        .ok_or_else(|| {
            format!("must be \"unlimited\" or days, weeks or years such as \"400d\", not {text:?}")
        })
}

fn cookie_rules(value: &Given) -> Result<BTreeMap<String, CookieRule>, String> {
    let Given::Table(table) = value else {
        return Err("must be a table such as { consent = \"presence\" }".to_owned());
    };
    let mut rules = BTreeMap::new();
    for (name, (rule, _)) in table {
        let rule = match rule {
            Given::Text(word) if word == "presence" => CookieRule::Presence,
            Given::Text(word) if word == "hmac" => CookieRule::Hmac,
            Given::Text(word) if word == "value" => CookieRule::Value,
            _ => return Err(format!("must say \"presence\", \"hmac\" or \"value\" for {name:?}")),
        };
        rules.insert(name.clone(), rule);
    }
    Ok(rules)
}
