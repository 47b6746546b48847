//! What the collector itself knows of its sites: beacons that it refused, and events that the store does not have yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::charts::WorldMap;
use crate::ingest::RecentRefusals;
use crate::spool::Spool;
use crate::transport::negotiation::Language;

/// Events are in the store some seconds after they came. If the oldest one waits for longer, the store is behind.
const BEHIND: Duration = Duration::from_secs(60);
/// Most streams of the realtime view at a time: each asks the store every few seconds.
const MAX_STREAMS: usize = 32;

/// Given to the page by the running collector.
pub struct CollectorState {
    spool: Arc<Spool>,
    refusals: Arc<RecentRefusals>,
    map: Option<WorldMap>,
    streams: Arc<Semaphore>,
    /// The script element for the pages of each site.
    tags: HashMap<String, String>,
}

/// Events that wait to be shipped, of all sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) events: u64,
    pub(super) oldest: Duration,
}

impl Waiting {
    pub(super) fn is_behind(self) -> bool {
        self.events > 0 && self.oldest > BEHIND
    }
}

/// Beacons or events of a site that were not stored, and why.
pub(super) struct ReasonCount {
    pub(super) reason: &'static str,
    pub(super) count: u64,
}

impl CollectorState {
    /// `map` replaces the built-in map of the world. `tags` are the script elements for the pages of each site.
    pub fn new(
        spool: Arc<Spool>,
        refusals: Arc<RecentRefusals>,
        map: Option<WorldMap>,
        tags: HashMap<String, String>,
    ) -> Arc<Self> {
        Arc::new(Self { spool, refusals, map, streams: Arc::new(Semaphore::new(MAX_STREAMS)), tags })
    }

    /// The script element for a site's pages; `None` for a site that a reload of the settings added.
    pub(super) fn tag(&self, site: &str) -> Option<&str> {
        self.tags.get(site).map(String::as_str)
    }

    pub(super) fn map(&self) -> &WorldMap {
        self.map.as_ref().unwrap_or_else(|| WorldMap::built_in())
    }

    pub(super) fn waiting(&self) -> Waiting {
        let status = self.spool.status();
        Waiting { events: status.events, oldest: status.oldest.unwrap_or_default() }
    }

    /// Beacons of the site that were refused in the last 24 hours, by reason.
    pub(super) fn refused(&self, site: &str, language: Language) -> Vec<ReasonCount> {
        let counted = self.refusals.by_reason(site, Instant::now());
        let in_words = |(name, count)| ReasonCount { reason: in_words(&REFUSED, name, language), count };
        counted.into_iter().map(in_words).collect()
    }

    /// A place among the streams; `None` if all are taken.
    pub(super) fn stream(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.clone().try_acquire_owned().ok()
    }
}

type ReasonWords = (&'static str, [&'static str; 2]);

/// Reasons for which a beacon that names a site is refused.
const REFUSED: [ReasonWords; 7] = [
    ("malformed", ["malformed", "неверный формат"]),
    ("foreign_origin", ["sent by a page of another host", "отправлено страницей чужого домена"]),
    ("foreign_page", ["about a page of another host", "о странице чужого домена"]),
    ("signature", ["without a valid signature of the site's name", "без действительной подписи имени сайта"]),
    ("token_site", ["with a token for other sites", "с токеном для других сайтов"]),
    ("key", ["the collector had no key of its fleet", "у сборщика не было ключа группы"]),
    ("spool", ["the disk of the collector was full or failed", "диск сборщика заполнен или неисправен"]),
];

/// Reasons for which events are dropped.
const DROPPED: [ReasonWords; 7] = [
    ("optout", ["the visitor opted out", "посетитель отказался от учёта"]),
    ("bot", ["of bots, which this site drops", "от роботов, которых этот сайт не учитывает"]),
    ("duplicate", ["sent twice", "отправлены дважды"]),
    ("malformed", ["unreadable", "не удалось прочитать"]),
    ("foreign", ["of pages of other sites", "со страниц других сайтов"]),
    (
        "blocked",
        ["of a visitor who is blocked or being erased", "от заблокированного или удаляемого посетителя"],
    ),
    ("internal", ["clicks from page to page of the site", "переходы между страницами сайта"]),
];

/// Why events were dropped.
pub(super) fn dropped_words(reason: &str, language: Language) -> &'static str {
    in_words(&DROPPED, reason, language)
}

fn in_words(known: &[ReasonWords], name: &str, language: Language) -> &'static str {
    let found = known.iter().find(|(reason, _)| *reason == name);
    found.map_or_else(
        || language.pick(["another reason", "другая причина"]),
        |(_, words)| language.pick(*words),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_behind_if_an_event_waits_for_more_than_a_minute() {
        let waiting = |events, seconds| Waiting { events, oldest: Duration::from_secs(seconds) };
        assert!(waiting(1, 61).is_behind());
        assert!(!waiting(1, 60).is_behind() && !waiting(0, 600).is_behind());
    }
    use crate::event::DropReason;
    use crate::server::RefusalReason;

    #[test]
    fn every_reason_has_its_words() {
        for reason in DropReason::ALL {
            assert!(DROPPED.iter().any(|(known, _)| *known == reason.name()), "{}", reason.name());
        }
        for (reason, _) in REFUSED {
            assert!(RefusalReason::ALL.iter().any(|known| known.name() == reason), "{reason}");
        }
    }
}
