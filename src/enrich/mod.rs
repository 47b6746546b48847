//! What the request says beyond who sent it: the browser, the source of the visit, the group of an error.
//!
//! [`Browsers`] turns a user agent and client hints into a [`Browser`]; [`source`] turns a referrer and a campaign into a
//! source and a channel. All read what the stages before handed them and ask nobody. The user agent is borrowed for the
//! call and kept nowhere: what is remembered is remembered by a keyed hash.

mod bot;
mod browser;
mod error_group;
pub mod lists;
mod network;
mod source;
mod spam;
mod table;

pub use browser::{Browser, Browsers, Client, HintHeaders, Rules};
pub use error_group::error_group;
pub use network::is_data_centre;
pub use source::{Source, source};
pub use spam::is_spam_referrer;
