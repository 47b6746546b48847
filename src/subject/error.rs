//! Why a request is refused, or not carried out yet.

use jiff::civil::Date;
use serde_json::Value;

use super::request_file::RequestFileError;
use crate::spool::SpoolError;
use crate::store::days::CloseDayError;
use crate::store::subject::DestroyedKey;

#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The query is incomplete or contradicts itself.
    #[error("{0}")]
    Query(String),
    #[error("no site {0:?} is configured")]
    UnknownSite(String),
    #[error(
        "this reference code is unknown: it is valid on the day on which the page showed it, until the collector restarts"
    )]
    UnknownReference,
    #[error("there is no request {0} that names a visitor; `footfall subject list` shows those there are")]
    UnknownRequest(String),
    #[error("the visitor is not blocked")]
    NotBlocked,
    /// Only an operator may end what an operator began.
    #[error("the visitor is blocked by an operator, so the visitor's page cannot erase anything")]
    Blocked,
    #[error(
        "some of the visitor's events are blocked by an operator; they are erased when the block has ended"
    )]
    HeldByBlock,
    /// Nothing can be linked: the keys of that day are destroyed.
    #[error(
        "nothing can be linked on {day}: its key is destroyed, so no address, browser or cookie leads to a row of that day"
    )]
    KeyGone { day: Date, destroyed: Vec<DestroyedKey> },
    #[error("too many requests are open; see `footfall subject list`")]
    TooMany,
    #[error("the store is not ready yet")]
    NoStore,
    #[error("events that were accepted before wait for the store")]
    NotShipped,
    #[error("more events of the visitor were found: {0}")]
    Found(Value),
    #[error("the store did not carry it out")]
    Store(#[from] CloseDayError),
    #[error("the spool did not carry it out")]
    Spool(#[from] SpoolError),
    #[error("the request cannot be kept")]
    File(#[from] RequestFileError),
    #[error("the operating system gives no random numbers")]
    Random,
}
