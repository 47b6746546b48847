//! What a directory holds: whole segments as they are, torn tails cut, damaged segments set aside; nothing deleted.
//!
//! [`inspect`](crate::spool::inspect) only looks and may do so beside a running collector; [`look`] and [`Found::mend`] repair, and
//! need the lock.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::spool::accounting::counts::{self, Tally};
use crate::spool::log::disk::{Disk, DiskFile};
use crate::spool::log::frame::Kind;
use crate::spool::log::segment::{Header, Name, Reader, Seal, Step};
use crate::spool::log::writer::thread;
use crate::spool::quarantine::requeue::RETRY;
use crate::spool::{Sealed, SpoolError};

/// Where damaged and refused segments go.
pub(crate) const ASIDE: &str = "aside";
/// Ending of the file that says why.
pub(crate) const REASON: &str = ".reason";
/// Ending of a small file that is not whole yet.
pub(crate) const NEW: &str = ".new";
/// Identities are handed back for this many of the most recent rows at least, if there are as many: a beacon is sent
/// again within seconds, and at full load this is two of them.
pub const RECENT_ROWS: u64 = 131_072;

/// How much is written again at once.
const SECURE_LEN: usize = 1 << 20;

/// What was found on opening.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Page load and number of the most recent events, spooled or shipped not long ago: all of the newest segments that
    /// hold [`RECENT_ROWS`] rows together, oldest first.
    pub identities: Vec<(u64, u32)>,
    /// What was repaired or set aside, for the log.
    pub notes: Vec<String>,
    /// Events that are spooled.
    pub events: u64,
}

/// A segment that was read.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) header: Header,
    /// Absent: it was never sealed.
    pub(crate) seal: Option<Seal>,
    /// Where the last batch of its whole frames begins.
    last_batch_at: u64,
    /// Where its whole frames end, without books and seal.
    pub(crate) end: u64,
    pub(crate) length: u64,
    pub(crate) next_batch: u32,
    pub(crate) events: u64,
    pub(crate) audit: u64,
    pub(crate) tally: Tally,
    /// Whole frames of an unfinished batch lie beyond a torn one: nobody was told that they were taken.
    pub(crate) stranded: bool,
}

/// Why a segment cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("{0}")]
    Damaged(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a sealed segment's header, seal and books; an unsealed one, or any if `identities` are asked for, frame by
/// frame.
pub(crate) fn scan(
    disk: &dyn Disk,
    path: &Path,
    mut identities: Option<&mut Vec<(u64, u32)>>,
) -> Result<Scan, Damage> {
    let file = disk.read(path)?;
    let length = file.length()?;
    let (header, start) = Header::read(&*file)?.map_err(Damage::Damaged)?;
    let named = path.file_name().and_then(|name| name.to_str()).and_then(Name::of_file);
    if named != Some(header.name) {
        return Err(Damage::Damaged(format!("its header is that of segment {}", header.name)));
    }
    let mut tally = Tally::default();
    let seal = match Seal::read(&*file, length, header.salt)? {
        // A seal whose books are not whole was torn when it was written: then the frames tell.
        Some(seal) => read_books(&*file, header.salt, seal.books_at..length, &mut tally)?.then_some(seal),
        None => None,
    };
    let mut scan = Scan {
        header,
        seal,
        last_batch_at: start,
        end: start,
        length,
        next_batch: 0,
        events: 0,
        audit: 0,
        tally: Tally::default(),
        stranded: false,
    };
    let salt = scan.header.salt;
    if let Some(seal) = seal {
        (scan.end, scan.events, scan.audit, scan.tally) = (seal.books_at, seal.events, seal.audit, tally);
        if let Some(identities) = &mut identities {
            let mut reader = Reader::new(&*file, salt, start..seal.books_at);
            while let Step::Frame(frame) = reader.step()? {
                identities.extend(frame.identities());
            }
        }
    } else {
        scan.frames(&*file, start, identities)?;
    }
    Ok(scan)
}

impl Scan {
    /// Goes through the frames of an unsealed segment, up to its books if it was being sealed. An unfinished batch is
    /// ended by what comes next, under the same number: a number of its own would claim that the batch was once synced.
    fn frames(
        &mut self,
        file: &dyn DiskFile,
        start: u64,
        mut identities: Option<&mut Vec<(u64, u32)>>,
    ) -> Result<(), Damage> {
        let mut reader = Reader::new(file, self.header.salt, start..self.length);
        let mut batch = None;
        loop {
            let frame = match reader.step()? {
                Step::End => return Ok(()),
                Step::Bad => break,
                Step::Frame(frame) => frame,
            };
            match frame.kind {
                Kind::Books | Kind::Seal => return Ok(()),
                Kind::Events => {
                    self.events += u64::from(frame.count);
                    self.tally.add_rows(frame.site, frame.count, frame.rows, self.header.created);
                    if let Some(identities) = &mut identities {
                        identities.extend(frame.identities());
                    }
                }
                Kind::Audit => self.audit += u64::from(frame.count),
                Kind::Dropped => {
                    let count = counts::decode_dropped(frame.rows)
                        .ok_or_else(|| Damage::Damaged("a frame of counts is too short".into()))?;
                    self.tally.add(frame.site, count);
                }
            }
            if batch.replace(frame.batch) != Some(frame.batch) {
                self.last_batch_at = self.end;
            }
            // No segment has so many batches; a frame that claims it must not bring recovery down.
            self.next_batch = frame.batch.saturating_add(u32::from(frame.last));
            self.end += frame.len as u64;
        }
        // The bad frame is of the batch that was under way. A later batch is written only when that one is synced, so
        // a whole frame of a later one proves that the bad one was once good.
        let torn = self.next_batch;
        while reader.seek()? {
            let at = reader.offset();
            match reader.step()? {
                Step::Frame(frame) if frame.batch > torn => {
                    return Err(Damage::Damaged(format!(
                        "no whole frame at byte {}, but one of a later batch at byte {at}",
                        self.end
                    )));
                }
                // Left over from a repair that was cut short; the next one writes them again.
                Step::Frame(frame) if matches!(frame.kind, Kind::Books | Kind::Seal) => {}
                _ => self.stranded = true,
            }
        }
        Ok(())
    }
}

/// Reads a sealed segment's books; says whether they and the seal behind them are whole.
fn read_books(
    file: &dyn DiskFile,
    salt: u32,
    range: std::ops::Range<u64>,
    tally: &mut Tally,
) -> io::Result<bool> {
    let mut reader = Reader::new(file, salt, range);
    loop {
        match reader.step()? {
            Step::Frame(frame) if frame.kind == Kind::Books => {
                if tally.decode(frame.rows).is_none() {
                    return Ok(false);
                }
            }
            Step::Frame(frame) if frame.kind == Kind::Seal => return Ok(true),
            _ => return Ok(false),
        }
    }
}

/// The segments of a directory in the order in which they were begun.
pub(crate) fn names(disk: &dyn Disk, directory: &Path) -> Result<Vec<Name>, SpoolError> {
    let files = disk.list(directory).map_err(|source| SpoolError::io("list", directory, source))?;
    let mut names: Vec<_> = files.iter().filter_map(|file| Name::of_file(file)).collect();
    names.sort_by_key(|name| (name.number, name.collector));
    Ok(names)
}

/// The same of a directory that there may not be.
pub(crate) fn names_if_any(disk: &dyn Disk, directory: &Path) -> Result<Vec<Name>, SpoolError> {
    match names(disk, directory) {
        Err(error) if error.is_missing() => Ok(Vec::new()),
        names => names,
    }
}

/// What lies in a directory, and what is to be done about it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Oldest first.
    pub(crate) sealed: Vec<Sealed>,
    /// Not sealed, oldest last.
    unfinished: Vec<Scan>,
    /// Damaged, with the reason and the length.
    damaged: Vec<(Name, String, u64)>,
    /// Of the most recent events, oldest first.
    pub(crate) identities: Vec<(u64, u32)>,
    /// What was done, for the log.
    pub(crate) notes: Vec<String>,
}

impl Found {
    /// Bytes of what is still to be brought in order.
    pub(crate) fn bytes(&self) -> u64 {
        let unfinished = self.unfinished.iter().map(|scan| scan.length).sum::<u64>();
        unfinished + self.damaged.iter().map(|(_, _, length)| length).sum::<u64>()
    }

    /// Events in what is still to be sealed.
    pub(crate) fn events(&self) -> u64 {
        self.unfinished.iter().map(|scan| scan.events).sum()
    }

    /// The oldest segment that can be shipped, now or when it is sealed.
    pub(crate) fn first(&self) -> Option<Name> {
        let unfinished = self.unfinished.iter().map(|scan| scan.header.name);
        self.sealed.iter().map(|sealed| sealed.name).chain(unfinished).min_by_key(|name| name.number)
    }

    /// Seals what was not sealed, oldest first, and hands it to `each`; sets aside what is damaged. Where it fails it can be
    /// called again.
    pub(crate) fn mend(
        &mut self,
        disk: &dyn Disk,
        directory: &Path,
        each: &mut impl FnMut(Sealed),
    ) -> Result<(), SpoolError> {
        while let Some(scan) = self.unfinished.last() {
            each(finish(disk, directory, scan, &mut self.notes)?);
            self.unfinished.pop();
        }
        while let Some((name, reason, _)) = self.damaged.last() {
            set_aside(disk, directory, *name, reason)?;
            self.notes.push(format!("segment {name} is damaged and was set aside: {reason}"));
            self.damaged.pop();
        }
        Ok(())
    }
}

/// Looks at a directory; writes only what may not be on the disk though it is read here.
pub(crate) fn look(disk: &dyn Disk, directory: &Path) -> Result<Found, SpoolError> {
    let mut found = Found::default();
    let (mut recent, mut events) = (Vec::new(), 0);
    // Newest first, so that it is the most recent events whose identities are read.
    for (age, name) in names(disk, directory)?.into_iter().rev().enumerate() {
        let path = directory.join(name.file());
        let failed = |source| SpoolError::io("read", &path, source);
        let mut identities = Vec::new();
        let wanted = events < RECENT_ROWS;
        match scan(disk, &path, wanted.then_some(&mut identities)) {
            Ok(scan) => {
                events += scan.events;
                // The next segment is begun when this one is synced: only the newest may not be.
                if age == 0 || scan.seal.is_none() {
                    secure(disk, &path, &scan).map_err(|source| SpoolError::io("repair", &path, source))?;
                }
                recent.push(identities);
                match scan.seal {
                    Some(seal) => found.sealed.push(Sealed {
                        name,
                        seal,
                        bytes: scan.length,
                        created: scan.header.created,
                        in_doubt: true,
                    }),
                    None => found.unfinished.push(scan),
                }
            }
            Err(Damage::Damaged(reason)) => {
                let length = disk.read(&path).and_then(|file| file.length()).map_err(failed)?;
                found.damaged.push((name, reason, length));
            }
            Err(Damage::Io(source)) => return Err(failed(source)),
        }
    }
    found.sealed.reverse();
    found.identities = recent.into_iter().rev().flatten().collect();
    Ok(found)
}

/// Looks at a directory and brings all of it in order. Returns the sealed segments, oldest first.
#[cfg(any(test, fuzzing))]
pub(crate) fn recover(disk: &dyn Disk, directory: &Path) -> Result<(Vec<Sealed>, Recovered), SpoolError> {
    let mut found = look(disk, directory)?;
    let mut sealed = std::mem::take(&mut found.sealed);
    found.mend(disk, directory, &mut |segment| sealed.push(segment))?;
    sealed.sort_by_key(|segment| (segment.name.number, segment.name.collector));
    let events = sealed.iter().map(|segment| segment.seal.events).sum();
    Ok((sealed, Recovered { identities: found.identities, notes: found.notes, events }))
}

/// Writes again what is read here and may not be on the disk, and syncs it. After a failed sync the pages count as clean:
/// they are read as if all were well, a later sync says yes, and a power cut takes them.
fn secure(disk: &dyn Disk, path: &Path, scan: &Scan) -> io::Result<()> {
    let (mut at, end) = match scan.seal {
        Some(seal) => (seal.books_at, scan.length),
        None => (scan.last_batch_at, scan.end),
    };
    if at == end {
        return Ok(());
    }
    let file = disk.open(path)?;
    let mut buffer = vec![0; SECURE_LEN];
    while at < end {
        let len = usize::try_from(end - at).map_or(SECURE_LEN, |left| left.min(SECURE_LEN));
        let read = file.read_at(&mut buffer[..len], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(&buffer[..read], at)?;
        at += read as u64;
    }
    file.sync()
}

/// Takes one segment of a directory in; none: it is damaged and was set aside.
pub(crate) fn take_in(disk: &dyn Disk, directory: &Path, name: Name) -> Result<Option<Sealed>, SpoolError> {
    let path = directory.join(name.file());
    match scan(disk, &path, None) {
        Ok(Scan { seal: Some(seal), length, header, .. }) => Ok(Some(Sealed {
            name: header.name,
            seal,
            bytes: length,
            created: header.created,
            in_doubt: true,
        })),
        Ok(scan) => finish(disk, directory, &scan, &mut Vec::new()).map(Some),
        Err(Damage::Damaged(reason)) => set_aside(disk, directory, name, &reason).map(|()| None),
        Err(Damage::Io(source)) => Err(SpoolError::io("read", &path, source)),
    }
}

/// Seals a segment that was not. One without a frame too: shipped, it tells the store that its number was no loss.
fn finish(
    disk: &dyn Disk,
    directory: &Path,
    scan: &Scan,
    notes: &mut Vec<String>,
) -> Result<Sealed, SpoolError> {
    let Scan { header, length, end, .. } = scan;
    let name = header.name;
    let path = directory.join(name.file());
    let failed = |source| SpoolError::io("repair", &path, source);
    let mut stranded = None;
    if scan.stranded {
        let reason = format!("whole frames of an unfinished batch lie behind byte {end}");
        copy_aside(disk, directory, name, &reason)?;
        stranded = Some(format!("segment {name}: {reason}; a copy was set aside"));
    }
    let file = disk.open(&path).map_err(failed)?;
    let counts = (scan.events, scan.audit, &scan.tally);
    let (seal, bytes) = thread::seal(&*file, header.salt, *end, scan.next_batch, counts).map_err(failed)?;
    if length > end {
        notes.push(format!("segment {name}: cut {} bytes of a torn tail", length - end));
    }
    notes.extend(stranded);
    // It may have been sealed, and sent, before a power cut took the seal.
    Ok(Sealed { name, seal, bytes, created: header.created, in_doubt: true })
}

/// Moves a segment to `aside/`, with the reason beside it.
pub(crate) fn set_aside(
    disk: &dyn Disk,
    directory: &Path,
    name: Name,
    reason: &str,
) -> Result<(), SpoolError> {
    let aside = directory.join(ASIDE);
    write_whole(disk, &aside, &format!("{name}{REASON}"), reason.as_bytes())
        .map_err(|source| SpoolError::io("set aside", &aside.join(name.file()), source))?;
    move_aside(disk, directory, name)
}

/// The same where there is no space for the reason, which takes some where moving takes none.
pub(crate) fn set_aside_without_reason(
    disk: &dyn Disk,
    directory: &Path,
    name: Name,
) -> Result<(), SpoolError> {
    // What was begun of the reason; should it stay, it counts as what lies aside.
    let _ = disk.remove(&directory.join(ASIDE).join(format!("{name}{REASON}{NEW}")));
    move_aside(disk, directory, name)
}

fn move_aside(disk: &dyn Disk, directory: &Path, name: Name) -> Result<(), SpoolError> {
    let aside = directory.join(ASIDE);
    let to = aside.join(name.file());
    let moved = || {
        disk.rename(&directory.join(name.file()), &to)?;
        disk.sync_directory(&aside)?;
        disk.sync_directory(directory)
    };
    moved().map_err(|source| SpoolError::io("set aside", &to, source))
}

/// Makes durable where each segment is seen to be, whatever a process that died had left unsynced; and leaves one in a single place
/// that a power cut left in two, as it moved from one to the other: in that from which it is shipped soonest. In the other it would outlive
/// it, and be shipped again when it is tried again.
pub(crate) fn end_moves(disk: &dyn Disk, directory: &Path) -> Result<(), SpoolError> {
    let mut seen = BTreeMap::new();
    for place in [directory.to_owned(), directory.join(RETRY), directory.join(ASIDE)] {
        for name in names_if_any(disk, &place)? {
            let path = place.join(name.file());
            let Some(other) = seen.get(&name) else {
                seen.insert(name, path);
                continue;
            };
            let failed = |source| SpoolError::io("end the move of", &path, source);
            if is_same(disk, other, &path).map_err(failed)? {
                disk.remove(&path).map_err(failed)?;
            }
        }
        match disk.sync_directory(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced.map_err(|source| SpoolError::io("sync", &place, source))?,
        }
    }
    Ok(())
}

/// Whether two files are one segment: each that is made draws a salt of its own.
fn is_same(disk: &dyn Disk, one: &Path, other: &Path) -> io::Result<bool> {
    let header = |path| Header::read(&*disk.read(path)?);
    Ok(match (header(one)?, header(other)?) {
        (Ok((one, _)), Ok((other, _))) => one.salt == other.salt,
        _ => false,
    })
}

/// Copies a segment as it is to `aside/`, under a name that is no segment's.
fn copy_aside(disk: &dyn Disk, directory: &Path, name: Name, reason: &str) -> Result<(), SpoolError> {
    let aside = directory.join(ASIDE);
    let copy = || {
        let from = disk.read(&directory.join(name.file()))?;
        let to = disk.create(&aside.join(format!("{name}.torn")))?;
        let (mut buffer, mut at) = (vec![0; 1 << 20], 0);
        loop {
            let read = from.read_at(&mut buffer, at)?;
            if read == 0 {
                break;
            }
            to.write_at(&buffer[..read], at)?;
            at += read as u64;
        }
        to.sync()?;
        write_whole(disk, &aside, &format!("{name}.torn{REASON}"), reason.as_bytes())
    };
    copy().map_err(|source| SpoolError::io("copy to", &aside, source))
}

/// Writes a small file so that it is there whole or not at all.
pub(crate) fn write_whole(disk: &dyn Disk, directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = directory.join(format!("{name}{NEW}"));
    let file = disk.create(&new)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&new, &directory.join(name))?;
    disk.sync_directory(directory)
}
