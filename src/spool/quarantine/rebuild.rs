//! Makes a sealed segment out of the records of another one.

use std::io;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::record::RecordRef;
use crate::spool::log::account::SegmentAccount;
use crate::spool::log::disk::{Disk, DiskFile};
use crate::spool::log::files::NEW;
use crate::spool::log::frame::{self, FrameKind, FrameRef};
use crate::spool::log::identity::random;
use crate::spool::log::segment::{Header, ReadStep, SegmentId, SegmentReader, seal_file};

/// A range of a segment without a whole frame.
#[derive(Debug, Clone, Serialize)]
pub struct DamagedRange {
    /// Offset in the file.
    pub byte: u64,
    /// Whole frames between the damage before this one and this one.
    pub frames_before: u64,
    /// Offset of the next whole frame, if there is one.
    pub resumes: Option<u64>,
}

/// The id of the segment that is made from another one for a purpose. It is the same each time, and its collector is nobody's.
pub(crate) fn derived_id(id: SegmentId, purpose: &str) -> SegmentId {
    let digest = Sha256::digest(format!("{purpose} {id}"));
    let collector = u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"));
    SegmentId { collector, number: id.number }
}

/// Appends a copy of a frame, to be stamped.
pub(crate) fn copy_frame(frame: &FrameRef<'_>, out: &mut Vec<u8>) {
    frame::encode(frame.kind, frame.payload, out);
}

/// Writes a sealed segment of encoded records, with the schemas of another segment's header. Returns its contents.
///
/// It is written as `ID.new`, sealed, synced and renamed, and the directory is synced.
pub(crate) fn build_segment(
    disk: &dyn Disk,
    directory: &Path,
    like: &Header,
    id: SegmentId,
    mut frames: Vec<u8>,
) -> io::Result<SegmentContents> {
    let header = Header { id, salt: random() as u32, ..like.clone() };
    let mut contents = SegmentContents::default();
    let mut added = Ok(());
    frame::stamp(&mut frames, header.salt, 0, |frame| {
        if added.is_ok() {
            added = contents.add(frame, header.created);
        }
    });
    added.map_err(io::Error::other)?;
    let new = directory.join(format!("{id}{NEW}"));
    let bytes = header.encode();
    let file = disk.create(&new)?;
    file.write_at(&bytes, 0)?;
    file.write_at(&frames, bytes.len() as u64)?;
    let end = (bytes.len() + frames.len()) as u64;
    seal_file(&*file, header.salt, end, 1, &contents)?;
    disk.rename(&new, &directory.join(id.file_name()))?;
    disk.sync_directory(directory)?;
    Ok(contents)
}

/// Passes every whole frame of a range to `visit`, also those behind damage. Returns where the range is damaged. A record that cannot be
/// read counts as damage.
pub(crate) fn visit_whole_frames(
    file: &dyn DiskFile,
    header: &Header,
    range: std::ops::Range<u64>,
    mut visit: impl FnMut(&FrameRef<'_>),
) -> io::Result<Vec<DamagedRange>> {
    let end = range.end;
    let mut reader = SegmentReader::new(file, header.salt, range);
    let (mut damage, mut frames) = (Vec::new(), 0);
    loop {
        let byte = reader.offset();
        let resumes = match reader.step()? {
            ReadStep::End => return Ok(damage),
            ReadStep::Frame(frame) if is_readable(&frame) => {
                frames += 1;
                visit(&frame);
                continue;
            }
            ReadStep::Frame(_) => Some(reader.offset()).filter(|next| *next < end),
            ReadStep::Invalid => reader.seek()?.then(|| reader.offset()),
        };
        damage.push(DamagedRange { byte, frames_before: std::mem::take(&mut frames), resumes });
        if resumes.is_none() {
            return Ok(damage);
        }
    }
}

fn is_readable(frame: &FrameRef<'_>) -> bool {
    !matches!(frame.kind, FrameKind::Record(_)) || RecordRef::parse(frame).is_some()
}
