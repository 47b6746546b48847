//! The rows of a record of dropped events: a day (2 bytes), then a count (4 bytes) for each reason.

use super::counts::DayCounts;
use crate::event::DropReason;

/// Dropped events by the number of the reason.
pub(crate) type ReasonCounts = [u32; DropReason::ALL.len()];

pub(crate) fn encode_dropped(day: u16, reasons: &ReasonCounts) -> Vec<u8> {
    let mut rows = day.to_le_bytes().to_vec();
    rows.extend(reasons.iter().flat_map(|events| events.to_le_bytes()));
    rows
}

/// A reason that the record lacks counts 0. `None`: the rows are too short.
pub(crate) fn decode_dropped(rows: &[u8]) -> Option<DayCounts> {
    let (day, reasons) = rows.split_first_chunk::<2>()?;
    let mut counts = DayCounts { day: u16::from_le_bytes(*day), ..DayCounts::default() };
    let (reasons, _) = reasons.as_chunks::<4>();
    for (slot, events) in counts.dropped.iter_mut().zip(reasons) {
        *slot = u32::from_le_bytes(*events).into();
    }
    Some(counts)
}
