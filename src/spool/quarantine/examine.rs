//! Shows what is in a segment's file.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::names::SALVAGED;
use super::rebuild::{DamagedRange, visit_whole_frames};
use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::counts::SegmentCounts;
use crate::spool::accounting::record::{RecordKind, RecordRef};
use crate::spool::accounting::row_layout::RowLayout;
use crate::spool::log::disk::{Disk, DiskFile, RealDisk};
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{QUARANTINE, REASON, REQUEUE};
use crate::spool::log::frame::FrameKind;
use crate::spool::log::identity::check_format;
use crate::spool::log::segment::{Header, SegmentId};

#[derive(Debug, Clone, Serialize)]
pub struct RowColumns {
    /// `events`, `audit` or `counts`.
    pub rows: &'static str,
    /// Names of the columns, joined by `, `.
    pub columns: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct ExaminedSegment {
    #[serde(rename = "name")]
    pub id: String,
    pub file: PathBuf,
    pub bytes: u64,
    /// Why it was quarantined.
    pub reason: String,
    /// Why nothing of it can be read, if so.
    pub unreadable: Option<String>,
    /// When it was created, Unix ms.
    pub created: i64,
    pub sealed: bool,
    /// The columns that its rows were encoded for.
    pub columns: Vec<RowColumns>,
    /// Number of whole frames.
    pub frames: u64,
    /// Rows of events in whole frames.
    pub events: u64,
    /// Rows of the audit in whole frames.
    pub audit: u64,
    pub damage: Vec<DamagedRange>,
    /// Counts of whole frames.
    #[serde(skip)]
    pub counts: SegmentCounts,
    /// The events of whole frames, decoded. They are personal data, and empty unless asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<serde_json::Value>,
}

/// Reads a segment that waits, is quarantined, is to be requeued, or was salvaged; with its events if `rows` is set.
///
/// # Errors
/// When the segment does not exist or cannot be read.
pub fn examine(directory: &Path, id: SegmentId, rows: bool) -> Result<ExaminedSegment, SpoolError> {
    check_format(&RealDisk, directory)?;
    let path = find(directory, id)?;
    let failed = |source| SpoolError::io("read", &path, source);
    let file = RealDisk.read(&path).map_err(failed)?;
    let quarantine = directory.join(QUARANTINE);
    let reason =
        |ending: &str| std::fs::read_to_string(quarantine.join(format!("{id}{ending}{REASON}"))).ok();
    let mut examined = ExaminedSegment {
        id: id.to_string(),
        file: path.clone(),
        bytes: file.length().map_err(failed)?,
        reason: reason("").or_else(|| reason(SALVAGED)).unwrap_or_default(),
        unreadable: None,
        created: 0,
        sealed: false,
        columns: Vec::new(),
        frames: 0,
        events: 0,
        audit: 0,
        damage: Vec::new(),
        counts: SegmentCounts::default(),
        rows: Vec::new(),
    };
    match Header::read(&*file).map_err(failed)? {
        Ok((header, start)) => examined.read(&*file, &header, start, rows).map_err(failed)?,
        Err(reason) => examined.unreadable = Some(reason),
    }
    Ok(examined)
}

impl ExaminedSegment {
    fn read(&mut self, file: &dyn DiskFile, header: &Header, start: u64, rows: bool) -> io::Result<()> {
        const KINDS: [(&str, FrameKind); 3] = [
            ("events", FrameKind::Record(RecordKind::Events as u8)),
            ("audit", FrameKind::Record(RecordKind::Audit as u8)),
            ("counts", FrameKind::Summary),
        ];
        let columns = |kind: FrameKind| header.schema(kind.to_byte()).map(str::to_owned);
        self.created = header.created;
        self.columns = KINDS
            .into_iter()
            .filter_map(|(rows, kind)| Some(RowColumns { rows, columns: columns(kind)? }))
            .collect();
        let layout = columns(KINDS[0].1).filter(|_| rows).and_then(|columns| RowLayout::parse(&columns));
        let bytes = self.bytes;
        let mut contents = SegmentContents::default();
        self.damage = visit_whole_frames(file, header, start..bytes, |frame| {
            self.frames += 1;
            self.sealed |= frame.kind == FrameKind::Seal;
            let Some(record) = RecordRef::parse(frame) else { return };
            contents.add_record(&record, header.created);
            if let Some(layout) = layout.as_ref().filter(|_| record.kind == RecordKind::Events) {
                self.rows.extend(record.event_rows().filter_map(|row| layout.decode(row)));
            }
        })?;
        (self.events, self.audit, self.counts) = (contents.events, contents.audit, contents.counts);
        Ok(())
    }
}

fn find(directory: &Path, id: SegmentId) -> Result<PathBuf, SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    let places = [
        quarantine.join(id.file_name()),
        directory.join(id.file_name()),
        directory.join(REQUEUE).join(id.file_name()),
        quarantine.join(format!("{id}{SALVAGED}")),
    ];
    let found = places.iter().find(|path| path.exists());
    found.cloned().ok_or_else(|| {
        let what = "no such segment waits or is quarantined; `footfall spool list` shows those there are";
        let path = quarantine.join(id.file_name());
        SpoolError::io("find", &path, io::Error::new(io::ErrorKind::NotFound, what))
    })
}
