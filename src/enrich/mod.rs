//! Facts about a request besides its sender: browser, bot, traffic source, error group, data centre.
//!
//! [`BrowserRecogniser`] turns a user agent and client hints into a [`BrowserInfo`]. [`traffic_source`] turns a referrer and a
//! campaign into a source and a channel. Nothing here contacts another machine. The user agent is borrowed for the call; the
//! cache holds only a keyed hash of it.

mod bot;
mod browser;
mod error_group;
pub mod lists;
mod network;
mod source;
mod spam;
mod table;

pub use browser::{
    BrowserInfo, BrowserRecogniser, ClientSignals, DecidingRules, HintHeaders, recognise_by_tables_alone,
    recognise_uncached,
};
pub use error_group::error_group;
pub use network::is_data_centre;
pub use source::{ReferrerOrigin, TrafficSource, is_known_app, traffic_source};
pub use spam::is_spam_referrer;
