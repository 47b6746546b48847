//! A beacon from its bytes to what its rows are made of, in one function: every check, in its order.
//!
//! [`Collector`](crate::ingest::Collector) stores what comes out. `footfall explain` lets it report each step, and stores nothing.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::HeaderMap;
use hyper::header::USER_AGENT;

use crate::access::signature::SignedSiteName;
use crate::beacon::{Beacon, ClientHints, MendedBody, WireFormat, WireInput};
use crate::config::{Config, SignatureRules, Site, Sites};
use crate::enrich::{BrowserInfo, BrowserRecogniser, ClientSignals, HintHeaders};
use crate::event::DropReason;
use crate::ingest::assemble::PageContext;
use crate::ingest::origin::{self, SendingPage};
use crate::ingest::outcome::{IngestError, RefusedBeacon, Sender};
use crate::privacy::consent::{self, OptOutSignal};
use crate::privacy::{Peer, Privacy, Subject, VisitorIdentity};

pub struct BeaconPipeline {
    settings: ArcSwap<PipelineSettings>,
    privacy: Privacy,
    browsers: BrowserRecogniser,
}

/// Settings that a reload replaces.
struct PipelineSettings {
    sites: Sites,
    policy: String,
}

impl PipelineSettings {
    fn from_config(config: &Config) -> Arc<Self> {
        Arc::new(Self { sites: config.sites.clone(), policy: config.policy.clone() })
    }
}

/// What becomes of a beacon that is not refused.
pub enum BeaconOutcome<'a> {
    /// All of its events are dropped.
    Drop(&'a Site, DropReason),
    /// Its rows can be assembled.
    Assemble(&'a PageContext<'a>),
}

/// A step that was passed. Its texts may be personal data: only the sender of the beacon may see them.
pub enum PipelineStep<'a> {
    Parsed(&'a Beacon<'a>),
    SiteFound(&'a Site),
    /// The page that sends is on one of the site's hosts, or unknown.
    PageChecked(SendingPage),
    SignatureChecked(SignatureState),
    /// A server with a token for this site sends it.
    SenderChecked,
    /// Whether the visitor refused.
    ConsentChecked(Option<OptOutSignal>),
    BrowserRecognised(&'a BrowserInfo),
    VisitorIdentified(&'a VisitorIdentity),
    CookiesKept(&'a [(&'a str, &'a str)]),
}

/// What would be kept of a visit, for the visitor to see.
pub struct VisitPreview {
    pub site: Arc<Site>,
    /// The origin of the page with the link to this request, if it is one of the site's.
    pub origin: Option<String>,
    /// Version of the privacy policy in force.
    pub policy: String,
    /// The signal with which this browser refuses.
    pub opt_out: Option<OptOutSignal>,
    /// Whether nothing is kept, because the browser counts as a bot and the site drops such bots.
    pub is_dropped: bool,
    pub browser: Arc<BrowserInfo>,
    pub identity: VisitorIdentity,
}

impl VisitPreview {
    /// The visitor to whom the visit's rows would belong.
    pub fn subject(&self) -> Subject {
        let VisitorIdentity { epoch, visitor, .. } = self.identity;
        Subject { site: self.site.id.to_string(), epoch, visitor }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureState {
    /// The site has no secrets.
    NotUsed,
    /// There is none, and the site does not require one.
    Absent,
    Valid,
}

/// Sees the steps that a beacon passes. Storing beacons sees none of them, at no cost.
pub trait PipelineTrace {
    fn step(&mut self, step: PipelineStep<'_>);
}

impl PipelineTrace for () {
    #[inline(always)]
    fn step(&mut self, _: PipelineStep<'_>) {}
}

impl BeaconPipeline {
    pub fn new(config: &Config, privacy: Privacy) -> Self {
        let settings = ArcSwap::new(PipelineSettings::from_config(config));
        Self { settings, privacy, browsers: BrowserRecogniser::new() }
    }

    /// Replaces the sites and the version of the policy. Open requests keep the old ones.
    pub fn reload(&self, config: &Config) {
        self.settings.store(PipelineSettings::from_config(config));
    }

    /// A configured site.
    pub fn site(&self, id: &str) -> Option<Arc<Site>> {
        self.settings.load().sites.get(id).cloned()
    }

    /// The configured sites, in no particular order.
    pub fn sites(&self) -> Vec<Arc<Site>> {
        self.settings.load().sites.iter().cloned().collect()
    }

    /// The number of configured sites.
    pub fn site_count(&self) -> usize {
        self.settings.load().sites.len()
    }

    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// What would be kept of a visit by the browser that sends these headers. If no site is `named`, the site is that of the page with the
    /// link to this request, or the only configured one. `None` without such a site, or without a key.
    pub fn preview(&self, visitor: Peer, headers: &HeaderMap, named: Option<&str>) -> Option<VisitPreview> {
        let settings = self.settings.load();
        let referring = origin::referring_page(headers);
        let site = match named {
            Some(named) => settings.sites.get(named)?,
            None => {
                let by_page = |site: &&Arc<Site>| referring.is_some_and(|page| site.allows(page.host));
                let only = || settings.sites.iter().next().filter(|_| settings.sites.len() == 1);
                settings.sites.iter().find(by_page).or_else(only)?
            }
        };
        let user_agent = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
        let browser = self.browsers.recognise(&request_signals(headers, user_agent, &ClientHints::default()));
        Some(VisitPreview {
            origin: referring.filter(|page| site.allows(page.host)).map(|page| page.origin.to_owned()),
            policy: settings.policy.clone(),
            opt_out: consent::opt_out_signal(headers),
            is_dropped: site.drop_bots.drops(browser.bot_category),
            browser,
            identity: self.privacy.epoch()?.identify(visitor, site, user_agent),
            site: site.clone(),
        })
    }

    /// Carries a beacon of this format through all steps, without waiting. `finish` gets what comes out.
    ///
    /// # Errors
    /// With the first reason to refuse the beacon, or that of `finish`.
    pub fn run<R>(
        &self,
        sender: Sender<'_>,
        headers: &HeaderMap,
        (format, input): (&WireFormat, &WireInput<'_>),
        trace: &mut impl PipelineTrace,
        finish: impl FnOnce(&Beacon<'_>, BeaconOutcome<'_>) -> Result<R, IngestError>,
    ) -> Result<R, RefusedBeacon> {
        let settings = self.settings.load();
        let mended = MendedBody::default();
        let beacon = (format.parse)(input, &mended).map_err(|malformed| {
            let named = (format.site_of)(input, &mended);
            let site = named.and_then(|named| settings.sites.get(SignedSiteName::parse(&named).site));
            RefusedBeacon { cause: malformed.into(), site: site.map(|site| site.id.clone()) }
        })?;
        trace.step(PipelineStep::Parsed(&beacon));
        let named = SignedSiteName::parse(&beacon.site);
        let site = settings.sites.get(named.site).ok_or(IngestError::UnknownSite)?;
        trace.step(PipelineStep::SiteFound(site));
        self.run_for_site(&settings, (site, named), sender, headers, &beacon, trace, finish)
            .map_err(|cause| RefusedBeacon { cause, site: Some(site.id.clone()) })
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of one request")]
    fn run_for_site<R>(
        &self,
        settings: &PipelineSettings,
        (site, named): (&Site, SignedSiteName<'_>),
        sender: Sender<'_>,
        headers: &HeaderMap,
        beacon: &Beacon<'_>,
        trace: &mut impl PipelineTrace,
        finish: impl FnOnce(&Beacon<'_>, BeaconOutcome<'_>) -> Result<R, IngestError>,
    ) -> Result<R, IngestError> {
        let peer = admit(sender, headers, site, named, trace)?;
        if beacon.withheld > 0 {
            return finish(beacon, BeaconOutcome::Drop(site, DropReason::OptOut));
        }
        let opt_out = consent::opt_out_signal(headers);
        trace.step(PipelineStep::ConsentChecked(opt_out));
        if opt_out.is_some() {
            return finish(beacon, BeaconOutcome::Drop(site, DropReason::OptOut));
        }
        let user_agent = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
        let no_hints = ClientHints::default();
        let signals = ClientSignals {
            touch_points: beacon.touch_points,
            screen: (beacon.screen_width, beacon.screen_height),
            automated: beacon.automated,
            ..request_signals(headers, user_agent, &no_hints)
        };
        let browser = self.browsers.recognise_sent(&signals, beacon.hints);
        trace.step(PipelineStep::BrowserRecognised(&browser));
        if site.drop_bots.drops(browser.bot_category) {
            return finish(beacon, BeaconOutcome::Drop(site, DropReason::Bot));
        }
        let epoch = self.privacy.epoch().ok_or(IngestError::NoKey)?;
        let identity = epoch.identify(peer, site, user_agent);
        trace.step(PipelineStep::VisitorIdentified(&identity));
        let offered = beacon.cookies.iter().map(|(name, value)| (&**name, &**value));
        let cookies = epoch.cookies(site, offered);
        let cookies: Vec<(&str, &str)> = cookies.iter().map(|(name, value)| (*name, &**value)).collect();
        trace.step(PipelineStep::CookiesKept(&cookies));
        // Held until `finish` has appended the events.
        let blocked = self.privacy.blocked();
        if blocked.contain(&site.id, (identity.epoch, identity.visitor), &cookies) {
            return finish(beacon, BeaconOutcome::Drop(site, DropReason::Blocked));
        }
        let context = PageContext {
            site,
            policy: &settings.policy,
            received: jiff::Timestamp::now().as_millisecond(),
            identity: &identity,
            page_load: &epoch.page_load(site, beacon.page_load),
            browser: &browser,
            cookies: &cookies,
        };
        finish(beacon, BeaconOutcome::Assemble(&context))
    }
}

/// What a request tells of a browser without the fields of a beacon.
fn request_signals<'a>(
    headers: &'a HeaderMap,
    user_agent: &'a [u8],
    hints: &'a ClientHints<'a>,
) -> ClientSignals<'a> {
    ClientSignals {
        user_agent,
        hints,
        headers: HintHeaders::from_request(headers),
        touch_points: 0,
        screen: (0, 0),
        automated: false,
    }
}

/// Checks that the sender may send for the site. Returns the visitor.
fn admit(
    sender: Sender<'_>,
    headers: &HeaderMap,
    site: &Site,
    named: SignedSiteName<'_>,
    trace: &mut impl PipelineTrace,
) -> Result<Peer, IngestError> {
    match sender {
        Sender::Page(peer) => {
            trace.step(PipelineStep::PageChecked(origin::check(site, headers)?));
            trace.step(PipelineStep::SignatureChecked(check_signature(site, named)?));
            Ok(peer)
        }
        Sender::Server { visitor, holder }
            if holder.sites.is_empty() || holder.sites.iter().any(|id| **id == *site.id) =>
        {
            trace.step(PipelineStep::SenderChecked);
            Ok(visitor)
        }
        Sender::Server { .. } => Err(IngestError::SiteNotAllowed),
    }
}

/// Checks the signature of the site's name, if the site has secrets. A wrong one is refused; a missing one is refused where
/// signatures are required.
fn check_signature(site: &Site, named: SignedSiteName<'_>) -> Result<SignatureState, IngestError> {
    let SignatureRules { required, secrets } = &site.signatures;
    if secrets.is_empty() {
        return Ok(SignatureState::NotUsed);
    }
    if named.signature.is_none() && !required {
        return Ok(SignatureState::Absent);
    }
    let now = jiff::Timestamp::now().as_second();
    if named.is_signed(secrets, now) { Ok(SignatureState::Valid) } else { Err(IngestError::InvalidSignature) }
}
