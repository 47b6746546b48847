//! The outcome of a beacon, accepted or refused, and the senders of beacons.

use std::sync::Arc;

use crate::access::TokenHolder;
use crate::beacon::{LeftOut, MalformedBeacon};
use crate::event::DropReason;
use crate::ingest::assemble::AssembleError;
use crate::privacy::Peer;
use crate::spool::SpoolError;

/// A beacon was accepted: its events are on disk, or a rule dropped them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    pub stored: u32,
    /// Events dropped, by [`DropReason`] as a number.
    pub dropped: [u32; DropReason::ALL.len()],
    /// Events and fields that could not be kept.
    pub left_out: Vec<LeftOut>,
    /// The site, if something was left out.
    pub site: Option<Arc<str>>,
}

impl Accepted {
    /// Fields that were left out of events that were kept.
    pub fn fields_left_out(&self) -> usize {
        self.left_out.iter().filter(|part| !part.is_event).count()
    }
}

#[derive(Debug)]
pub enum Sender<'a> {
    /// A page, in the browser of the visitor with this address.
    Page(Peer),
    /// A server, on behalf of a visitor.
    Server {
        /// The visitor's address, as the server names it.
        visitor: Peer,
        /// The holder of the server's token.
        holder: &'a TokenHolder,
    },
}

/// Why a beacon was refused; nothing of it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// 400.
    #[error(transparent)]
    Malformed(#[from] MalformedBeacon),
    /// 403.
    #[error("the site is not configured")]
    UnknownSite,
    /// 403: by `Origin` or `Referer`.
    #[error("the page that sends is on none of the site's hosts")]
    ForeignOrigin,
    /// 403: by the page's address.
    #[error("the page's host is not one of the site's hosts")]
    ForeignPage,
    /// 403.
    #[error("the site's name has no valid signature")]
    InvalidSignature,
    /// 403.
    #[error("the token may not send for this site")]
    SiteNotAllowed,
    /// 503; the sender may try again.
    #[error("the collector has no key of its fleet")]
    NoKey,
    /// 503; the sender may try again.
    #[error("the spool accepts no events")]
    Unavailable,
}

impl IngestError {
    /// What is wrong with a beacon that is malformed.
    pub fn fault(&self) -> Option<&MalformedBeacon> {
        if let Self::Malformed(fault) = self { Some(fault) } else { None }
    }
}

/// A refused beacon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedBeacon {
    pub cause: IngestError,
    /// The id of the site that it names, if that is configured.
    pub site: Option<Arc<str>>,
}

impl<E: Into<IngestError>> From<E> for RefusedBeacon {
    fn from(cause: E) -> Self {
        Self { cause: cause.into(), site: None }
    }
}

impl From<AssembleError> for IngestError {
    fn from(error: AssembleError) -> Self {
        match error {
            AssembleError::Malformed(malformed) => Self::Malformed(malformed),
            AssembleError::ForeignHost => Self::ForeignPage,
        }
    }
}

impl From<SpoolError> for IngestError {
    fn from(_: SpoolError) -> Self {
        // The spool logs and counts the cause. A browser needs to know only that it should try again.
        Self::Unavailable
    }
}
