//! What a computation of a day is given, and how a table names one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::calendar::Day;
use super::shards::{PinnedShard, PinnedShards};
use crate::store::dates;

/// Events from which visits are computed at once. It bounds the memory for a day of any size.
pub(super) const EVENTS_AT_ONCE: u64 = 500_000;
/// Days that were computed so long ago have no replaced generations any more.
pub(super) const RECENT: &str = "INTERVAL 7 DAY";

/// The generation of a day on each shard that has one, by the shard's number.
pub(super) type Generations = BTreeMap<u32, u64>;

/// What is computed: a day on some shards, and why.
pub(super) struct Computation<'a> {
    pub(super) day: &'a Day,
    pub(super) zone: &'a str,
    pub(super) is_open: bool,
    /// Before the events were counted.
    pub(super) began: Timestamp,
    pub(super) shards: &'a PinnedShards,
    /// Those whose rows of the day are computed, in order.
    pub(super) parts: Vec<ShardDay<'a>>,
}

/// A day on one shard.
#[derive(Clone, Copy)]
pub(super) struct ShardDay<'a> {
    pub(super) shard: &'a PinnedShard,
    /// Its events of the day.
    pub(super) events: u64,
    /// Events that had duplicates, which were removed before.
    pub(super) removed: u64,
}

impl Computation<'_> {
    /// The day as ClickHouse's `Date` counts days.
    pub(super) fn day_number(&self) -> u16 {
        dates::day_number(self.day.date).unwrap_or_default()
    }

    /// Whether what is made of all shards must be made in parts.
    pub(super) fn is_large(&self) -> bool {
        self.parts.iter().map(|part| part.events).sum::<u64>() >= EVENTS_AT_ONCE
    }
}

/// A computation whose rows a table has.
#[derive(clickhouse::Row, serde::Deserialize)]
pub(super) struct StoredGeneration {
    pub(super) day: u16,
    pub(super) is_open: bool,
    pub(super) generation: u64,
}
