//! The payload of a record.
//!
//! ```text
//! offset  bytes  field
//!      0      2  length of the site id
//!      2      4  number of rows
//!      6         site id, then for kind 1 an entry for each event, then the rows
//! ```
//!
//! An entry holds the event's identity for the duplicate filter (8 bytes) and the length of its row (4 bytes).
//!
//! | kind | holds | site | number of rows | rows |
//! |---|---|---|---|---|
//! | 1 | the events of one beacon | its site | events | RowBinary of events |
//! | 2 | one row of the audit | empty | 1 | RowBinary of the audit, see [`audit_chain`](super::audit_chain) |
//! | 3 | events dropped since the last such record | their site | 0 | day (2), then a count (4) for each reason |

use super::dropped_rows::decode_dropped;
use crate::event::UnixSeconds;
use crate::spool::log::frame::{EncodeRecord, FrameKind, FrameRef};

pub(crate) const AUDIT_COLUMNS: &[&str] =
    &["time", "action", "detail", "collector", "run", "number", "previous"];
/// Length before the site id.
const FIXED_LEN: usize = 6;
const ENTRY_LEN: usize = 12;
/// Where an encoded event has its identity, its time of receipt and its last day of retention.
const PAGE_LOAD: std::ops::Range<usize> = 0..8;
const SEQ: std::ops::Range<usize> = 8..12;
const RECEIVED: std::ops::Range<usize> = 16..20;
const EXPIRES: std::ops::Range<usize> = 20..22;

/// Identity of an event for the duplicate filter. It never reaches the store.
pub type FilterId = u64;

/// What a record says of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventEntry {
    pub filter_id: FilterId,
    /// Length of the row in bytes.
    pub row_len: u32,
}

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
    /// One for each row, in order.
    pub events: &'a [EventEntry],
    /// Rows encoded by [`EventRow::encode`](crate::event::EventRow::encode).
    pub rows: &'a [u8],
}

impl EncodeRecord for EventRecord<'_> {
    fn kind(&self) -> u8 {
        RecordKind::Events as u8
    }

    fn payload_len(&self) -> usize {
        FIXED_LEN + self.site.len() + ENTRY_LEN * self.events.len() + self.rows.len()
    }

    fn encode_payload(&self, out: &mut Vec<u8>) {
        let count = u32::try_from(self.events.len()).expect("a frame of 4 MiB holds fewer events");
        put_fixed(self.site, count, out);
        for event in self.events {
            out.extend_from_slice(&event.filter_id.to_le_bytes());
            out.extend_from_slice(&event.row_len.to_le_bytes());
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
        put_fixed(self.site, self.count, out);
        out.extend_from_slice(self.rows);
    }
}

/// The caller checks the length of the site.
fn put_fixed(site: &str, count: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&(site.len() as u16).to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(site.as_bytes());
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordRef<'a> {
    pub(crate) kind: RecordKind,
    pub(crate) site: &'a str,
    /// Number of rows.
    pub(crate) count: u32,
    entries: &'a [[u8; ENTRY_LEN]],
    pub(crate) rows: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Reads the payload of a frame. `None`: the frame is not a record, or this version does not know its kind.
    pub(crate) fn parse(frame: &FrameRef<'a>) -> Option<Self> {
        let FrameKind::Record(kind) = frame.kind else { return None };
        let kind = RecordKind::from_byte(kind)?;
        let (site_len, rest) = frame.payload.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let count = u32::from_le_bytes(*count);
        let (site, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*site_len)))?;
        let entries = if kind == RecordKind::Events { ENTRY_LEN * count as usize } else { 0 };
        let (entries, rows) = rest.split_at_checked(entries)?;
        let site = std::str::from_utf8(site).ok()?;
        let record = Self { kind, site, count, entries: entries.as_chunks().0, rows };
        match kind {
            RecordKind::Events => {
                let rows_len: u64 = record.events().map(|event| u64::from(event.row_len)).sum();
                (rows_len == rows.len() as u64).then_some(record)
            }
            RecordKind::Audit => Some(record),
            RecordKind::Dropped => decode_dropped(rows).map(|_| record),
        }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = EventEntry> {
        self.entries.iter().map(|entry| {
            let (filter_id, row_len) = entry.split_first_chunk().expect("an entry has 12 bytes");
            EventEntry {
                filter_id: u64::from_le_bytes(*filter_id),
                row_len: u32::from_le_bytes(*row_len.first_chunk().expect("an entry has 12 bytes")),
            }
        })
    }

    /// The row of each event, in order; nothing for other kinds.
    pub(crate) fn event_rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.rows;
        self.events().map(move |event| {
            let (row, after) = rest.split_at(event.row_len as usize);
            rest = after;
            row
        })
    }

    /// When the first event was received. `None`: its row is too short to tell.
    pub(crate) fn received(&self) -> Option<UnixSeconds> {
        self.rows.get(RECEIVED)?.try_into().ok().map(|bytes| UnixSeconds(u32::from_le_bytes(bytes)))
    }

    /// The last day on which the first event is kept; 0 if its row is too short to tell.
    pub(crate) fn expires(&self) -> u16 {
        let bytes = self.rows.get(EXPIRES).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_le_bytes)
    }
}

/// The identity under which the store knows an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct EventId {
    pub(crate) page_load: u64,
    pub(crate) seq: u32,
}

impl EventId {
    /// `None`: the row is too short to tell.
    pub(crate) fn from_row(row: &[u8]) -> Option<Self> {
        let page_load = u64::from_le_bytes(row.get(PAGE_LOAD)?.try_into().ok()?);
        Some(Self { page_load, seq: u32::from_le_bytes(row.get(SEQ)?.try_into().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventRow, UnixDay};
    use crate::spool::log::frame::{ParsedFrame, encode_record, parse, stamp};

    #[test]
    fn a_record_of_events_is_read_back() {
        let row = EventRow {
            page_load: 70,
            seq: 3,
            received: UnixSeconds(3_005),
            expires: UnixDay(400),
            ..EventRow::default()
        };
        let mut rows = Vec::new();
        row.encode(&mut rows);
        let row_len = rows.len() as u32;
        EventRow { page_load: 71, path: "/", ..row }.encode(&mut rows);
        let events =
            [(7, row_len), (8, row_len + 1)].map(|(filter_id, row_len)| EventEntry { filter_id, row_len });
        let record = EventRecord { site: "clinic", events: &events, rows: &rows };
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes);
        stamp(&mut bytes, 1, 0, |_| {});
        let ParsedFrame::Whole(frame) = parse(&bytes, 1) else { panic!("it is whole") };
        let read = RecordRef::parse(&frame).unwrap();
        assert_eq!((read.kind, read.site, read.count), (RecordKind::Events, "clinic", 2));
        assert_eq!(read.events().collect::<Vec<_>>(), events);
        let ids = [70, 71].map(|page_load| EventId { page_load, seq: 3 });
        assert_eq!(read.event_rows().filter_map(EventId::from_row).collect::<Vec<_>>(), ids);
        assert_eq!((read.rows, read.received(), read.expires()), (&*rows, Some(UnixSeconds(3_005)), 400));
    }

    #[test]
    fn a_payload_that_claims_more_than_it_has_is_refused() {
        let events = [EventEntry { filter_id: 7, row_len: 1 }; 2];
        let record = EventRecord { site: "clinic", events: &events, rows: b"ab" };
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
        assert!(!parse(1, &[&*payload, b"c"].concat()), "a byte that belongs to no row");
        assert!(!parse(9, &payload), "an unknown kind");
    }
}
