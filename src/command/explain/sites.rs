//! The site of a line, and a page of it.

use jiff::Timestamp;

use super::line::{ExplainLine, LineSite};
use crate::access::signature;
use crate::app::ExitError;
use crate::config::{Config, DropBots, HostPattern, NamePatterns, Site, Sites};
use crate::privacy::scrub;

/// How long the name of a site is signed for that requires a signature, in s: enough to paste a command.
const SIGNED_FOR: i64 = 60 * 60;

pub(super) struct ExplainSites {
    sites: Sites,
    /// The id that the arguments give.
    chosen: Option<String>,
    /// The configuration with sites that drop no bots, and one site for any host.
    lenient: Config,
    any_host: Site,
}

impl ExplainSites {
    /// # Errors
    /// When `chosen` is not configured.
    pub(super) fn new(config: &Config, chosen: Option<&str>) -> Result<Self, ExitError> {
        let id = if config.sites.get("localhost").is_some() { "any-host" } else { "localhost" };
        let any_host = Site { id: id.into(), hosts: vec![HostPattern::Any], ..Site::localhost() };
        let keep_bots =
            |site: &std::sync::Arc<Site>| Site { drop_bots: DropBots::default(), ..Site::clone(site) };
        let lenient = Sites::new(config.sites.iter().map(keep_bots)).with(any_host.clone());
        let sites = Self {
            sites: config.sites.clone(),
            chosen: chosen.map(str::to_owned),
            lenient: Config { sites: lenient, ..config.clone() },
            any_host,
        };
        if let Some(id) = chosen {
            sites.named(id)?;
        }
        Ok(sites)
    }

    pub(super) fn lenient(&self) -> &Config {
        &self.lenient
    }

    /// Where the collector takes beacons.
    pub(super) fn base(&self, config: &Config) -> String {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        match config.listen {
            listen if listen.ip().is_unspecified() => format!("{scheme}://localhost:{}", listen.port()),
            listen => format!("{scheme}://{listen}"),
        }
    }

    /// The site that the line or the arguments name, or that of the page's host. Without both it is the first one, by its id.
    ///
    /// A page on a host of no site belongs to a site with pages on any host, so that its columns can be seen. With `is_strict` it belongs to
    /// the first site, which refuses it as the collector would.
    ///
    /// # Errors
    /// When there is no such site, or the page has no address.
    pub(super) fn for_line(&self, line: &ExplainLine, is_strict: bool) -> Result<LineSite, String> {
        if let Some(id) = line.site().or(self.chosen.as_deref()) {
            return self.named(id).map(|site| line_site(site, true));
        }
        let first = self.sites.iter().min_by(|one, other| one.id.cmp(&other.id));
        let site_or_any = |site: Option<&std::sync::Arc<Site>>| {
            site.map_or_else(|| line_site(&self.any_host, false), |site| line_site(site, true))
        };
        let Some(url) = line.url() else { return Ok(site_or_any(first)) };
        let address = scrub::address(url, &NamePatterns::none()).map_err(|error| format!("url: {error}"))?;
        let found = self.sites.iter().find(|site| site.allows(&address.host));
        // A collector without settings has a site for trials alone.
        let strict = first.filter(|first| is_strict && (self.sites.len() > 1 || *first.id != *"localhost"));
        Ok(site_or_any(found.or(strict)))
    }

    fn named(&self, id: &str) -> Result<&Site, String> {
        self.sites.get(id).map(|site| &**site).ok_or_else(|| {
            let mut ids: Vec<&str> = self.sites.iter().map(|site| &*site.id).collect();
            ids.sort_unstable();
            format!("no site {id:?} in the configuration; it has: {}", ids.join(", "))
        })
    }
}

fn line_site(site: &Site, is_configured: bool) -> LineSite {
    let host = site.hosts.iter().find_map(|pattern| match pattern {
        HostPattern::Exact(host) => Some(host.clone()),
        HostPattern::Below(suffix) => Some(format!("www{suffix}")),
        HostPattern::Any => None,
    });
    let name = match site.signatures.secrets.first().filter(|_| site.signatures.required) {
        Some(secret) => signature::sign(secret, &site.id, Timestamp::now().as_second() + SIGNED_FOR),
        None => site.id.to_string(),
    };
    LineSite { name, page: format!("https://{}/", host.as_deref().unwrap_or("localhost")), is_configured }
}
