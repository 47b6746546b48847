//! Reads one segment file and says what is in it, where it ends, and whether it is damaged.

use std::io;
use std::ops::Range;
use std::path::Path;

use crate::spool::log::account::SegmentAccount;
use crate::spool::log::disk::{Disk, DiskFile};
use crate::spool::log::frame::{FrameKind, FrameRef};
use crate::spool::log::segment::{Header, ReadStep, Seal, SegmentId, SegmentReader};

#[derive(Debug)]
pub(crate) struct SegmentScan<A> {
    pub(crate) header: Header,
    /// `None`: it was never sealed, or its seal or summary is damaged.
    pub(crate) seal: Option<Seal>,
    /// Offset of the last batch of its whole frames.
    pub(crate) last_batch_at: u64,
    /// Offset behind its last whole record.
    pub(crate) end: u64,
    pub(crate) length: u64,
    /// Number of the batch that comes next.
    pub(crate) next_batch: u32,
    pub(crate) account: A,
    /// Whole frames of an unfinished batch lie behind a torn one: they were never acknowledged.
    pub(crate) has_orphans: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("{0}")]
    Damaged(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Gets the records of a segment as a scan reads them.
pub(crate) type RecordVisitor<'a> = &'a mut dyn FnMut(&FrameRef<'_>);

/// Reads header, seal and summary of a sealed segment. An unsealed one, or any if there is a `visitor`, is read frame by frame.
pub(crate) fn scan<A: SegmentAccount>(
    disk: &dyn Disk,
    path: &Path,
    mut visitor: Option<RecordVisitor<'_>>,
) -> Result<SegmentScan<A>, ScanError> {
    let file = disk.read(path)?;
    let length = file.length()?;
    let (header, start) = Header::read(&*file)?.map_err(ScanError::Damaged)?;
    let named = path.file_name().and_then(|name| name.to_str()).and_then(SegmentId::from_file_name);
    if named != Some(header.id) {
        return Err(ScanError::Damaged(format!("its header is that of segment {}", header.id)));
    }
    let salt = header.salt;
    let mut scan = SegmentScan {
        header,
        seal: None,
        last_batch_at: start,
        end: start,
        length,
        next_batch: 0,
        account: A::default(),
        has_orphans: false,
    };
    if let Some(seal) = Seal::read(&*file, length, salt)? {
        // A seal whose summary is not whole was torn while it was written: then the frames tell.
        if let Some(account) = read_summary(&*file, salt, &seal, length)? {
            (scan.seal, scan.end, scan.account) = (Some(seal), seal.summary_at, account);
            if let Some(visit) = &mut visitor {
                let mut reader = SegmentReader::new(&*file, salt, start..seal.summary_at);
                while let ReadStep::Frame(frame) = reader.step()? {
                    visit(&frame);
                }
            }
            return Ok(scan);
        }
    }
    scan.read_frames(&*file, start, visitor)?;
    Ok(scan)
}

impl<A: SegmentAccount> SegmentScan<A> {
    /// Reads the records of an unsealed segment, up to its summary if it was being sealed.
    fn read_frames(
        &mut self,
        file: &dyn DiskFile,
        start: u64,
        mut visitor: Option<RecordVisitor<'_>>,
    ) -> Result<(), ScanError> {
        let mut reader = SegmentReader::new(file, self.header.salt, start..self.length);
        let mut batch = None;
        loop {
            let frame = match reader.step()? {
                ReadStep::End => return Ok(()),
                ReadStep::Invalid => break,
                ReadStep::Frame(frame) => frame,
            };
            if !matches!(frame.kind, FrameKind::Record(_)) {
                return Ok(());
            }
            self.account.add(&frame, self.header.created).map_err(ScanError::Damaged)?;
            if let Some(visit) = &mut visitor {
                visit(&frame);
            }
            if batch.replace(frame.batch) != Some(frame.batch) {
                self.last_batch_at = self.end;
            }
            // An unfinished batch is continued under its own number. A new number would claim that it was synced. No segment has
            // so many batches that the number overflows, but a frame that claims it must not stop recovery.
            self.next_batch = frame.batch.saturating_add(u32::from(frame.is_last));
            self.end += frame.len() as u64;
        }
        self.check_tail(&mut reader)
    }

    /// Decides what the invalid frame is at which `reader` stopped: a torn tail, or damage.
    ///
    /// It belongs to the batch that was under way. A later batch is written only after that one is synced, so a whole frame of a
    /// later batch proves that the invalid one was once whole.
    fn check_tail(&mut self, reader: &mut SegmentReader<'_>) -> Result<(), ScanError> {
        let torn = self.next_batch;
        while reader.seek()? {
            let at = reader.offset();
            match reader.step()? {
                ReadStep::Frame(frame) if frame.batch > torn => {
                    return Err(ScanError::Damaged(format!(
                        "no whole frame at byte {}, but one of a later batch at byte {at}",
                        self.end
                    )));
                }
                // Left over from an interrupted repair; the next one writes them again.
                ReadStep::Frame(frame) if matches!(frame.kind, FrameKind::Summary | FrameKind::Seal) => {}
                _ => self.has_orphans = true,
            }
        }
        Ok(())
    }
}

/// Reads the account of a sealed segment. `None`: the summary or the seal behind it is not whole.
fn read_summary<A: SegmentAccount>(
    file: &dyn DiskFile,
    salt: u32,
    seal: &Seal,
    length: u64,
) -> io::Result<Option<A>> {
    let range: Range<u64> = seal.summary_at..length;
    let mut reader = SegmentReader::new(file, salt, range);
    let mut account = A::default();
    loop {
        match reader.step()? {
            ReadStep::Frame(frame) if frame.kind == FrameKind::Summary => {
                if account.decode_summary(frame.payload).is_none() {
                    return Ok(None);
                }
            }
            ReadStep::Frame(frame) if frame.kind == FrameKind::Seal => {
                account.set_totals(seal.totals);
                return Ok(Some(account));
            }
            _ => return Ok(None),
        }
    }
}
