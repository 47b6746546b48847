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
    #[error("no request {0} names a visitor: it is unknown, or done; see `footfall subject list`")]
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
    #[error("this collector has no key of its fleet; see `footfall key status`")]
    NoKey,
    #[error("too many requests are open; see `footfall subject list`")]
    TooMany,
    #[error("the store is not ready yet")]
    NoStore,
    #[error("events of the spool are not shipped to the store yet")]
    NotShipped,
    #[error("the search still finds events of the visitor: {0}")]
    Found(Value),
    #[error("changing the store failed")]
    Store(#[from] CloseDayError),
    #[error("changing the spool failed")]
    Spool(#[from] SpoolError),
    #[error("writing the file of requests failed")]
    File(#[from] RequestFileError),
    #[error("the operating system gives no random numbers")]
    Random,
}
