//! A disk in memory that keeps what is live and what is durable apart, and fails at any operation that it is told.
//!
//! Every call is an operation and is counted: reads, lists and locks too. At a chosen one the power fails (of what was
//! not synced some sectors and some names survive and others do not, and the write under way ends at any byte), or an
//! error is returned, whether the work was done or not. A sync that fails does as Linux does: the pages count as clean
//! from then on, so that a later sync says yes and what they hold is still not on the disk.

use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::spool::log::disk::{Disk, DiskFile, Space};

/// What a disk writes whole or not at all. Small, so that a test's short files have many.
const SECTOR: usize = 32;

/// A disk in memory; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

/// What is to happen at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power fails in the middle of it.
    PowerCut,
    /// It fails; `done` says whether its work was done all the same, `lasting` whether everything after it fails too.
    Error { kind: ErrorKind, done: bool, lasting: bool },
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Contents>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    /// What happened to names and is not durable yet, oldest first.
    renamed: Vec<NameChange>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// Whether it has come, also before the power was last lost.
    fault_came: bool,
    power_off: bool,
    /// The write that the power failed in.
    torn: Option<(usize, Range<usize>)>,
    /// The next sync fails with this, once.
    fail_sync: Option<ErrorKind>,
    /// A file whose bytes the disk does not give back.
    unreadable: Option<usize>,
    /// Bytes that all files may take together.
    capacity: Option<usize>,
}

/// Names that are set, or removed, all at once.
type NameChange = Vec<(PathBuf, Option<usize>)>;

#[derive(Debug, Default, Clone)]
struct Contents {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// What was written and not synced.
    dirty: Vec<Range<usize>>,
}

struct OpenFile {
    disk: TestDisk,
    file: usize,
}

/// What becomes of an operation.
enum Fate {
    Done,
    /// Done or not, it is answered with this.
    Failed {
        error: Error,
        done: bool,
    },
}

impl Fate {
    fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { done: true, .. })
    }

    fn answer<T>(self, value: T) -> io::Result<T> {
        match self {
            Self::Done => Ok(value),
            Self::Failed { error, .. } => Err(error),
        }
    }
}

impl TestDisk {
    /// Lets something happen at the operation after the next `operations`.
    pub(crate) fn fault_after(&self, operations: u64, fault: Fault) {
        let mut state = self.0.lock();
        state.fault = Some((state.operations + operations + 1, fault));
    }

    /// Takes back what was to happen, and what lasts.
    pub(crate) fn mend(&self) {
        self.0.lock().fault = None;
    }

    /// Whether the fault has come that was to come.
    pub(crate) fn fault_came(&self) -> bool {
        self.0.lock().fault_came
    }

    /// Whether the power has failed.
    pub(crate) fn is_off(&self) -> bool {
        self.0.lock().power_off
    }

    /// Fails the next sync, and no other.
    pub(crate) fn fail_next_sync(&self, kind: ErrorKind) {
        self.0.lock().fail_sync = Some(kind);
    }

    /// Takes only so many more bytes than it holds now.
    pub(crate) fn leave_space(&self, bytes: usize) {
        let mut state = self.0.lock();
        state.capacity = Some(state.used().saturating_add(bytes));
    }

    /// What is found when the power is back: what was synced, and of the rest, sector by sector and name by name, what
    /// `survives` says.
    pub(crate) fn after_power_loss(&self, survives: impl FnMut() -> bool) -> Self {
        self.after_torn_write(survives, |_| 0)
    }

    /// The same, with the write in which the power failed cut where `cut` says, given its length: what stands before
    /// is on the disk.
    pub(crate) fn after_torn_write(
        &self,
        mut survives: impl FnMut() -> bool,
        cut: impl FnOnce(usize) -> usize,
    ) -> Self {
        let state = self.0.lock();
        let mut files: Vec<_> = state.files.iter().map(|file| file.after_power_loss(&mut survives)).collect();
        if let Some((file, range)) = &state.torn {
            let kept = range.start..range.start + cut(range.len());
            files[*file].put(kept.start, &state.files[*file].live[kept]);
        }
        for file in &mut files {
            file.durable = file.live.clone();
        }
        let mut names = state.durable.clone();
        for change in &state.renamed {
            if survives() {
                apply(&mut names, change);
            }
        }
        let State { capacity, operations, fault_came, .. } = *state;
        // What has come does not come again.
        let fault = state.fault.filter(|_| !fault_came);
        let (live, durable) = (names.clone(), names);
        let state =
            State { files, live, durable, capacity, operations, fault, fault_came, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Fails every read of a file, as a bad sector does.
    pub(crate) fn spoil(&self, path: &Path) {
        let mut state = self.0.lock();
        state.unreadable = Some(state.live[path]);
    }

    /// Changes bytes of a file behind everybody's back.
    pub(crate) fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        let file = state.live[path];
        let file = &mut state.files[file];
        change(&mut file.live);
        (file.durable, file.dirty) = (file.live.clone(), Vec::new());
    }

    /// The contents of a file.
    pub(crate) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.lock();
        state.live.get(path).map(|file| state.files[*file].live.clone())
    }

    /// Lengths of the files of a directory, without counting as operations.
    pub(crate) fn lengths(&self, directory: &Path) -> BTreeMap<PathBuf, u64> {
        let state = self.0.lock();
        let here = state.live.iter().filter(|(file, _)| file.parent() == Some(directory));
        here.map(|(path, file)| (path.clone(), state.files[*file].live.len() as u64)).collect()
    }

    /// Counts an operation, and does what its fate allows.
    fn operate<T>(&self, work: impl FnOnce(&mut State, &Fate) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        let fate = state.next_fate();
        let value = work(&mut state, &fate);
        match fate {
            Fate::Done => value,
            failed => failed.answer(value?),
        }
    }

    /// An operation that looks and changes nothing.
    fn look<T>(&self, work: impl FnOnce(&State) -> io::Result<T>) -> io::Result<T> {
        self.operate(|state, fate| match fate {
            Fate::Done => work(state),
            Fate::Failed { error, .. } => Err(copy_of(error)),
        })
    }

    fn handle(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.look(|state| state.live.get(path).copied().ok_or(ErrorKind::NotFound.into()))?;
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }
}

impl State {
    fn next_fate(&mut self) -> Fate {
        let off = || Error::other("the power is off");
        if self.power_off {
            return Fate::Failed { error: off(), done: false };
        }
        self.operations += 1;
        self.fault_came |= self.fault.is_some_and(|(at, _)| at <= self.operations);
        match self.fault {
            Some((at, Fault::PowerCut)) if at <= self.operations => {
                self.power_off = true;
                Fate::Failed { error: off(), done: true }
            }
            Some((at, Fault::Error { kind, done, lasting }))
                if at == self.operations || lasting && at < self.operations =>
            {
                Fate::Failed { error: kind.into(), done }
            }
            _ => Fate::Done,
        }
    }

    fn used(&self) -> usize {
        self.live.values().map(|file| self.files[*file].live.len()).sum()
    }

    fn change_names(&mut self, change: NameChange) {
        apply(&mut self.live, &change);
        self.renamed.push(change);
    }

    /// Makes the names of a directory durable. Of a rename between two directories the new name may be durable before
    /// the old one is gone, and not the other way round.
    fn sync_names(&mut self, directory: &Path) {
        let mut rest = Vec::new();
        for change in std::mem::take(&mut self.renamed) {
            let is_here = |(path, _): &(PathBuf, _)| path.parent() == Some(directory);
            let leaves = change.iter().any(|entry| is_here(entry) && entry.1.is_none());
            let (now, later): (NameChange, NameChange) =
                change.into_iter().partition(|entry| leaves || is_here(entry));
            apply(&mut self.durable, &now);
            if !later.is_empty() {
                rest.push(later);
            }
        }
        self.renamed = rest;
    }
}

fn apply(names: &mut BTreeMap<PathBuf, usize>, change: &NameChange) {
    for (path, file) in change {
        match file {
            Some(file) => drop(names.insert(path.clone(), *file)),
            None => drop(names.remove(path)),
        }
    }
}

fn copy_of(error: &Error) -> Error {
    Error::new(error.kind(), error.to_string())
}

impl Contents {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if self.live.len() < at + bytes.len() {
            self.live.resize(at + bytes.len(), 0);
        }
        self.live[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn sync(&mut self) {
        self.durable.resize(self.live.len(), 0);
        for range in self.dirty.drain(..) {
            // What was cut off after it was written is gone.
            let range = range.start..range.end.min(self.live.len());
            if !range.is_empty() {
                self.durable[range.clone()].copy_from_slice(&self.live[range]);
            }
        }
    }

    fn after_power_loss(&self, survives: &mut impl FnMut() -> bool) -> Self {
        let mut after = Self { live: self.durable.clone(), ..Self::default() };
        if self.live.len() != self.durable.len() && survives() {
            after.live.resize(self.live.len(), 0);
        }
        for range in &self.dirty {
            let range = range.start..range.end.min(self.live.len());
            let mut at = range.start;
            while at < range.end {
                let end = range.end.min((at / SECTOR + 1) * SECTOR);
                if survives() {
                    after.put(at, &self.live[at..end]);
                }
                at = end;
            }
        }
        after
    }
}

impl Disk for TestDisk {
    fn create_directory(&self, _: &Path) -> io::Result<()> {
        self.look(|_| Ok(()))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.operate(|state, fate| {
            if fate.is_done() {
                state.files.push(Contents::default());
                state.change_names(vec![(path.to_owned(), Some(state.files.len() - 1))]);
            }
            Ok(state.files.len().saturating_sub(1))
        })?;
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.handle(path)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.handle(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|state, fate| {
            let file = *state.live.get(from).ok_or(ErrorKind::NotFound)?;
            if fate.is_done() {
                state.change_names(vec![(to.to_owned(), Some(file)), (from.to_owned(), None)]);
            }
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(|state, fate| {
            state.live.get(path).ok_or(ErrorKind::NotFound)?;
            if fate.is_done() {
                state.change_names(vec![(path.to_owned(), None)]);
            }
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.look(|state| {
            let here = state.live.keys().filter(|file| file.parent() == Some(path));
            Ok(here.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.operate(|state, fate| {
            // A power cut in it leaves to chance what it was to make durable.
            if fate.is_done() && !state.power_off {
                state.sync_names(path);
            }
            Ok(())
        })
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        self.look(|state| {
            let total = state.capacity.unwrap_or(usize::MAX);
            Ok(Space { free: total.saturating_sub(state.used()) as u64, total: total as u64 })
        })
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.look(|_| Ok(Box::new(()) as Box<dyn Send + Sync>))
    }
}

impl DiskFile for OpenFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.operate(|state, fate| {
            let at = usize::try_from(offset).map_err(Error::other)?;
            // One that fails has still written something.
            let mut taken = if fate.is_done() { bytes.len() } else { bytes.len() / 2 };
            if state.power_off && !fate.is_done() {
                return Ok(());
            }
            let grows = (at + taken).saturating_sub(state.files[self.file].live.len());
            let space = state.capacity.map(|capacity| capacity.saturating_sub(state.used()));
            let missing = space.map_or(0, |space| grows.saturating_sub(space));
            taken = taken.saturating_sub(missing);
            state.files[self.file].put(at, &bytes[..taken]);
            state.files[self.file].dirty.push(at..at + taken);
            if state.power_off {
                state.torn = Some((self.file, at..at + taken));
            }
            if missing > 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.look(|state| {
            if state.unreadable == Some(self.file) {
                return Err(Error::other("a bad sector"));
            }
            let live = &state.files[self.file].live;
            let from = live.get(usize::try_from(offset).map_err(Error::other)?..).unwrap_or_default();
            let read = from.len().min(buffer.len());
            buffer[..read].copy_from_slice(&from[..read]);
            Ok(read)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.operate(|state, fate| {
            let told = state.fail_sync.take();
            if state.power_off {
                return Ok(());
            }
            let contents = &mut state.files[self.file];
            if told.is_some() || !fate.is_done() {
                contents.dirty.clear();
            } else {
                contents.sync();
            }
            told.map_or(Ok(()), |kind| Err(kind.into()))
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.look(|state| Ok(state.files[self.file].live.len() as u64))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.operate(|state, fate| {
            if fate.is_done() {
                state.files[self.file].live.resize(usize::try_from(length).map_err(Error::other)?, 0);
            }
            Ok(())
        })
    }
}
