//! Who may come in: named tokens with roles, what a role may see, what a browser may be made to ask, and the signatures
//! that a site's pages may have to show.
//!
//! ```text
//! footfall token add ─► ledger (DATA/tokens.json, hashes only) ─► gate (in memory, follows the file) ─► Who
//! ```
//!
//! [`token_file`] is the file, [`token_verifier`] the copy of it that a running collector compares with, [`same_origin`] what holds for browsers,
//! [`signature`] the signed site names of `docs/wire.md`, Nothing here listens, limits rates or knows an address; the
//! `server` does. A token is printed once, when it is made, and is nowhere in a log, an error or an answer.

pub mod same_origin;
pub mod signature;
mod token;
pub mod token_file;
pub mod token_verifier;

pub use token::{Fingerprint, Token};
pub use token_file::{Entry, Ledger, LedgerError};
pub use token_verifier::{Bearer, Change, Gate, Wrong};

use std::sync::Arc;

/// What the holder of a token is there for (clause 5.4 of the policy: each as much as the work needs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Reads audience reports.
    Analyst,
    /// Reads diagnostics reports, metrics and what readiness is made of.
    Sre,
    /// Reads the audit: who was given access, when keys were turned.
    Privacy,
    /// Sends events from a server: a back end, an app's gateway. Reads nothing.
    Sender,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Analyst, Self::Sre, Self::Privacy, Self::Sender];

    /// Its name on the command line and in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analyst => "analyst",
            Self::Sre => "sre",
            Self::Privacy => "privacy",
            Self::Sender => "sender",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    const fn may(self, right: Right) -> bool {
        matches!(
            (self, right),
            (Self::Analyst, Right::Audience)
                | (Self::Sre, Right::Diagnostics | Right::Health)
                | (Self::Privacy, Right::Audit)
                | (Self::Sender, Right::Send)
        )
    }
}

/// Something that a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Read reports of purpose audience.
    Audience,
    /// Read reports of purpose diagnostics.
    Diagnostics,
    /// Read metrics, and why the collector is not ready.
    Health,
    /// Read the audit.
    Audit,
    /// Send events on behalf of visitors.
    Send,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Who {
    /// Somebody on this machine, where the operator asks for no token: may read everything.
    Local,
    /// Somebody who showed a token.
    Bearer(Arc<Bearer>),
    /// Somebody who showed none, at a door that is open to all: may read nothing.
    Stranger,
}

impl Who {
    /// Whether they may do that.
    pub fn may(&self, right: Right) -> bool {
        match self {
            Self::Local => true,
            Self::Bearer(bearer) => bearer.role.may(right),
            Self::Stranger => false,
        }
    }

    /// The sites that they are kept to; `None` when to none.
    pub fn sites(&self) -> Option<&[String]> {
        match self {
            Self::Bearer(bearer) if !bearer.sites.is_empty() => Some(&bearer.sites),
            _ => None,
        }
    }

    /// Whether they may see this site.
    pub fn sees(&self, site: &str) -> bool {
        self.sites().is_none_or(|sites| sites.iter().any(|seen| seen == site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_may_do_what_another_is_for() {
        for role in Role::ALL {
            let rights = [Right::Audience, Right::Diagnostics, Right::Health, Right::Audit, Right::Send];
            let may: Vec<Right> = rights.into_iter().filter(|right| role.may(*right)).collect();
            let expected: &[Right] = match role {
                Role::Analyst => &[Right::Audience],
                Role::Sre => &[Right::Diagnostics, Right::Health],
                Role::Privacy => &[Right::Audit],
                Role::Sender => &[Right::Send],
            };
            assert_eq!(may, expected);
            assert!(rights.iter().all(|right| !Who::Stranger.may(*right)));
            assert_eq!(Role::named(role.name()), Some(role));
        }
    }
}
