//! A beacon's whole way, from the peer and the body to the synced row.
//!
//! Everything up to the spool happens at once, without waiting, in buffers that the thread keeps; then the request waits
//! for the disk. What is refused or dropped is decided before anything is written, and a beacon is written as a whole
//! or not at all.

use std::cell::RefCell;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::HeaderMap;
use hyper::header::{HeaderName, REFERER, USER_AGENT};

use crate::access::TokenHolder;
use crate::access::signature::SignedSiteName;
use crate::beacon::{self, Beacon, MalformedBeacon};
use crate::config::{Config, SignatureRules, Site, Sites};
use crate::enrich::{Browsers, Client, HintHeaders};
use crate::event::DropReason;
use crate::ingest::assemble::{self, Context, Unfit};
use crate::ingest::duplicate_filter::Recent;
use crate::ingest::origin;
use crate::privacy::{Peer, Privacy, consent};
use crate::spool::{Ack, Durability, Frame, Recovered, Spool, SpoolError};

/// Takes beacons.
pub struct Collector {
    settings: ArcSwap<Settings>,
    privacy: Privacy,
    browsers: Browsers,
    recent: Recent,
    spool: Arc<Spool>,
}

/// What may change while the collector runs.
struct Settings {
    sites: Sites,
    policy: String,
}

impl Settings {
    fn of(config: &Config) -> Arc<Self> {
        Arc::new(Self { sites: config.sites.clone(), policy: config.policy.clone() })
    }
}

/// A beacon was taken: its events are on disk, or dropped by a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Events stored.
    pub stored: u32,
    /// Events dropped, by [`DropReason`] as a number.
    pub dropped: [u32; DropReason::ALL.len()],
}

/// Where a beacon comes from.
#[derive(Debug)]
pub enum By<'a> {
    /// A page, in the visitor's own browser.
    Page(Peer),
    /// A server that speaks for the visitor.
    Sender {
        /// The visitor's address, as the sender names it.
        visitor: Peer,
        /// Who sends.
        sender: &'a TokenHolder,
    },
}

/// A beacon was not taken; nothing of it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400.
    #[error(transparent)]
    Malformed(#[from] MalformedBeacon),
    /// 403.
    #[error("no such site here")]
    UnknownSite,
    /// 403.
    #[error("the page's host is not one of the site's hosts")]
    ForeignHost,
    /// 403.
    #[error("the site's name is not signed, or not any more")]
    Unsigned,
    /// 403.
    #[error("the token may not send for this site")]
    NotYours,
    /// 503.
    #[error("the spool takes nothing now")]
    Unavailable,
}

impl From<Unfit> for Refused {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Malformed(malformed) => Self::Malformed(malformed),
            Unfit::ForeignHost => Self::ForeignHost,
        }
    }
}

impl From<SpoolError> for Refused {
    fn from(_: SpoolError) -> Self {
        // The spool itself logs and counts why; a browser needs only to know that it should try again.
        Self::Unavailable
    }
}

/// A beacon that is on its way to the disk; without an ack there is nothing to wait for.
struct Written {
    taken: Taken,
    ack: Option<Ack>,
}

/// Buffers of one thread, kept from beacon to beacon.
#[derive(Default)]
struct Scratch {
    rows: Vec<u8>,
    seqs: Vec<u32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Collector {
    /// A collector on an open spool. `recovered` says which events are on disk already.
    pub fn new(config: &Config, privacy: Privacy, spool: Arc<Spool>, recovered: &Recovered) -> Self {
        let recent = Recent::new();
        for (page_load, seq) in &recovered.identities {
            recent.of_page(*page_load).remember(*seq);
        }
        Self {
            settings: ArcSwap::new(Settings::of(config)),
            privacy,
            browsers: Browsers::new(),
            recent,
            spool,
        }
    }

    /// Takes new sites and a new policy version; beacons under way keep the old ones.
    pub fn reload(&self, config: &Config) {
        self.settings.store(Settings::of(config));
    }

    /// The stage that holds the key and the places.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// Whether pages on `host` may send events for some site: what CORS needs to know.
    pub fn allows_host(&self, host: &str) -> bool {
        self.settings.load().sites.iter().any(|site| site.allows(host))
    }

    /// `POST /b`. Once this answers, every event that was stored is synced.
    ///
    /// # Errors
    /// [`Refused`]; the sender may try again after [`Refused::Unavailable`].
    pub async fn beacon(&self, by: By<'_>, headers: &HeaderMap, body: &[u8]) -> Result<Taken, Refused> {
        self.take(by, headers, &beacon::json::parse(body)?)?.settled().await
    }

    /// `GET /b.gif`: one view.
    ///
    /// # Errors
    /// As for [`Collector::beacon`].
    pub async fn pixel(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Taken, Refused> {
        let referer = text(headers, &REFERER);
        let beacon = beacon::pixel::parse(query.unwrap_or_default(), referer, random())?;
        self.take(By::Page(peer), headers, &beacon)?.settled().await
    }

    /// All but the waiting.
    fn take(&self, by: By<'_>, headers: &HeaderMap, beacon: &Beacon<'_>) -> Result<Written, Refused> {
        let settings = self.settings.load();
        let named = SignedSiteName::parse(&beacon.site);
        let site = settings.sites.get(named.site).ok_or(Refused::UnknownSite)?;
        let peer = match by {
            By::Page(peer) => {
                origin::check(site, headers)?;
                check_signature(site, named)?;
                peer
            }
            By::Sender { visitor, sender }
                if sender.sites.is_empty() || sender.sites.iter().any(|id| **id == *site.id) =>
            {
                visitor
            }
            By::Sender { .. } => return Err(Refused::NotYours),
        };
        let events = u32::try_from(beacon.events.len()).expect("at most MAX_EVENTS");
        if consent::refused(headers) {
            return Ok(self.drop_all(site, DropReason::OptOut, events));
        }
        let user_agent = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
        let browser = self.browsers.browser(&Client {
            user_agent,
            hints: &beacon.hints,
            headers: HintHeaders::of(headers),
            touch_points: beacon.touch_points,
            screen: (beacon.screen_width, beacon.screen_height),
            automated: beacon.automated,
        });
        if site.drop_bots.drops(browser.bot_category) {
            return Ok(self.drop_all(site, DropReason::Bot, events));
        }
        let who = self.privacy.admit(peer, site, user_agent);
        let offered = beacon.cookies.iter().map(|(name, value)| (&**name, &**value));
        let cookies = self.privacy.cookies(site, offered);
        let cookies: Vec<(&str, &str)> = cookies.iter().map(|(name, value)| (*name, &**value)).collect();
        let context = Context {
            site,
            policy: &settings.policy,
            received: jiff::Timestamp::now().as_millisecond(),
            who: &who,
            browser: &browser,
            cookies: &cookies,
        };
        SCRATCH.with_borrow_mut(|scratch| self.store(&context, beacon, scratch))
    }

    /// Writes what is new of a beacon into the spool, as one frame.
    fn store(
        &self,
        context: &Context<'_>,
        beacon: &Beacon<'_>,
        scratch: &mut Scratch,
    ) -> Result<Written, Refused> {
        let Scratch { rows, seqs } = scratch;
        rows.clear();
        seqs.clear();
        let mut dropped = [0; DropReason::ALL.len()];
        let mut recent = self.recent.of_page(beacon.page_load);
        let wanted = |seq, bot_category| {
            // A browser that is a bot was dropped before; what is left is known by the page's referrer.
            if context.site.drop_bots.drops(bot_category) {
                dropped[DropReason::Bot as usize] += 1;
                return false;
            }
            let new = recent.remember(seq);
            if new {
                seqs.push(seq);
            } else {
                dropped[DropReason::Duplicate as usize] += 1;
            }
            new
        };
        let assembled =
            assemble::rows(context, beacon, wanted, |row| row.encode(rows)).map_err(Refused::from);
        let frame = Frame { site: &context.site.id, page_load: beacon.page_load, seqs, rows };
        let ack = assembled.and_then(|()| {
            if frame.seqs.is_empty() {
                // The first copy may still be on its way to the disk: a 2xx must wait for it.
                Ok(self.spool.sync_point())
            } else {
                self.spool.append(frame, Durability::Synced).map_err(Refused::from)
            }
        });
        let ack = ack.inspect_err(|_| {
            for seq in &*seqs {
                recent.forget(*seq);
            }
        })?;
        drop(recent);
        for reason in DropReason::ALL {
            let events = dropped[reason as usize];
            if events > 0 {
                self.spool.count_dropped(&context.site.id, reason, events);
            }
        }
        let stored = u32::try_from(seqs.len()).expect("at most MAX_EVENTS");
        Ok(Written { taken: Taken { stored, dropped }, ack: Some(ack) })
    }

    fn drop_all(&self, site: &Site, reason: DropReason, events: u32) -> Written {
        self.spool.count_dropped(&site.id, reason, events);
        let mut taken = Taken::default();
        taken.dropped[reason as usize] = events;
        Written { taken, ack: None }
    }
}

impl Written {
    /// Waits for the disk.
    async fn settled(self) -> Result<Taken, Refused> {
        if let Some(ack) = self.ack {
            ack.await?;
        }
        Ok(self.taken)
    }
}

/// A signature is checked where the site has secrets: a bad one is refused, none is where one is required.
fn check_signature(site: &Site, named: SignedSiteName<'_>) -> Result<(), Refused> {
    let SignatureRules { required, secrets } = &site.signatures;
    if secrets.is_empty() || (named.signature.is_none() && !required) {
        return Ok(());
    }
    let now = jiff::Timestamp::now().as_second();
    if named.is_signed(secrets, now) { Ok(()) } else { Err(Refused::Unsigned) }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The page load of a pixel, which has no script to make one up.
fn random() -> u64 {
    getrandom::u64().expect("the system's random numbers do not fail after start")
}
