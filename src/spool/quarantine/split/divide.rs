//! Divides the records of a segment into those of its parts.

use std::io;

use crate::spool::accounting::record::{EventEntry, EventRecord, RecordKind, RecordRef};
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

/// Divides the records of a segment. Records stay whole unless only one has events. `None`: the segment has a single event.
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
            let [one, other] = divide_rows(&record);
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

fn divide_rows(record: &RecordRef<'_>) -> [Vec<u8>; 2] {
    let events: Vec<EventEntry> = record.events().collect();
    let (first, second) = events.split_at(events.len() / 2);
    let middle = first.iter().map(|event| event.row_len as usize).sum();
    let (first_rows, second_rows) = record.rows.split_at(middle);
    [(first, first_rows), (second, second_rows)].map(|(events, rows)| {
        let mut out = Vec::new();
        frame::encode_record(&EventRecord { site: record.site, events, rows }, &mut out);
        out
    })
}
