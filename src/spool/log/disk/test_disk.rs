//! A disk in memory that keeps live and durable contents apart, and fails at a chosen operation.
//!
//! Every call is an operation and is counted, also reads, lists and locks. At the chosen one the power fails, or an error is returned,
//! whether the work was done or not. In a power cut some sectors and some names that were not synced survive, others do not, and the
//! write in progress ends at any byte. A failed sync does what Linux does: the pages count as clean from then on, so a later
//! sync reports success although their contents are not on the disk.

// Fuzzing uses the disk and none of its faults.
#![cfg_attr(not(test), allow(dead_code))]

use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::api::{Disk, DiskFile, Space};

/// Bytes that a disk writes whole or not at all. It is small, so that the short files of tests have several.
const SECTOR: usize = 32;

/// A disk in memory; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestDisk(Arc<Mutex<DiskState>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power fails during the operation.
    PowerCut,
    /// The operation fails. `done`: its work was done nevertheless. `lasting`: every later operation fails too.
    Error { kind: ErrorKind, done: bool, lasting: bool },
}

#[derive(Debug, Default)]
struct DiskState {
    files: Vec<TestFile>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    /// Changes of names that are not durable yet, oldest first.
    renamed: Vec<NameChange>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// Whether the fault has happened, also before the last power cut.
    fault_came: bool,
    power_off: bool,
    /// The write during which the power failed.
    torn: Option<(usize, Range<usize>)>,
    /// Error of the next sync, once.
    fail_sync: Option<ErrorKind>,
    unreadable: Option<usize>,
    /// Bytes that all files may have together.
    capacity: Option<usize>,
}

/// Names that are set or removed in one operation.
type NameChange = Vec<(PathBuf, Option<usize>)>;

#[derive(Debug, Default, Clone)]
struct TestFile {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Ranges that were written and not synced.
    dirty: Vec<Range<usize>>,
}

struct OpenTestFile {
    disk: TestDisk,
    file: usize,
}

enum Outcome {
    Done,
    Failed { error: Error, done: bool },
}

impl Outcome {
    fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { done: true, .. })
    }

    fn into_result<T>(self, value: T) -> io::Result<T> {
        match self {
            Self::Done => Ok(value),
            Self::Failed { error, .. } => Err(error),
        }
    }
}

impl TestDisk {
    /// Sets the fault for the operation after the next `operations`.
    pub(crate) fn fault_after(&self, operations: u64, fault: Fault) {
        let mut state = self.0.lock();
        state.fault = Some((state.operations + operations + 1, fault));
    }

    /// Removes the fault, also a lasting one.
    pub(crate) fn clear_fault(&self) {
        self.0.lock().fault = None;
    }

    pub(crate) fn fault_came(&self) -> bool {
        self.0.lock().fault_came
    }

    /// Every operation waits until the returned value is dropped.
    pub(crate) fn hang(&self) -> impl Drop + '_ {
        self.0.lock()
    }

    pub(crate) fn is_off(&self) -> bool {
        self.0.lock().power_off
    }

    pub(crate) fn fail_next_sync(&self, kind: ErrorKind) {
        self.0.lock().fail_sync = Some(kind);
    }

    /// Limits the disk to `bytes` more than it holds now.
    pub(crate) fn leave_space(&self, bytes: usize) {
        let mut state = self.0.lock();
        state.capacity = Some(state.used().saturating_add(bytes));
    }

    /// The disk when the power is back. It holds what was synced; for each other sector and name `survives` is asked.
    pub(crate) fn after_power_loss(&self, survives: impl FnMut() -> bool) -> Self {
        self.after_torn_write(survives, |_| 0)
    }

    /// [`TestDisk::after_power_loss`], with the interrupted write cut: `cut` gets its length and returns how many bytes survive.
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
        let DiskState { capacity, operations, fault_came, .. } = *state;
        // A fault happens once.
        let fault = state.fault.filter(|_| !fault_came);
        let (live, durable) = (names.clone(), names);
        let state = DiskState {
            files,
            live,
            durable,
            capacity,
            operations,
            fault,
            fault_came,
            ..DiskState::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn make_unreadable(&self, path: &Path) {
        let mut state = self.0.lock();
        state.unreadable = Some(state.live[path]);
    }

    /// Changes a file without an operation.
    pub(crate) fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        let file = state.live[path];
        let file = &mut state.files[file];
        change(&mut file.live);
        (file.durable, file.dirty) = (file.live.clone(), Vec::new());
    }

    /// The contents of a file, without an operation.
    pub(crate) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.lock();
        state.live.get(path).map(|file| state.files[*file].live.clone())
    }

    /// Lengths of the files of a directory, without an operation.
    pub(crate) fn lengths(&self, directory: &Path) -> BTreeMap<PathBuf, u64> {
        let state = self.0.lock();
        let here = state.live.iter().filter(|(file, _)| file.parent() == Some(directory));
        here.map(|(path, file)| (path.clone(), state.files[*file].live.len() as u64)).collect()
    }

    /// Counts an operation and does its work as far as its outcome allows.
    fn operate<T>(&self, work: impl FnOnce(&mut DiskState, &Outcome) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        let outcome = state.next_outcome();
        let value = work(&mut state, &outcome);
        match outcome {
            Outcome::Done => value,
            failed => failed.into_result(value?),
        }
    }

    fn read_only<T>(&self, work: impl FnOnce(&DiskState) -> io::Result<T>) -> io::Result<T> {
        self.operate(|state, outcome| match outcome {
            Outcome::Done => work(state),
            Outcome::Failed { error, .. } => Err(copy_of(error)),
        })
    }

    fn handle(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.read_only(|state| state.live.get(path).copied().ok_or(ErrorKind::NotFound.into()))?;
        Ok(Box::new(OpenTestFile { disk: self.clone(), file }))
    }
}

impl DiskState {
    fn next_outcome(&mut self) -> Outcome {
        let off = || Error::other("the power is off");
        if self.power_off {
            return Outcome::Failed { error: off(), done: false };
        }
        self.operations += 1;
        self.fault_came |= self.fault.is_some_and(|(at, _)| at <= self.operations);
        match self.fault {
            Some((at, Fault::PowerCut)) if at <= self.operations => {
                self.power_off = true;
                Outcome::Failed { error: off(), done: true }
            }
            Some((at, Fault::Error { kind, done, lasting }))
                if at == self.operations || lasting && at < self.operations =>
            {
                Outcome::Failed { error: kind.into(), done }
            }
            _ => Outcome::Done,
        }
    }

    fn used(&self) -> usize {
        self.live.values().map(|file| self.files[*file].live.len()).sum()
    }

    fn change_names(&mut self, change: NameChange) {
        apply(&mut self.live, &change);
        self.renamed.push(change);
    }

    /// Makes the names of a directory durable. After a rename between two directories the new name may be durable while the old one still
    /// is, but not the other way round.
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

impl TestFile {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if self.live.len() < at + bytes.len() {
            self.live.resize(at + bytes.len(), 0);
        }
        self.live[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn sync(&mut self) {
        self.durable.resize(self.live.len(), 0);
        for range in self.dirty.drain(..) {
            // The range may have been cut off after it was written.
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
        self.read_only(|_| Ok(()))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.operate(|state, outcome| {
            if outcome.is_done() {
                state.files.push(TestFile::default());
                state.change_names(vec![(path.to_owned(), Some(state.files.len() - 1))]);
            }
            Ok(state.files.len().saturating_sub(1))
        })?;
        Ok(Box::new(OpenTestFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.handle(path)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.handle(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|state, outcome| {
            let file = *state.live.get(from).ok_or(ErrorKind::NotFound)?;
            if outcome.is_done() {
                state.change_names(vec![(to.to_owned(), Some(file)), (from.to_owned(), None)]);
            }
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(|state, outcome| {
            state.live.get(path).ok_or(ErrorKind::NotFound)?;
            if outcome.is_done() {
                state.change_names(vec![(path.to_owned(), None)]);
            }
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.read_only(|state| {
            let here = state.live.keys().filter(|file| file.parent() == Some(path));
            Ok(here.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.operate(|state, outcome| {
            // In a power cut chance decides which names are durable.
            if outcome.is_done() && !state.power_off {
                state.sync_names(path);
            }
            Ok(())
        })
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        self.read_only(|state| {
            let total = state.capacity.unwrap_or(usize::MAX);
            Ok(Space { free: total.saturating_sub(state.used()) as u64, total: total as u64 })
        })
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.read_only(|_| Ok(Box::new(()) as Box<dyn Send + Sync>))
    }
}

impl DiskFile for OpenTestFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.operate(|state, outcome| {
            let at = usize::try_from(offset).map_err(Error::other)?;
            // A failed write has still written something.
            let mut written = if outcome.is_done() { bytes.len() } else { bytes.len() / 2 };
            if state.power_off && !outcome.is_done() {
                return Ok(());
            }
            let grows = (at + written).saturating_sub(state.files[self.file].live.len());
            let space = state.capacity.map(|capacity| capacity.saturating_sub(state.used()));
            let missing = space.map_or(0, |space| grows.saturating_sub(space));
            written = written.saturating_sub(missing);
            state.files[self.file].put(at, &bytes[..written]);
            state.files[self.file].dirty.push(at..at + written);
            if state.power_off {
                state.torn = Some((self.file, at..at + written));
            }
            if missing > 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.read_only(|state| {
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
        self.disk.operate(|state, outcome| {
            let forced = state.fail_sync.take();
            if state.power_off {
                return Ok(());
            }
            let contents = &mut state.files[self.file];
            if forced.is_some() || !outcome.is_done() {
                contents.dirty.clear();
            } else {
                contents.sync();
            }
            forced.map_or(Ok(()), |kind| Err(kind.into()))
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.read_only(|state| Ok(state.files[self.file].live.len() as u64))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.operate(|state, outcome| {
            if outcome.is_done() {
                state.files[self.file].live.resize(usize::try_from(length).map_err(Error::other)?, 0);
            }
            Ok(())
        })
    }
}
