//! Scans a directory and decides what to do with each segment; then does it.

use std::path::Path;

use super::quarantine_file::{quarantine_copy, quarantine_file};
use super::rewrite::rewrite_tail;
use super::scan::{RecordVisitor, ScanError, SegmentScan, scan};
use crate::spool::log::account::{RecentRecords, SealTotals, SegmentAccount};
use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files;
use crate::spool::log::frame::FrameRef;
use crate::spool::log::segment::{SegmentId, seal_file};
use crate::spool::log::state::SealedFile;

/// What lies in a directory, and what must be done about it.
#[derive(Debug)]
pub(crate) struct RecoveryPlan<A> {
    /// Oldest first.
    pub(crate) sealed: Vec<SealedFile>,
    /// To be sealed; oldest last.
    unsealed: Vec<SegmentScan<A>>,
    /// To be quarantined.
    damaged: Vec<DamagedFile>,
    /// What was done, for the log.
    pub(crate) notes: Vec<String>,
}

#[derive(Debug)]
struct DamagedFile {
    id: SegmentId,
    reason: String,
    bytes: u64,
}

impl<A: SegmentAccount> RecoveryPlan<A> {
    /// Scans a directory. It writes only what may be in the page cache alone.
    pub(crate) fn read(
        disk: &dyn Disk,
        directory: &Path,
        recent: &mut impl RecentRecords<A>,
    ) -> Result<Self, SpoolError> {
        let mut plan =
            Self { sealed: Vec::new(), unsealed: Vec::new(), damaged: Vec::new(), notes: Vec::new() };
        // Newest first, so that the records that are read are the most recent ones.
        for (age, id) in files::segment_ids(disk, directory)?.into_iter().rev().enumerate() {
            let path = directory.join(id.file_name());
            let failed = |source| SpoolError::io("read", &path, source);
            let is_wanted = recent.begin_segment();
            let mut add = |frame: &FrameRef<'_>| recent.add(frame);
            let visitor = is_wanted.then_some(&mut add as RecordVisitor<'_>);
            match scan::<A>(disk, &path, visitor) {
                Ok(scan) => {
                    // The next segment is created after this one is synced, so only the newest sealed one may not be.
                    if age == 0 || scan.seal.is_none() {
                        rewrite_tail(disk, &path, &scan)
                            .map_err(|source| SpoolError::io("repair", &path, source))?;
                    }
                    recent.end_segment(&scan.account);
                    match scan.sealed_file() {
                        Some(sealed) => plan.sealed.push(sealed),
                        None => plan.unsealed.push(scan),
                    }
                }
                Err(ScanError::Damaged(reason)) => {
                    let bytes = files::length(disk, &path).map_err(failed)?;
                    plan.damaged.push(DamagedFile { id, reason, bytes });
                }
                Err(ScanError::Io(source)) => return Err(failed(source)),
            }
        }
        plan.sealed.reverse();
        Ok(plan)
    }

    pub(crate) fn bytes(&self) -> u64 {
        let unsealed = self.unsealed.iter().map(|scan| scan.length).sum::<u64>();
        unsealed + self.damaged.iter().map(|file| file.bytes).sum::<u64>()
    }

    pub(crate) fn totals(&self) -> SealTotals {
        self.unsealed.iter().fold(SealTotals::default(), |[first, second], scan| {
            let totals = scan.account.totals();
            [first + totals[0], second + totals[1]]
        })
    }

    /// The oldest segment that is sealed or will be.
    pub(crate) fn first(&self) -> Option<SegmentId> {
        let unsealed = self.unsealed.iter().map(|scan| scan.header.id);
        self.sealed.iter().map(|sealed| sealed.id).chain(unsealed).min_by_key(|id| id.number)
    }

    /// Seals the unsealed segments, oldest first, and passes each to `on_sealed`; quarantines damaged ones. After an error it can be
    /// called again and goes on where it failed.
    pub(crate) fn repair(
        &mut self,
        disk: &dyn Disk,
        directory: &Path,
        on_sealed: &mut impl FnMut(SealedFile),
    ) -> Result<(), SpoolError> {
        while let Some(scan) = self.unsealed.last() {
            on_sealed(seal_scanned(disk, directory, scan, &mut self.notes)?);
            self.unsealed.pop();
        }
        while let Some(DamagedFile { id, reason, .. }) = self.damaged.last() {
            quarantine_file(disk, directory, *id, reason)?;
            self.notes.push(format!("segment {id} is damaged and was quarantined: {reason}"));
            self.damaged.pop();
        }
        Ok(())
    }
}

impl<A: SegmentAccount> SegmentScan<A> {
    fn sealed_file(&self) -> Option<SealedFile> {
        Some(SealedFile {
            id: self.header.id,
            seal: self.seal?,
            bytes: self.length,
            created: self.header.created,
            is_recovered: true,
        })
    }
}

/// Scans one segment of a directory and seals it if need be. `None`: it is damaged and was quarantined.
pub(crate) fn load_segment<A: SegmentAccount>(
    disk: &dyn Disk,
    directory: &Path,
    id: SegmentId,
) -> Result<Option<SealedFile>, SpoolError> {
    let path = directory.join(id.file_name());
    match scan::<A>(disk, &path, None) {
        Ok(scan) => match scan.sealed_file() {
            Some(sealed) => Ok(Some(sealed)),
            None => seal_scanned(disk, directory, &scan, &mut Vec::new()).map(Some),
        },
        Err(ScanError::Damaged(reason)) => quarantine_file(disk, directory, id, &reason).map(|()| None),
        Err(ScanError::Io(source)) => Err(SpoolError::io("read", &path, source)),
    }
}

/// Seals an unsealed segment, which cuts its torn tail. An empty one is sealed too: its number must reach the store, or it would count
/// as lost.
fn seal_scanned<A: SegmentAccount>(
    disk: &dyn Disk,
    directory: &Path,
    scan: &SegmentScan<A>,
    notes: &mut Vec<String>,
) -> Result<SealedFile, SpoolError> {
    let SegmentScan { header, length, end, .. } = scan;
    let id = header.id;
    let path = directory.join(id.file_name());
    let failed = |source| SpoolError::io("repair", &path, source);
    let mut orphans = None;
    if scan.has_orphans {
        let reason = format!("whole frames of an unfinished batch lie behind byte {end}");
        quarantine_copy(disk, directory, id, &reason)?;
        orphans = Some(format!("segment {id}: {reason}; a copy was quarantined"));
    }
    let file = disk.open(&path).map_err(failed)?;
    let (seal, bytes) =
        seal_file(&*file, header.salt, *end, scan.next_batch, &scan.account).map_err(failed)?;
    if length > end {
        notes.push(format!("segment {id}: cut {} bytes of a torn tail", length - end));
    }
    notes.extend(orphans);
    // An earlier process may have sealed it and passed it on, before a power cut took the seal.
    Ok(SealedFile { id, seal, bytes, created: header.created, is_recovered: true })
}

/// Scans a directory and repairs it. Returns the sealed segments, oldest first, and the notes.
#[cfg(any(test, fuzzing))]
pub(crate) fn recover<A: SegmentAccount>(
    disk: &dyn Disk,
    directory: &Path,
    recent: &mut impl RecentRecords<A>,
) -> Result<(Vec<SealedFile>, Vec<String>), SpoolError> {
    let mut plan = RecoveryPlan::<A>::read(disk, directory, recent)?;
    let mut sealed = std::mem::take(&mut plan.sealed);
    plan.repair(disk, directory, &mut |segment| sealed.push(segment))?;
    sealed.sort_by_key(|segment| segment.id.creation_order());
    Ok((sealed, plan.notes))
}
