//! The rows of one visitor, one cookie or one site in the store: counted, read, moved out of reports and back, and erased.
//!
//! It computes no pseudonyms and keeps no requests: [`crate::subject`] does. Every change may be repeated after a crash at any step.

mod change;
mod condition;
mod read;
mod segments;

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use condition::RowCondition;
pub use read::DestroyedKey;

use crate::privacy::SubjectScope;
use crate::store::Client;
use crate::store::days::{CloseDayError, DayCloser, PinnedShards, Publisher, Tables};

/// The rows of a scope by table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct SubjectRows {
    pub events: u64,
    pub blocked_events: u64,
    /// Of every computation of a day. A cookie is in no visit.
    pub visits: u64,
}

/// Days and partitions with events of a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SubjectDays {
    days: BTreeSet<Date>,
    /// As by `toYYYYMM(time)`.
    months: BTreeSet<u32>,
}

/// What a change did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectChange {
    /// Events that were moved or erased.
    pub events: u64,
    /// Days whose figures were computed again.
    pub days: BTreeSet<Date>,
}

#[derive(Clone)]
pub struct SubjectStore {
    tables: Tables,
    zone: String,
    closer: DayCloser,
}

impl SubjectStore {
    /// # Errors
    /// When the zone has no IANA name, and when the system has no random numbers.
    pub fn new(client: Client, zone: TimeZone, publisher: Option<Publisher>) -> Result<Self, CloseDayError> {
        let name = zone.iana_name().ok_or(CloseDayError::Zone)?.to_owned();
        let closer = DayCloser::new(client.clone(), zone)?.with_publisher(publisher);
        Ok(Self { tables: Tables::new(client), zone: name, closer })
    }

    /// The shards, to change their rows.
    async fn pin(&self) -> Result<PinnedShards, CloseDayError> {
        PinnedShards::pin(self.tables.client()).await
    }

    fn condition<'a>(&self, scope: &'a SubjectScope) -> RowCondition<'a> {
        RowCondition(scope)
    }
}
