//! What must hold of recovery whatever lies on the disk. See [`crate::fuzz`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::spool::log::disk::{Disk, DiskFile, Space};
use crate::spool::log::frame::{HEADER_LEN, Kind};
use crate::spool::log::recovery::{self, ASIDE};
use crate::spool::log::segment::{Header, Name, Reader, Step};

const SALT: u32 = 0x5a17_0001;
const NAME: Name = Name { collector: 1, number: 1 };

/// A segment's file. Behind a first byte of 0 it is taken as it is; of 1, frames are made of the bytes, with checksums
/// that fit, so that what lies behind the checksum is reached as well; of 2, the same and a torn tail.
///
/// Recovery ends without an error, reports no more rows than it reads back, changes nothing when it is run again, and
/// deletes nothing but a segment without rows.
pub fn spool_recovery(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let file = match mode % 3 {
        0 => bytes.to_vec(),
        1 => framed(bytes, 0),
        _ => framed(bytes, bytes.len() / 4),
    };
    let disk = Memory::default();
    let directory = Path::new("/spool");
    let path = directory.join(NAME.file());
    disk.0.lock().insert(path.clone(), Arc::new(Mutex::new(file)));
    let (sealed, found) = recovery::recover(&disk, directory).expect("a disk that works is recovered");
    let (again, found_again) = recovery::recover(&disk, directory).expect("a second time");
    assert!(found_again.notes.is_empty(), "a repaired spool needs no repair: {:?}", found_again.notes);
    assert_eq!(found_again.events, found.events, "events are the same again");
    assert_eq!(
        again.iter().map(|one| (one.name, one.seal, one.bytes)).collect::<Vec<_>>(),
        sealed.iter().map(|one| (one.name, one.seal, one.bytes)).collect::<Vec<_>>()
    );
    let is_aside = disk.0.lock().contains_key(&directory.join(ASIDE).join(NAME.file()));
    assert!(sealed.len() + usize::from(is_aside) <= 1);
    let Some(segment) = sealed.first() else { return };
    let file = disk.read(&path).expect("a sealed segment is there");
    let (header, start) = Header::read(&*file).expect("it is read").expect("it is whole");
    let mut reader = Reader::new(&*file, header.salt, start..segment.seal.books_at);
    let mut events = 0;
    while let Step::Frame(frame) = reader.step().expect("memory is read") {
        if frame.kind == Kind::Events {
            assert_eq!(frame.identities().count(), frame.count as usize);
            events += u64::from(frame.count);
        }
    }
    // A seal that was there is believed until the segment is shipped, when all of it is read and held against it.
    let was_sealed = found.notes.is_empty() && mode % 3 == 0;
    assert!(was_sealed || segment.seal.events == events, "{} events, but {events}", segment.seal.events);
}

/// A whole header and as many frames as `bytes` give, of which the last `torn` bytes are missing.
fn framed(bytes: &[u8], torn: usize) -> Vec<u8> {
    let mut file = Header::new(NAME, 1_700_000_000_000, SALT).encode();
    let whole = file.len();
    let mut rest = bytes;
    // Length of the contents, kind, flags, batch, length of the site, count.
    while let Some(([len, kind, flags, batch, site, count], after)) = rest.split_first_chunk::<6>() {
        let (contents, after) = after.split_at(usize::from(*len).min(after.len()));
        rest = after;
        let mut frame = [0; HEADER_LEN].to_vec();
        frame[..4].copy_from_slice(&SALT.to_le_bytes());
        frame[8..12].copy_from_slice(&((HEADER_LEN + contents.len()) as u32).to_le_bytes());
        // The highest byte: batches that are about to run over are reached too.
        let batch = if *batch == u8::MAX { u32::MAX } else { u32::from(*batch) };
        frame[12..16].copy_from_slice(&batch.to_le_bytes());
        (frame[16], frame[17], frame[18], frame[20]) = (*kind, *flags, *site, *count);
        frame.extend_from_slice(contents);
        let mut checksum = crc32fast::Hasher::new_with_initial(SALT);
        checksum.update(&frame[8..]);
        frame[4..8].copy_from_slice(&checksum.finalize().to_le_bytes());
        file.extend(frame);
    }
    file.truncate(file.len().saturating_sub(torn).max(whole));
    file
}

type Contents = Arc<Mutex<Vec<u8>>>;

/// A disk in memory that neither fails nor forgets.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<PathBuf, Contents>>);

impl Memory {
    fn find(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let found = self.0.lock().get(path).cloned();
        found.map(|file| Box::new(file) as Box<dyn DiskFile>).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for Memory {
    fn create_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.lock().insert(path.to_owned(), Contents::default());
        self.find(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.find(path)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.find(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.0.lock();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let files = self.0.lock();
        let here = files.keys().filter(|file| file.parent() == Some(path));
        Ok(here.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect())
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space { free: u64::MAX, total: u64::MAX })
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }
}

impl DiskFile for Contents {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut file = self.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let length = file.len().max(start + bytes.len());
        file.resize(length, 0);
        file[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let file = self.lock();
        let rest = usize::try_from(offset).ok().and_then(|start| file.get(start..)).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.lock().len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.lock().resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_claims_to_be_of_the_last_batch_there_can_be_is_recovered() {
        // One event of batch 2^32 - 1, the last of its batch.
        let frame = [&[12, 1, 1, u8::MAX, 1, 1][..], b"a\x01\0\0\0rowsrow"].concat();
        let disk = Memory::default();
        let path = Path::new("/spool").join(NAME.file());
        disk.0.lock().insert(path, Arc::new(Mutex::new(framed(&frame, 0))));
        let (sealed, found) = recovery::recover(&disk, Path::new("/spool")).unwrap();
        assert_eq!((sealed.len(), found.events), (1, 1));
    }
}
