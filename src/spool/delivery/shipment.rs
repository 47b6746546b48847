//! Reads a sealed segment for shipping: first all of it, to see that it is whole, then the rows, in bounded memory.
//!
//! Both passes block the calling thread. The store gets nothing of a segment before it is known to be whole: an insert that breaks off in
//! the middle is the one thing that no token repairs.

use std::borrow::Cow;
use std::io;
use std::ops::{Range, RangeInclusive};

use bytes::{Bytes, BytesMut};

use super::queue::SealedSegment;
use super::spool::Spool;
use crate::spool::accounting::digests::{DIGEST_COLUMNS, SegmentDigests};
use crate::spool::accounting::record::{EventId, RecordKind, RecordRef};
use crate::spool::accounting::row_layout::RowLayout;
use crate::spool::log::disk::DiskFile;
use crate::spool::log::error::SpoolError;
use crate::spool::log::frame::{FrameKind, FrameRef};
use crate::spool::log::segment::{Header, ReadStep, Seal, SegmentId, SegmentReader};

/// Rows are passed on in chunks of about this many bytes.
const CHUNK: usize = 1 << 20;
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
    ids: Vec<EventId>,
    digests: SegmentDigests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchRows {
    Events,
    Audit,
    Digests,
    Counts,
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
        let mut shipment =
            Self { sealed, file, header, start, ids: Vec::new(), digests: SegmentDigests::default() };
        let (mut ids, mut digests) = (Vec::new(), SegmentDigests::default());
        let (mut events, mut audit, mut is_readable) = (0, 0, true);
        shipment
            .read_frames(start..sealed.bytes, &mut |frame| {
                if !matches!(frame.kind, FrameKind::Record(_)) {
                    return true;
                }
                let Some(record) = RecordRef::parse(frame) else {
                    is_readable = false;
                    return false;
                };
                match record.kind {
                    RecordKind::Events => events += u64::from(record.count),
                    RecordKind::Audit => audit += u64::from(record.count),
                    RecordKind::Dropped => {}
                }
                ids.extend(record.event_ids());
                digests.add_record(&record, sealed.created);
                true
            })
            .map_err(failed)??;
        if !is_readable {
            return Err(ShipmentError::Damaged("it holds a record that cannot be read".into()));
        }
        (shipment.ids, shipment.digests) = (ids, digests);
        if (events, audit) != (sealed.events, sealed.audit) {
            return Err(ShipmentError::Damaged(format!(
                "its seal names {} events and {} audit rows, but it holds {events} and {audit}",
                sealed.events, sealed.audit
            )));
        }
        Ok(shipment)
    }

    pub(crate) fn id(&self) -> SegmentId {
        self.sealed.id
    }

    /// In order.
    pub(crate) fn event_ids(&self) -> &[EventId] {
        &self.ids
    }

    /// When the first and the last event were received, Unix ms; `None` without events.
    pub(crate) fn received(&self) -> Option<RangeInclusive<i64>> {
        let first = self.digests.iter().map(|(_, _, digest)| digest.first).min()?;
        let last = self.digests.iter().map(|(_, _, digest)| digest.last).max()?;
        Some(first..=last)
    }

    /// Sites of its events, some more than once.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &str> {
        self.digests.iter().map(|(_, site, _)| site)
    }

    /// Whether its events have a column with the time of receipt.
    pub(crate) fn has_received_column(&self) -> bool {
        let columns = self.header.schema(EVENTS.to_byte()).unwrap_or_default();
        columns.split(',').any(|column| column.trim() == "received")
    }

    /// What must be inserted, in this order: digests and counts tell of events that the store has.
    pub(crate) fn batches(&self) -> Vec<InsertBatch> {
        let SealedSegment { events, audit, counts_at, bytes, .. } = self.sealed;
        let has_counts = counts_at + (Seal::LEN as u64) < bytes;
        let batch = |rows, kind: FrameKind, has_rows: bool| {
            let columns = self.header.schema(kind.to_byte()).filter(|_| has_rows)?.to_owned();
            Some(InsertBatch { rows, columns })
        };
        [
            batch(BatchRows::Events, EVENTS, events > 0),
            batch(BatchRows::Audit, AUDIT, audit > 0),
            Some(InsertBatch { rows: BatchRows::Digests, columns: DIGEST_COLUMNS.join(", ") }),
            batch(BatchRows::Counts, FrameKind::Summary, has_counts),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Passes the rows of a batch to `send`, chunk by chunk, until that returns `false`. Events that are `already_stored` are left out;
    /// it has an entry for each event in order, or none.
    pub(crate) fn send_rows(
        &self,
        batch: &InsertBatch,
        already_stored: &[bool],
        mut send: impl FnMut(Bytes) -> bool,
    ) -> Result<(), ShipmentError> {
        let counts_at = self.sealed.counts_at;
        let (kind, range) = match batch.rows {
            BatchRows::Digests => {
                send(self.digests.encode(self.sealed.id, self.sealed.created).into());
                return Ok(());
            }
            BatchRows::Events => (EVENTS, self.start..counts_at),
            BatchRows::Audit => (AUDIT, self.start..counts_at),
            BatchRows::Counts => (FrameKind::Summary, counts_at..self.sealed.bytes),
        };
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let mut is_wanted = true;
        let mut filter = StoredFilter::new(self.header.schema(EVENTS.to_byte()), already_stored);
        let mut add = |frame: &FrameRef<'_>| {
            if frame.kind == kind {
                let rows = filter.rows(frame);
                if chunk.len() + rows.len() > CHUNK && !chunk.is_empty() {
                    let full = std::mem::replace(&mut chunk, BytesMut::with_capacity(CHUNK));
                    is_wanted = send(full.freeze());
                }
                chunk.extend_from_slice(&rows);
            }
            is_wanted
        };
        self.read_frames(range, &mut add).map_err(|source| SpoolError::Io {
            action: "read segment",
            path: self.sealed.id.file_name().into(),
            source: source.into(),
        })??;
        if is_wanted && !chunk.is_empty() {
            send(chunk.freeze());
        }
        Ok(())
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

/// Leaves out the events that the store has.
struct StoredFilter<'a> {
    already_stored: std::iter::Copied<std::slice::Iter<'a, bool>>,
    layout: Option<RowLayout>,
}

impl<'a> StoredFilter<'a> {
    fn new(columns: Option<&str>, already_stored: &'a [bool]) -> Self {
        let columns = columns.filter(|_| already_stored.contains(&true));
        Self { already_stored: already_stored.iter().copied(), layout: columns.and_then(RowLayout::parse) }
    }

    /// The rows of the next frame.
    fn rows<'f>(&mut self, frame: &FrameRef<'f>) -> Cow<'f, [u8]> {
        let Some(record) = RecordRef::parse(frame) else { return frame.payload.into() };
        if record.kind != RecordKind::Events {
            return record.rows.into();
        }
        let stored: Vec<bool> = self.already_stored.by_ref().take(record.count as usize).collect();
        self.without(&record, &stored)
    }

    /// A record with a column that this version does not know stays whole: better a copy, which closing the day removes, than a lost row.
    fn without<'f>(&self, record: &RecordRef<'f>, stored: &[bool]) -> Cow<'f, [u8]> {
        if !stored.contains(&true) {
            return record.rows.into();
        }
        if !stored.contains(&false) {
            return Cow::default();
        }
        let lengths = self.layout.as_ref().and_then(|layout| layout.lengths(record.rows, record.count));
        let Some(lengths) = lengths else { return record.rows.into() };
        let (mut rest, mut left) = (record.rows, Vec::new());
        for (length, is_stored) in lengths.into_iter().zip(stored) {
            let (row, after) = rest.split_at(length);
            left.extend_from_slice(if *is_stored { &[] } else { row });
            rest = after;
        }
        left.into()
    }
}
