//! Losses of this machine's spool: damaged segments, and numbers of segments that are nowhere.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::discrepancy::Discrepancy;
use super::queries::{ReconcileError, number_ranges};
use crate::spool::{Inventory, SegmentId};
use crate::store::Client;

/// Most numbers of one gap that are named one by one.
const MAX_GAP: u64 = 1_000;

/// Segments with losses on these days. A loss of an unknown day counts for every day.
pub(super) fn damaged_segments(
    inventory: &Inventory,
    days: &RangeInclusive<u16>,
) -> impl Iterator<Item = Discrepancy> {
    inventory.lost.iter().filter_map(|loss| {
        let counts = loss.counts.iter().filter(|(_, count)| days.contains(&count.day));
        let events = loss.events.map(|_| counts.map(|(_, count)| count.stored).sum());
        let is_loss = events != Some(0) || loss.audit != Some(0);
        is_loss.then(|| Discrepancy::Damaged { segment: loss.segment.clone(), events, audit: loss.audit })
    })
}

/// Segments of the spool's collector that are neither in the spool nor in table `segments`. The spool must be read before the store.
pub(super) async fn lost_segments(
    client: &Client,
    inventory: &Inventory,
) -> Result<Vec<Discrepancy>, ReconcileError> {
    let Some(first) = inventory.first_segment else { return Ok(Vec::new()) };
    let collector = first.collector;
    let on_disk: BTreeSet<u64> = inventory
        .ids()
        .filter(|id| id.collector == collector && id.number >= first.number)
        .map(|id| id.number)
        .collect();
    let ranges = number_ranges(client, collector, first.number).await?;
    let mut known: Option<(u64, u64)> = None;
    let mut gaps = Vec::new();
    // The range from the lowest to the highest number contains all others.
    if let Some(span) = ranges.iter().copied().max_by_key(|(from, to)| to - from) {
        known = Some(span);
        gaps.extend(ranges.iter().copied().filter(|range| *range != span));
    }
    let mut last = known.map(|(_, highest)| highest).or(on_disk.first().copied());
    for &on_disk in &on_disk {
        if let Some(before) = last.filter(|before| *before < on_disk) {
            gaps.extend((on_disk > before + 1).then_some((before + 1, on_disk - 1)));
            last = Some(on_disk);
        }
    }
    let numbers = gaps.into_iter().flat_map(|(from, to)| from..=to.min(from.saturating_add(MAX_GAP)));
    Ok(numbers
        .filter(|number| !on_disk.contains(number))
        .map(|number| Discrepancy::Lost { segment: SegmentId { collector, number }.to_string() })
        .collect())
}
