//! The contents of a segment: how the log counts its records.

use super::counts::{self, DayCounts, SegmentCounts};
use super::dropped::PendingDropped;
use super::dropped_rows::decode_dropped;
use super::record::{AUDIT_COLUMNS, RecordKind, RecordRef};
use crate::event::{self, UnixSeconds};
use crate::spool::log::account::{PayloadSchema, SealTotals, SegmentAccount};
use crate::spool::log::frame::{FrameKind, FrameRef};

#[derive(Debug, Clone, Default)]
pub(crate) struct SegmentContents {
    pub(crate) events: u64,
    /// Rows of the audit.
    pub(crate) audit: u64,
    pub(crate) counts: SegmentCounts,
}

impl SegmentContents {
    /// `fallback`, in Unix ms, gives the day if a row is too short to tell.
    pub(crate) fn add_record(&mut self, record: &RecordRef<'_>, fallback: i64) {
        match record.kind {
            RecordKind::Events => {
                self.events += u64::from(record.count);
                let counts = DayCounts {
                    day: record.received().unwrap_or(UnixSeconds::from_millis(fallback)).day().0,
                    expires: record.expires(),
                    stored: record.count.into(),
                    ..DayCounts::default()
                };
                self.counts.add(record.site, counts);
            }
            RecordKind::Audit => self.audit += u64::from(record.count),
            RecordKind::Dropped => {
                let counts = decode_dropped(record.rows).expect("parsing a record checks this");
                self.counts.add(record.site, counts);
            }
        }
    }

    pub(crate) fn saturating_sub(&self, other: &Self) -> Self {
        Self {
            events: self.events.saturating_sub(other.events),
            audit: self.audit.saturating_sub(other.audit),
            counts: self.counts.saturating_sub(&other.counts),
        }
    }
}

impl SegmentAccount for SegmentContents {
    type Deferred = PendingDropped;

    fn schemas() -> Vec<PayloadSchema> {
        [
            (FrameKind::Record(RecordKind::Events as u8), event::COLUMNS),
            (FrameKind::Record(RecordKind::Audit as u8), AUDIT_COLUMNS),
            (FrameKind::Summary, counts::COLUMNS),
        ]
        .map(|(kind, columns)| PayloadSchema { kind: kind.to_byte(), text: columns.join(", ") })
        .into()
    }

    fn encode_deferred(deferred: &PendingDropped, now: i64, out: &mut Vec<u8>) {
        deferred.encode(now, out);
    }

    fn add(&mut self, record: &FrameRef<'_>, fallback: i64) -> Result<(), String> {
        let record = RecordRef::parse(record)
            .ok_or_else(|| format!("a record of batch {} cannot be read", record.batch))?;
        self.add_record(&record, fallback);
        Ok(())
    }

    fn totals(&self) -> SealTotals {
        [self.events, self.audit]
    }

    fn encode_summary(&self) -> Vec<Vec<u8>> {
        self.counts.encode()
    }

    fn decode_summary(&mut self, payload: &[u8]) -> Option<()> {
        self.counts.decode(payload)
    }

    fn set_totals(&mut self, [events, audit]: SealTotals) {
        (self.events, self.audit) = (events, audit);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{EventEntry, EventRecord};
    use super::*;
    use crate::event::{EventRow, UnixDay};
    use crate::spool::log::frame::{encode_record, stamp};

    #[test]
    fn day_and_expiry_are_read_from_an_encoded_row() {
        let received = UnixSeconds(3 * 24 * 60 * 60 + 5);
        let mut rows = Vec::new();
        EventRow { received, expires: UnixDay(400), ..EventRow::default() }.encode(&mut rows);
        let events = [EventEntry { filter_id: 1, row_len: rows.len() as u32 }];
        let mut frame = Vec::new();
        encode_record(&EventRecord { site: "clinic", events: &events, rows: &rows }, &mut frame);
        let mut contents = SegmentContents::default();
        stamp(&mut frame, 1, 0, |frame| contents.add(frame, 0).unwrap());
        let counts: Vec<_> = contents.counts.iter().collect();
        assert_eq!(counts, [("clinic", &DayCounts { day: 3, expires: 400, stored: 1, dropped: [0; 7] })]);
        assert_eq!(contents.totals(), [1, 0]);
    }
}
