//! The list of what a backup holds, `footfall-backup.json`. It is written last: a directory without it is not a backup.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const FILE: &str = "footfall-backup.json";
/// The version of the form. Another one is refused.
const FORMAT: u32 = 1;
/// The longest list, in bytes: that of a spool with a hundred thousand files.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("{} is not a backup: it has no {FILE}, which is written when a backup is complete", .0.display())]
    Missing(PathBuf),
    #[error("{}: cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: is not the list of a backup: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("{}: the backup has format {found}, and this program reads {FORMAT}: take the version that made it", path.display())]
    Format { path: PathBuf, found: u32 },
    #[error("{} is not what was backed up: the backup is damaged", .0.display())]
    Damaged(PathBuf),
}

/// Where the tables are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub(crate) enum StoreCopy {
    /// In directory `store` of the backup.
    Files,
    /// On a disk of the ClickHouse server.
    Disk { disk: String, path: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: u32,
    /// The version of the program that made it.
    pub(crate) program: String,
    /// When the backup began.
    pub(crate) created: String,
    /// The name of the database.
    pub(crate) database: String,
    pub(crate) store: StoreCopy,
    /// Events in the copied spool.
    pub(crate) spooled: u64,
    /// SHA-256 of each file except those of the store, which ClickHouse checks itself, by its path in the backup.
    files: BTreeMap<String, String>,
}

impl Manifest {
    /// `files` are paths in the backup `directory`.
    pub(crate) fn new(
        directory: &Path,
        files: impl IntoIterator<Item = PathBuf>,
        (created, database, store, spooled): (String, String, StoreCopy, u64),
    ) -> io::Result<Self> {
        let hashed = files.into_iter().map(|file| {
            let hash = hash(&directory.join(&file))?;
            Ok((file.display().to_string(), hash))
        });
        Ok(Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created,
            database,
            store,
            spooled,
            files: hashed.collect::<io::Result<_>>()?,
        })
    }

    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        let new = directory.join(format!("{FILE}.new"));
        fs::write(&new, text + "\n")?;
        File::open(&new)?.sync_all()?;
        fs::rename(new, directory.join(FILE))
    }

    /// Reads the list, and checks every file that it names.
    pub(crate) fn read(directory: &Path) -> Result<Self, ManifestError> {
        let path = directory.join(FILE);
        let unreadable = |source| ManifestError::Unreadable { path: path.clone(), source };
        let malformed = |reason: String| ManifestError::Malformed { path: path.clone(), reason };
        let metadata = fs::metadata(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ManifestError::Missing(directory.to_owned()),
            _ => unreadable(error),
        })?;
        if metadata.len() > MAX_BYTES {
            return Err(malformed("it is too long".to_owned()));
        }
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        match value["format"].as_u64().and_then(|format| u32::try_from(format).ok()) {
            Some(FORMAT) => {}
            found => return Err(ManifestError::Format { path, found: found.unwrap_or(0) }),
        }
        let manifest: Self = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        for (name, expected) in &manifest.files {
            // A path that leads out of the backup is not one that was backed up.
            let is_inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
            let file = directory.join(name);
            if !is_inside || hash(&file).ok().as_ref() != Some(expected) {
                return Err(ManifestError::Damaged(file));
            }
        }
        Ok(manifest)
    }
}

fn hash(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut HashWriter(&mut hash))?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("spool")).unwrap();
        let file = PathBuf::from("spool/a.segment");
        fs::write(directory.path().join(&file), "rows").unwrap();
        let about = ("2026-11-27T00:00:00Z".to_owned(), "footfall".to_owned(), StoreCopy::Files, 7);
        Manifest::new(directory.path(), [file.clone()], about).unwrap().write(directory.path()).unwrap();
        (directory, file)
    }

    #[test]
    fn a_list_is_read_back_and_its_files_are_checked() {
        let (directory, file) = backup();
        let read = Manifest::read(directory.path()).unwrap();
        assert_eq!((read.spooled, read.database.as_str(), read.store), (7, "footfall", StoreCopy::Files));
        fs::write(directory.path().join(&file), "Rows").unwrap();
        assert!(matches!(Manifest::read(directory.path()), Err(ManifestError::Damaged(_))));
        fs::remove_file(directory.path().join(&file)).unwrap();
        assert!(matches!(Manifest::read(directory.path()), Err(ManifestError::Damaged(_))));
    }

    #[test]
    fn what_is_no_backup_or_another_format_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(Manifest::read(empty.path()), Err(ManifestError::Missing(_))));
        let (directory, _) = backup();
        let list = directory.path().join(FILE);
        let text = fs::read_to_string(&list).unwrap();
        for (from, to, expected) in [
            ("\"format\": 1", "\"format\": 2", "has format 2"),
            ("\"spooled\": 7", "\"spooled\": \"x\"", "is not the list"),
            ("{", "[", "is not the list"),
            ("spool/a.segment", "../a.segment", "is damaged"),
        ] {
            fs::write(&list, text.replacen(from, to, 1)).unwrap();
            let error = Manifest::read(directory.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
