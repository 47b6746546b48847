//! Reads a sealed segment for shipping: first all of it, to see that it is whole, then the rows, in bounded memory.
//!
//! Both passes block the calling thread. The store gets nothing of a segment before it is known to be whole: an insert that breaks off in
//! the middle is the one thing that no token repairs.

use std::io;
use std::ops::{Range, RangeInclusive};

use bytes::{Bytes, BytesMut};

use super::queue::SealedSegment;
use super::spool::Spool;
use crate::config::DEFAULT_SEAL_BYTES;
use crate::event::{NativeBlock, UnixSeconds};
use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::record::{EventId, FilterId, RecordKind, RecordRef};
use crate::spool::accounting::segment_rows::{SEGMENT_COLUMNS, encode_segment_rows};
use crate::spool::limits::MAX_SEGMENT_ROWS;
use crate::spool::log::disk::DiskFile;
use crate::spool::log::error::SpoolError;
use crate::spool::log::frame::{FrameKind, FrameRef};
use crate::spool::log::segment::{Header, ReadStep, SegmentId, SegmentReader};
use crate::spool::log::writer::queue::MAX_WAITING;

/// Columns that each event gets when it is shipped: its segment, by which the store can tell what arrived of it.
const ORIGIN_COLUMNS: [&str; 2] = ["collector", "segment"];
/// Rows are passed on in chunks of about this many bytes.
const CHUNK: usize = 1 << 20;
/// The largest segment whose events are gathered in memory. The block takes a third as much as a rule, and about three times
/// as much if all texts are short and different.
const MAX_BLOCK_BYTES: u64 = 128 << 20;
const _: () = assert!(
    DEFAULT_SEAL_BYTES + MAX_WAITING as u64 <= MAX_BLOCK_BYTES / 4 * 3,
    "a segment that is sealed at the default size, with a last batch and its summary, is sent as a block"
);
const EVENTS: FrameKind = FrameKind::Record(RecordKind::Events as u8);
const AUDIT: FrameKind = FrameKind::Record(RecordKind::Audit as u8);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ShipmentError {
    #[error("{0}")]
    Damaged(String),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// A sealed segment that was read once and found whole.
pub(crate) struct Shipment {
    sealed: SealedSegment,
    file: Box<dyn DiskFile>,
    header: Header,
    /// Offset of the first frame.
    start: u64,
    filter_ids: Vec<FilterId>,
    event_ids: Vec<EventId>,
    contents: SegmentContents,
    received: Option<RangeInclusive<UnixSeconds>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchRows {
    Events,
    Audit,
    /// The account of the segment: its counts.
    Segment,
}

/// The rows of a segment that go into one table.
#[derive(Debug, Clone)]
pub(crate) struct InsertBatch {
    pub(crate) rows: BatchRows,
    /// Names of the columns, joined by `, `, as they were when the rows were encoded.
    pub(crate) columns: String,
}

impl Shipment {
    /// Opens a segment and reads it through.
    pub(crate) fn open(spool: &Spool, sealed: SealedSegment) -> Result<Self, ShipmentError> {
        let file = spool.open_segment(&sealed)?;
        let failed = |source| SpoolError::io("read", spool.directory(), source);
        let (header, start) = Header::read(&*file).map_err(failed)?.map_err(ShipmentError::Damaged)?;
        let mut shipment = Self {
            sealed,
            file,
            header,
            start,
            filter_ids: Vec::new(),
            event_ids: Vec::new(),
            contents: SegmentContents::default(),
            received: None,
        };
        shipment.read_through().map_err(failed)??;
        let SegmentContents { events, audit, .. } = shipment.contents;
        if (events, audit) != (sealed.events, sealed.audit) {
            return Err(ShipmentError::Damaged(format!(
                "its seal names {} events and {} audit rows, but it holds {events} and {audit}",
                sealed.events, sealed.audit
            )));
        }
        Ok(shipment)
    }

    /// Counts the records and gathers the ids of the events.
    fn read_through(&mut self) -> io::Result<Result<(), ShipmentError>> {
        let (mut filter_ids, mut event_ids) = (Vec::new(), Vec::new());
        let (mut contents, mut received) = (SegmentContents::default(), None);
        let mut is_readable = true;
        let read = self.read_frames(self.start..self.sealed.bytes, &mut |frame| {
            if !matches!(frame.kind, FrameKind::Record(_)) {
                return true;
            }
            let Some(record) = RecordRef::parse(frame) else {
                is_readable = false;
                return false;
            };
            filter_ids.extend(record.events().map(|event| event.filter_id));
            event_ids.extend(record.event_rows().map(|row| EventId::from_row(row).unwrap_or_default()));
            if let Some(time) = record.received().filter(|_| record.kind == RecordKind::Events) {
                let range = received.take().unwrap_or(time..=time);
                received = Some(time.min(*range.start())..=time.max(*range.end()));
            }
            contents.add_record(&record, self.sealed.created);
            true
        })?;
        if !is_readable {
            return Ok(Err(ShipmentError::Damaged("it holds a record that cannot be read".into())));
        }
        (self.filter_ids, self.event_ids) = (filter_ids, event_ids);
        (self.contents, self.received) = (contents, received);
        Ok(read)
    }

    pub(crate) fn id(&self) -> SegmentId {
        self.sealed.id
    }

    /// The segment that its events were first written to; another one for the parts of a split segment.
    pub(crate) fn origin(&self) -> SegmentId {
        SegmentId { collector: self.header.origin, number: self.sealed.id.number }
    }

    /// Tells the parts of a split segment apart; 0 for a whole one.
    fn part(&self) -> u64 {
        if self.sealed.id == self.origin() { 0 } else { self.sealed.id.collector }
    }

    /// Identities of its events for the duplicate filter, in order.
    pub(crate) fn filter_ids(&self) -> &[FilterId] {
        &self.filter_ids
    }

    /// Identities of its events in the store, in order.
    pub(crate) fn event_ids(&self) -> &[EventId] {
        &self.event_ids
    }

    /// When the first and the last event were received; `None` without events.
    pub(crate) fn received(&self) -> Option<RangeInclusive<UnixSeconds>> {
        self.received.clone()
    }

    /// Sites of its events, some more than once.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &str> {
        self.contents.counts.iter().filter(|(_, counts)| counts.stored > 0).map(|(site, _)| site)
    }

    /// What must be inserted, in this order: the account tells of events that the store has.
    pub(crate) fn batches(&self) -> Vec<InsertBatch> {
        let columns = |kind: FrameKind| self.header.schema(kind.to_byte()).unwrap_or_default();
        let SealedSegment { events, audit, .. } = self.sealed;
        let mut batches = Vec::new();
        if events > 0 {
            let columns = format!("{}, {}", columns(EVENTS), ORIGIN_COLUMNS.join(", "));
            batches.push(InsertBatch { rows: BatchRows::Events, columns });
        }
        if audit > 0 {
            batches.push(InsertBatch { rows: BatchRows::Audit, columns: columns(AUDIT).to_owned() });
        }
        batches.push(InsertBatch { rows: BatchRows::Segment, columns: SEGMENT_COLUMNS.join(", ") });
        batches
    }

    /// The events as one block in Native, except those that are `already_stored`, as in [`Self::send_rows`]. `None`: this version does not
    /// know the columns or a value, or the segment is too large for memory. [`Self::send_rows`] sends what it can of any segment.
    pub(crate) fn native_block(&self, already_stored: &[bool]) -> Result<Option<NativeBlock>, ShipmentError> {
        let columns = self.header.schema(EVENTS.to_byte()).unwrap_or_default();
        let rows = already_stored.iter().filter(|stored| **stored).count();
        let rows = usize::try_from(self.sealed.events).unwrap_or(usize::MAX).saturating_sub(rows);
        if self.sealed.bytes > MAX_BLOCK_BYTES || rows as u64 > MAX_SEGMENT_ROWS {
            return Ok(None);
        }
        let Some(mut block) = NativeBlock::new(columns.split(", "), rows) else { return Ok(None) };
        let SegmentId { collector, number } = self.origin();
        for (column, value) in ORIGIN_COLUMNS.into_iter().zip([collector, number]) {
            block.add_constant(column, value);
        }
        let mut already_stored = already_stored.iter();
        let mut is_known = true;
        self.read_records(RecordKind::Events, &mut |record| {
            let mut rows = record.event_rows().filter(|_| already_stored.next() != Some(&true));
            is_known = rows.all(|row| block.push(row).is_some());
            is_known
        })?;
        Ok(is_known.then_some(block))
    }

    /// Passes the rows of a batch in RowBinary to `send`, chunk by chunk, until that returns `false`. Events that are `already_stored` are left out;
    /// it has an entry for each event in order, or none.
    pub(crate) fn send_rows(
        &self,
        batch: &InsertBatch,
        already_stored: &[bool],
        mut send: impl FnMut(Bytes) -> bool,
    ) -> Result<(), ShipmentError> {
        let kind = match batch.rows {
            BatchRows::Segment => {
                let SealedSegment { created, .. } = self.sealed;
                send(encode_segment_rows(&self.contents.counts, self.origin(), self.part(), created).into());
                return Ok(());
            }
            BatchRows::Events => RecordKind::Events,
            BatchRows::Audit => RecordKind::Audit,
        };
        let SegmentId { collector, number } = self.origin();
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let mut is_wanted = true;
        let mut already_stored = already_stored.iter();
        self.read_records(kind, &mut |record| {
            if chunk.len() + record.rows.len() > CHUNK && !chunk.is_empty() {
                let full = std::mem::replace(&mut chunk, BytesMut::with_capacity(CHUNK));
                is_wanted = send(full.freeze());
            }
            if kind == RecordKind::Audit {
                chunk.extend_from_slice(record.rows);
            }
            for row in record.event_rows() {
                if already_stored.next() != Some(&true) {
                    chunk.extend_from_slice(row);
                    chunk.extend_from_slice(&collector.to_le_bytes());
                    chunk.extend_from_slice(&number.to_le_bytes());
                }
            }
            is_wanted
        })?;
        if is_wanted && !chunk.is_empty() {
            send(chunk.freeze());
        }
        Ok(())
    }

    /// Passes the records of one kind to `visit` until that returns `false`.
    fn read_records(
        &self,
        kind: RecordKind,
        visit: &mut impl FnMut(&RecordRef<'_>) -> bool,
    ) -> Result<(), ShipmentError> {
        let read = self.read_frames(self.start..self.sealed.counts_at, &mut |frame| {
            RecordRef::parse(frame).filter(|record| record.kind == kind).is_none_or(|record| visit(&record))
        });
        read.map_err(|source| SpoolError::Io {
            action: "read segment",
            path: self.sealed.id.file_name().into(),
            source: source.into(),
        })?
    }

    /// Passes the frames of a range to `visit` until that returns `false`.
    fn read_frames(
        &self,
        range: Range<u64>,
        visit: &mut impl FnMut(&FrameRef<'_>) -> bool,
    ) -> io::Result<Result<(), ShipmentError>> {
        let mut reader = SegmentReader::new(&*self.file, self.header.salt, range);
        loop {
            match reader.step()? {
                ReadStep::Frame(frame) => {
                    if !visit(&frame) {
                        return Ok(Ok(()));
                    }
                }
                ReadStep::End => return Ok(Ok(())),
                ReadStep::Invalid => {
                    let reason = format!("no whole frame at byte {}", reader.offset());
                    return Ok(Err(ShipmentError::Damaged(reason)));
                }
            }
        }
    }
}
