//! `footfall explain`: reads JSON lines that describe beacons, and prints the rows that would be stored.
//!
//! It shows why a visit counts as it does, and measures recognition. Pseudonyms are made with a key that is thrown away
//! afterwards, so the command cannot reveal whether a person visited the site.

mod hints;

use std::borrow::Cow;
use std::io::{BufRead, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::app::ExitError;
use crate::beacon::{Beacon, BeaconEvent, EventDetail, PageAddress, RawText, ScriptError};
use crate::command::arguments::CommonArguments;
use crate::config::{Config, HostPattern, Site};
use crate::enrich::{BrowserRecogniser, ClientSignals, DecidingRules, HintHeaders};
use crate::ingest::assemble::{self, PageContext};
use crate::privacy::{GeoLookup, KeyRing, Peer, Privacy, SystemClock, scrub};

/// Longest line, in bytes.
const MAX_LINE: usize = 1 << 20;
/// The page of a line without `url`.
const SOME_PAGE: &str = "https://localhost/";

/// Read lines from standard input.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A line is a JSON object with any of: ua, hints (as getHighEntropyValues answers, or as \
                        headers), url, referrer, ip, props, error, touch_points, screen ([width, height]), automated. Beside the columns, \
                        `rules` names the rules that decided.\nExample: echo '{\"ua\":\"curl/8.9\"}' | footfall explain"
)]
pub(crate) struct ExplainArguments {
    /// Apply the settings of this site [default: the site that the page's host belongs to].
    #[arg(long)]
    site: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow, default)]
    ua: RawText<'a>,
    #[serde(default)]
    hints: serde_json::Map<String, serde_json::Value>,
    #[serde(borrow, default)]
    url: Option<RawText<'a>>,
    #[serde(borrow, default)]
    referrer: RawText<'a>,
    ip: Option<IpAddr>,
    /// `navigator.maxTouchPoints`.
    #[serde(default)]
    touch_points: u8,
    /// Width and height in CSS px.
    #[serde(default)]
    screen: (u16, u16),
    /// `navigator.webdriver`.
    #[serde(default)]
    automated: bool,
    #[serde(default)]
    props: serde_json::Map<String, serde_json::Value>,
    #[serde(borrow, default)]
    error: Option<RawText<'a>>,
}

/// # Errors
/// When the configuration is wrong, the site is unknown, or a line is invalid.
pub(crate) fn run(arguments: ExplainArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let site = arguments.site.as_deref().map(|id| {
        config
            .sites
            .get(id)
            .ok_or_else(|| format!("no site {id:?} in the configuration; it has: {}", ids(&config)))
    });
    let site = site.transpose()?.map(|site| Site::clone(site));
    let directory = TemporaryKeyDirectory::new()?;
    let keys = KeyRing::open(&directory.0, true, config.timezone.clone(), Arc::new(SystemClock))?;
    let privacy = Privacy::new(keys, GeoLookup::open(&config.geo));
    let explainer = Explainer { config: &config, site, privacy, browsers: BrowserRecogniser::new() };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    for number in 1_u64.. {
        line.clear();
        if std::io::Read::take(&mut input, MAX_LINE as u64).read_line(&mut line)? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let columns = explainer.explain(&line).map_err(|what| format!("line {number}: {what}"))?;
        serde_json::to_writer(&mut out, &columns)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn ids(config: &Config) -> String {
    let mut ids: Vec<&str> = config.sites.iter().map(|site| &*site.id).collect();
    ids.sort_unstable();
    ids.join(", ")
}

struct Explainer<'a> {
    config: &'a Config,
    site: Option<Site>,
    privacy: Privacy,
    browsers: BrowserRecogniser,
}

impl Explainer<'_> {
    fn explain(&self, line: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let url = line.url.unwrap_or(RawText(Cow::Borrowed(SOME_PAGE)));
        let site = self.site_of(&url)?;
        let user_agent = line.ua.as_bytes();
        let (hints, headers) = hints::read(&line.hints)?;
        let browser = self.browsers.recognise(&ClientSignals {
            user_agent,
            hints: &hints,
            headers: HintHeaders::from_request(&headers),
            touch_points: line.touch_points,
            screen: line.screen,
            automated: line.automated,
        });
        let peer = Peer::new(line.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        let epoch = self.privacy.epoch();
        let who = epoch.identify(peer, &site, user_agent);
        let beacon = beacon(url.0, line.referrer.0, what(line.error, line.props));
        let context = PageContext {
            site: &site,
            policy: &self.config.policy,
            received: jiff::Timestamp::now().as_millisecond(),
            who: &who,
            page_load: &epoch.page_load(&site, beacon.page_load),
            browser: &browser,
            cookies: &[],
        };
        let mut columns = serde_json::Map::new();
        let collect = |_, row: &crate::event::EventRow<'_>| {
            row.for_each_column(|name, value| drop(columns.insert(name.to_owned(), value)))
        };
        assemble::rows(&context, &beacon, |_, _| true, collect).map_err(|unfit| unfit.to_string())?;
        columns.insert("rules".to_owned(), rules(&browser.rules));
        Ok(columns)
    }

    /// The site of the arguments, or the one that the page belongs to, or a site for any page.
    fn site_of(&self, url: &str) -> Result<Site, String> {
        if let Some(site) = &self.site {
            return Ok(site.clone());
        }
        let keep = crate::config::NamePatterns::none();
        let address = scrub::address(url, &keep).map_err(|error| format!("url: {error}"))?;
        let found = self.config.sites.iter().find(|site| site.allows(&address.host));
        Ok(found.map_or_else(
            || Site { hosts: vec![HostPattern::Any], ..Site::localhost() },
            |site| Site::clone(site),
        ))
    }
}

fn rules(rules: &DecidingRules) -> serde_json::Value {
    let DecidingRules { browser, os, device, bot, spoofed } = *rules;
    let decided = [("browser", browser), ("os", os), ("device", device), ("bot", bot), ("spoofed", spoofed)];
    let decided = decided.into_iter().filter(|(_, rule)| !rule.is_empty());
    decided.map(|(column, rule)| (column.to_owned(), rule.into())).collect::<serde_json::Map<_, _>>().into()
}

fn what<'a>(
    error: Option<RawText<'a>>,
    props: serde_json::Map<String, serde_json::Value>,
) -> EventDetail<'a> {
    if let Some(message) = error {
        return EventDetail::Error(ScriptError { message: message.0, ..ScriptError::default() });
    }
    if props.is_empty() {
        return EventDetail::View;
    }
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let props = props
        .into_iter()
        .map(|(name, value)| (RawText(Cow::Owned(name)), RawText(Cow::Owned(text(value)))))
        .collect();
    EventDetail::Event { name: Cow::Borrowed("explain"), props }
}

fn beacon<'a>(url: Cow<'a, str>, referrer: Cow<'a, str>, detail: EventDetail<'a>) -> Beacon<'a> {
    let page = PageAddress { url, referrer };
    Beacon {
        events: vec![BeaconEvent { index: 0, age_ms: 0, page: Some(page), detail }],
        ..Beacon::default()
    }
}

/// A directory for a key that is thrown away; in memory if the system has `/dev/shm`.
struct TemporaryKeyDirectory(PathBuf);

impl TemporaryKeyDirectory {
    fn new() -> std::io::Result<Self> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = parent.join(format!("footfall-explain-{}", std::process::id()));
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&directory)?;
        Ok(Self(directory))
    }
}

impl Drop for TemporaryKeyDirectory {
    fn drop(&mut self) {
        // If this fails, only a key that protects nothing is left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
