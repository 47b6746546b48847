//! The payload of a record.
//!
//! ```text
//! offset  bytes  field
//!      0      2  length of the site id
//!      2      4  number of rows
//!      6      8  page load; 0 unless the kind is 1
//!     14         site id, then for kind 1 the number of each event (4 bytes each), then the rows
//! ```
//!
//! | kind | holds | site | number of rows | rows |
//! |---|---|---|---|---|
//! | 1 | the events of one beacon | its site | events | RowBinary of events |
//! | 2 | one row of the audit | empty | 1 | RowBinary of the audit: time, action, detail |
//! | 3 | events dropped since the last such record | their site | 0 | day (2), then a count (4) for each reason |

use super::dropped_rows::decode_dropped;
use crate::spool::log::frame::{EncodeRecord, FrameKind, FrameRef};

pub(crate) const AUDIT_COLUMNS: &[&str] = &["time", "action", "detail"];
/// Length before the site id.
const FIXED_LEN: usize = 14;
/// Where an encoded event has its time of receipt and its last day of retention: behind page load, number and time.
const RECEIVED: std::ops::Range<usize> = 20..28;
const EXPIRES: std::ops::Range<usize> = 28..30;

/// Page load and number of an event.
pub type EventId = (u64, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RecordKind {
    Events = 1,
    Audit = 2,
    Dropped = 3,
}

impl RecordKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Events, Self::Audit, Self::Dropped].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The events of one beacon, received at one time. They are stored all or not at all.
#[derive(Debug, Clone, Copy)]
pub struct EventRecord<'a> {
    pub site: &'a str,
    pub page_load: u64,
    /// Number of each event, in the order of the rows.
    pub seqs: &'a [u32],
    /// As many rows, encoded by [`EventRow::encode`](crate::event::EventRow::encode). They have one time of receipt: the store is asked for all of
    /// them by that of the first.
    pub rows: &'a [u8],
}

impl EncodeRecord for EventRecord<'_> {
    fn kind(&self) -> u8 {
        RecordKind::Events as u8
    }

    fn payload_len(&self) -> usize {
        FIXED_LEN + self.site.len() + 4 * self.seqs.len() + self.rows.len()
    }

    fn encode_payload(&self, out: &mut Vec<u8>) {
        let count = u32::try_from(self.seqs.len()).expect("a frame of 4 MiB holds fewer events");
        put_fixed(self.site, count, self.page_load, out);
        for seq in self.seqs {
            out.extend_from_slice(&seq.to_le_bytes());
        }
        out.extend_from_slice(self.rows);
    }
}

/// A record without events.
pub(crate) struct PlainRecord<'a> {
    pub(crate) kind: RecordKind,
    pub(crate) site: &'a str,
    pub(crate) count: u32,
    pub(crate) rows: &'a [u8],
}

impl EncodeRecord for PlainRecord<'_> {
    fn kind(&self) -> u8 {
        self.kind as u8
    }

    fn payload_len(&self) -> usize {
        FIXED_LEN + self.site.len() + self.rows.len()
    }

    fn encode_payload(&self, out: &mut Vec<u8>) {
        put_fixed(self.site, self.count, 0, out);
        out.extend_from_slice(self.rows);
    }
}

/// The caller checks the length of the site.
fn put_fixed(site: &str, count: u32, page_load: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&(site.len() as u16).to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&page_load.to_le_bytes());
    out.extend_from_slice(site.as_bytes());
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordRef<'a> {
    pub(crate) kind: RecordKind,
    pub(crate) site: &'a str,
    /// Number of rows.
    pub(crate) count: u32,
    pub(crate) page_load: u64,
    seqs: &'a [u8],
    pub(crate) rows: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// `None`: the frame is not a record, or this version does not know its kind.
    pub(crate) fn parse(frame: &FrameRef<'a>) -> Option<Self> {
        let FrameKind::Record(kind) = frame.kind else { return None };
        let kind = RecordKind::from_byte(kind)?;
        let (site_len, rest) = frame.payload.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (page_load, rest) = rest.split_first_chunk()?;
        let count = u32::from_le_bytes(*count);
        let (site, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*site_len)))?;
        let seqs_len = if kind == RecordKind::Events { 4 * count as usize } else { 0 };
        let (seqs, rows) = rest.split_at_checked(seqs_len)?;
        let site = std::str::from_utf8(site).ok()?;
        if kind == RecordKind::Dropped {
            decode_dropped(rows)?;
        }
        Some(Self { kind, site, count, page_load: u64::from_le_bytes(*page_load), seqs, rows })
    }

    pub(crate) fn event_ids(&self) -> impl Iterator<Item = EventId> {
        let (seqs, _) = self.seqs.as_chunks::<4>();
        seqs.iter().map(|seq| (self.page_load, u32::from_le_bytes(*seq)))
    }

    /// When the first event was received, Unix ms. `None`: the rows are too short to tell.
    pub(crate) fn received(&self) -> Option<i64> {
        self.rows.get(RECEIVED)?.try_into().ok().map(i64::from_le_bytes)
    }

    /// The last day on which the first event is kept; 0 if the rows are too short to tell.
    pub(crate) fn expires(&self) -> u16 {
        let bytes = self.rows.get(EXPIRES).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventRow, UnixDay, UnixMillis};
    use crate::spool::log::frame::{ParsedFrame, encode_record, parse, stamp};

    #[test]
    fn a_record_of_events_is_read_back() {
        let row = EventRow { received: UnixMillis(3_005), expires: UnixDay(400), ..EventRow::default() };
        let mut rows = Vec::new();
        row.encode(&mut rows);
        let record = EventRecord { site: "clinic", page_load: 7, seqs: &[3, 103], rows: &rows };
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes);
        stamp(&mut bytes, 1, 0, |_| {});
        let ParsedFrame::Whole(frame) = parse(&bytes, 1) else { panic!("it is whole") };
        let read = RecordRef::parse(&frame).unwrap();
        assert_eq!((read.kind, read.site, read.count), (RecordKind::Events, "clinic", 2));
        assert_eq!(read.event_ids().collect::<Vec<_>>(), [(7, 3), (7, 103)]);
        assert_eq!((read.rows, read.received(), read.expires()), (&*rows, Some(3_005), 400));
    }

    #[test]
    fn a_payload_that_claims_more_than_it_has_is_refused() {
        let record = EventRecord { site: "clinic", page_load: 7, seqs: &[0, 1], rows: b"" };
        let mut payload = Vec::new();
        record.encode_payload(&mut payload);
        let parse = |kind: u8, payload: &[u8]| {
            let frame = FrameRef { kind: FrameKind::Record(kind), batch: 0, is_last: true, payload };
            RecordRef::parse(&frame).is_some()
        };
        assert!(parse(1, &payload));
        for cut in 0..payload.len() {
            assert!(!parse(1, &payload[..cut]), "cut at {cut}");
        }
        assert!(!parse(9, &payload), "an unknown kind");
    }
}
