//! Divides the records of a segment into those of its parts.

use std::io;

use crate::spool::accounting::record::{EventRecord, RecordKind, RecordRef};
use crate::spool::accounting::row_layout::RowLayout;
use crate::spool::delivery::queue::SealedSegment;
use crate::spool::log::disk::DiskFile;
use crate::spool::log::frame;
use crate::spool::log::segment::{Header, ReadStep, SegmentReader};
use crate::spool::quarantine::rebuild::copy_frame;

/// Encoded frames of the parts, to be stamped.
#[derive(Debug, Default)]
pub(crate) struct DividedFrames {
    /// Each has an event at least.
    pub(crate) halves: [Vec<u8>; 2],
    /// The records of the audit and of dropped events, which nobody refused.
    pub(crate) rest: Vec<u8>,
}

/// Divides the records of a segment. Records stay whole unless only one has events. `None`: the segment has a single event, or its
/// rows cannot be divided.
pub(crate) fn divide(
    file: &dyn DiskFile,
    header: &Header,
    start: u64,
    sealed: &SealedSegment,
) -> io::Result<Option<DividedFrames>> {
    let events = sealed.events;
    if events < 2 {
        return Ok(None);
    }
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a frame is damaged");
    let mut divided = DividedFrames::default();
    let DividedFrames { halves: [first, second], rest } = &mut divided;
    let mut in_first = 0;
    let mut reader = SegmentReader::new(file, header.salt, start..sealed.counts_at);
    loop {
        let frame = match reader.step()? {
            ReadStep::Frame(frame) => frame,
            ReadStep::End => return Ok(Some(divided)),
            ReadStep::Invalid => return Err(damaged()),
        };
        let record = RecordRef::parse(&frame).ok_or_else(damaged)?;
        let count = u64::from(record.count);
        if record.kind != RecordKind::Events {
            copy_frame(&frame, rest);
        } else if count == events {
            let Some([one, other]) = divide_rows(header, &record) else { return Ok(None) };
            first.extend_from_slice(&one);
            second.extend_from_slice(&other);
        } else if in_first == 0 || (second.is_empty() && in_first + count <= events / 2) {
            in_first += count;
            copy_frame(&frame, first);
        } else {
            copy_frame(&frame, second);
        }
    }
}

/// `None`: the rows have a column that this version does not know.
fn divide_rows(header: &Header, record: &RecordRef<'_>) -> Option<[Vec<u8>; 2]> {
    let columns = header.schema(RecordKind::Events as u8)?;
    let lengths = RowLayout::parse(columns)?.lengths(record.rows, record.count)?;
    let seqs: Vec<u32> = record.event_ids().map(|(_, seq)| seq).collect();
    let half = lengths.len() / 2;
    let (rows, other_rows) = record.rows.split_at(lengths[..half].iter().sum());
    let (seqs, other_seqs) = seqs.split_at(half);
    Some([(seqs, rows), (other_seqs, other_rows)].map(|(seqs, rows)| {
        let mut out = Vec::new();
        let part = EventRecord { site: record.site, page_load: record.page_load, seqs, rows };
        frame::encode_record(&part, &mut out);
        out
    }))
}
