//! A disk in memory that keeps what is live and what is durable apart, fails when told to, and can lose its power: then
//! of all that was not synced some sectors survive and others do not, and files whose directory was not synced go.

use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile};

/// What a disk writes whole or not at all. Small, so that a test's short files have many.
const SECTOR: usize = 32;

/// A disk in memory; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<Contents>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    /// Changes and syncs so far.
    operations: u64,
    /// From this operation on everything fails.
    power_until: Option<u64>,
    /// The next sync fails with this, once.
    fail_sync: Option<ErrorKind>,
    /// Bytes that may still be written.
    space: Option<usize>,
}

#[derive(Debug, Default, Clone)]
struct Contents {
    live: Vec<u8>,
    durable: Vec<u8>,
}

struct OpenFile {
    disk: TestDisk,
    file: usize,
}

impl TestDisk {
    /// Fails every operation after the next `operations`.
    pub(crate) fn cut_power_after(&self, operations: u64) {
        let mut state = self.0.lock();
        state.power_until = Some(state.operations + operations);
    }

    /// Fails the next sync, and no other.
    pub(crate) fn fail_next_sync(&self, kind: ErrorKind) {
        self.0.lock().fail_sync = Some(kind);
    }

    /// Takes only so many more bytes.
    pub(crate) fn leave_space(&self, bytes: usize) {
        self.0.lock().space = Some(bytes);
    }

    /// What is found when the power is back: what was synced, and of the rest what `survives` says, sector by sector.
    pub(crate) fn after_power_loss(&self, mut survives: impl FnMut() -> bool) -> Self {
        let state = self.0.lock();
        let files = state.files.iter().map(|file| file.after_power_loss(&mut survives)).collect();
        let durable = state.durable.clone();
        Self(Arc::new(Mutex::new(State { files, live: durable.clone(), durable, ..State::default() })))
    }

    /// Changes bytes of a file behind everybody's back.
    pub(crate) fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        let file = state.live[path];
        change(&mut state.files[file].live);
        state.files[file].durable = state.files[file].live.clone();
    }

    /// The contents of a file.
    pub(crate) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.lock();
        state.live.get(path).map(|file| state.files[*file].live.clone())
    }

    /// Counts an operation that changes something.
    fn change<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        state.operations += 1;
        if state.power_until.is_some_and(|until| state.operations > until) {
            return Err(Error::other("the power is off"));
        }
        work(&mut state)
    }

    fn handle(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = *self.0.lock().live.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }
}

impl Contents {
    fn after_power_loss(&self, survives: &mut impl FnMut() -> bool) -> Self {
        let mut bytes = self.durable.clone();
        for (place, sector) in self.live.chunks(SECTOR).enumerate() {
            let at = place * SECTOR;
            if self.durable.get(at..at + sector.len()) != Some(sector) && survives() {
                let end = at + sector.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[at..end].copy_from_slice(sector);
            }
        }
        Self { live: bytes.clone(), durable: bytes }
    }
}

impl Disk for TestDisk {
    fn create_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.change(|state| {
            state.files.push(Contents::default());
            state.live.insert(path.to_owned(), state.files.len() - 1);
            Ok(())
        })?;
        self.handle(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.handle(path)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.handle(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| {
            let file = state.live.remove(from).ok_or(ErrorKind::NotFound)?;
            state.live.insert(to.to_owned(), file);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|state| state.live.remove(path).map(drop).ok_or(ErrorKind::NotFound.into()))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        let here = state.live.keys().filter(|file| file.parent() == Some(path));
        Ok(here.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            let here = |file: &PathBuf| file.parent() == Some(path);
            state.durable.retain(|file, _| !here(file));
            let live: Vec<_> = state.live.iter().filter(|(file, _)| here(file)).collect();
            let live: Vec<_> = live.into_iter().map(|(file, number)| (file.clone(), *number)).collect();
            state.durable.extend(live);
            Ok(())
        })
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }
}

impl DiskFile for OpenFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.change(|state| {
            let taken = state.space.map_or(bytes.len(), |space| space.min(bytes.len()));
            if let Some(space) = &mut state.space {
                *space -= taken;
            }
            let live = &mut state.files[self.file].live;
            let at = usize::try_from(offset).map_err(Error::other)?;
            if live.len() < at + taken {
                live.resize(at + taken, 0);
            }
            live[at..at + taken].copy_from_slice(&bytes[..taken]);
            if taken < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.0.lock();
        let live = &state.files[self.file].live;
        let from = live.get(usize::try_from(offset).map_err(Error::other)?..).unwrap_or_default();
        let read = from.len().min(buffer.len());
        buffer[..read].copy_from_slice(&from[..read]);
        Ok(read)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change(|state| {
            if let Some(kind) = state.fail_sync.take() {
                return Err(kind.into());
            }
            let contents = &mut state.files[self.file];
            contents.durable = contents.live.clone();
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().files[self.file].live.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.change(|state| {
            state.files[self.file].live.resize(usize::try_from(length).map_err(Error::other)?, 0);
            Ok(())
        })
    }
}
