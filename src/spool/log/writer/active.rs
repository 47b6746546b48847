//! The segment that is being written.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::spool::log::account::SegmentAccount;
use crate::spool::log::disk::{Disk, DiskFile};
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::NEXT;
use crate::spool::log::frame::{self, FrameKind};
use crate::spool::log::identity::random;
use crate::spool::log::segment::{Header, Seal, SegmentId, seal_file};
use crate::spool::log::state::now_ms;

pub(crate) struct ActiveSegment<A> {
    pub(crate) header: Header,
    pub(crate) path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Offset of the next batch; the length of the file.
    pub(crate) end: u64,
    batch: u32,
    pub(crate) account: A,
    /// When its first batch was written.
    pub(crate) first_write: Option<Instant>,
}

impl<A: SegmentAccount> ActiveSegment<A> {
    /// Creates a segment. Its header is durable before the file has its name, so a segment without a header is damaged.
    pub(crate) fn create(disk: &dyn Disk, directory: &Path, id: SegmentId) -> Result<Self, SpoolError> {
        let header = Header {
            id,
            origin: id.collector,
            created: now_ms(),
            salt: random() as u32,
            schemas: A::schemas(),
        };
        let (next, path) = (directory.join(NEXT), directory.join(id.file_name()));
        let bytes = header.encode();
        let create = || {
            let file = disk.create(&next)?;
            file.write_at(&bytes, 0)?;
            file.sync()?;
            disk.rename(&next, &path)?;
            disk.sync_directory(directory)?;
            Ok(file)
        };
        let file = create().map_err(|source| SpoolError::io("create", &path, source))?;
        let end = bytes.len() as u64;
        Ok(Self { header, path, file, end, batch: 0, account: A::default(), first_write: None })
    }

    /// Writes one batch and syncs it. `now` is Unix ms.
    pub(crate) fn write(&mut self, frames: &mut [u8], now: i64) -> io::Result<()> {
        let account = &mut self.account;
        frame::stamp(frames, self.header.salt, self.batch, |frame| {
            if let FrameKind::Record(_) = frame.kind {
                account.add(frame, now).expect("this process encoded the record");
            }
        });
        self.file.write_at(frames, self.end)?;
        self.file.sync()?;
        self.end += frames.len() as u64;
        self.batch += 1;
        self.first_write.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Returns the seal and the file's length.
    pub(crate) fn seal(&self) -> io::Result<(Seal, u64)> {
        seal_file(&*self.file, self.header.salt, self.end, self.batch, &self.account)
    }
}
