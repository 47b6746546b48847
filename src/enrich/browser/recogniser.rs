//! The recognition with its cache.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::client::{BrowserInfo, ClientSignals};
use super::device::ScreenClass;
use super::steps::{self, UserAgentParser};
use crate::beacon::SentHints;
use crate::enrich::lists;
use crate::privacy::cache::SharedCache;

/// Bytes of a user agent that are read. The longest of real browsers, with all additions of apps, have about 500.
const MAX_USER_AGENT: usize = 1_024;
/// Cached browsers: more than the visitors of a large site use in a day. One takes about 250 bytes.
const CACHED_BROWSERS: usize = 8_192;

pub fn recognise_uncached(client: &ClientSignals<'_>) -> BrowserInfo {
    recognise_with(client, UserAgentParser::Woothee)
}

/// Recognises without `woothee`, to measure what it contributes.
pub fn recognise_by_tables_alone(client: &ClientSignals<'_>) -> BrowserInfo {
    recognise_with(client, UserAgentParser::None)
}

fn recognise_with(client: &ClientSignals<'_>, parser: UserAgentParser) -> BrowserInfo {
    let user_agent = &client.user_agent[..client.user_agent.len().min(MAX_USER_AGENT)];
    steps::recognise(&ClientSignals { user_agent, ..*client }, parser)
}

pub struct BrowserRecogniser {
    cache: SharedCache<BrowserInfo>,
    state: RandomState,
}

impl Default for BrowserRecogniser {
    fn default() -> Self {
        Self { cache: SharedCache::new(CACHED_BROWSERS), state: RandomState::default() }
    }
}

impl BrowserRecogniser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the first 1,024 bytes of the user agent are read.
    pub fn recognise(&self, client: &ClientSignals<'_>) -> Arc<BrowserInfo> {
        self.cache.get(self.key(client, SentHints::default()), || recognise_uncached(client))
    }

    /// The same with hints as they were sent, which are parsed only if this browser is not cached. `client` has no hints of the script.
    pub fn recognise_sent(&self, client: &ClientSignals<'_>, sent: SentHints<'_>) -> Arc<BrowserInfo> {
        self.cache.get(self.key(client, sent), || {
            recognise_uncached(&ClientSignals { hints: &sent.parse(), ..*client })
        })
    }

    /// Different clients have different keys but for a collision of 64 bits.
    fn key(&self, client: &ClientSignals<'_>, sent: SentHints<'_>) -> u64 {
        let ClientSignals { user_agent, hints, headers, touch_points, screen, automated } = client;
        let user_agent = &user_agent[..user_agent.len().min(MAX_USER_AGENT)];
        let mut hasher = self.state.build_hasher();
        // What was recognised by other lists is recognised anew.
        std::ptr::from_ref(lists::in_force()).hash(&mut hasher);
        sent.hash(&mut hasher);
        user_agent.hash(&mut hasher);
        let screen = ScreenClass::from_size(*screen);
        (steps::has_touch_screen(*touch_points), screen, automated, hints.mobile).hash(&mut hasher);
        (&hints.brands, &hints.full_versions).hash(&mut hasher);
        (&hints.platform, &hints.platform_version, &hints.model, &hints.form_factors).hash(&mut hasher);
        headers.hash(&mut hasher);
        hasher.finish()
    }
}
