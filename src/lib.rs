//! Footfall, a privacy-preserving web analytics collector.
//!
//! The modules stand in the order in which the data passes through them:
//!
//! ```text
//! browser ── /s.js ──► server ─► beacon ─► privacy ─► enrich ─► event ─► spool ══► store ─► ClickHouse
//!    └────── POST /b ───┘        (parse)   (address   (browser, (the     (disk,    (ship)     │
//!                                           ends here) source)   row)     fsync)              ▼
//!                                                                              report ◄─ sql/report/*.sql
//! ```
//!
//! Three rules hold throughout. Nothing after [`privacy`] can see an IP address or a raw user agent. A 2xx answer to a
//! beacon means that its events are on disk, synced, and will reach ClickHouse exactly once. And nothing here calls a
//! third party at run time.

pub mod access;
pub mod beacon;
mod cache;
pub mod command;
pub mod config;
pub mod enrich;
pub mod event;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod privacy;
pub mod report;
pub mod server;
pub mod spool;
pub mod store;
