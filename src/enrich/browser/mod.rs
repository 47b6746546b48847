//! User agent and client hints in, a [`BrowserInfo`] out: name, major version, engine, system, device class, bot.
//!
//! `woothee` reads the user agent. Tables add browsers, systems and devices that it does not know. Client hints correct what
//! user agents have frozen, or mark the client as spoofed. Results are cached under a hash whose key is new in each process:
//! no user agent is kept.

mod client;
mod device;
mod hint_headers;
mod hints;
mod recogniser;
mod steps;
mod system;
#[cfg(test)]
mod tests;
mod version;
mod words;

pub use client::{BrowserInfo, ClientSignals, DecidingRules};
pub use hint_headers::HintHeaders;
pub use recogniser::{BrowserRecogniser, recognise_by_tables_alone, recognise_uncached};
