//! Fetches npm packages of pinned versions, checks them and unpacks chosen files.
//!
//! The user's own `npm` downloads them, so its registry and proxy settings apply. No code of a package runs. Nothing is
//! unpacked before the archive has the pinned checksum.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha512};

/// Lines of npm's error output that an error repeats.
const MAX_ERROR_LINES: usize = 3;
/// The size of reads from an archive, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy)]
pub struct Package {
    pub name: &'static str,
    pub version: &'static str,
    /// The size of the archive, for people: `64 MB`.
    pub size: &'static str,
    /// The checksum of the archive as npm writes it: `sha512-` and base64.
    pub integrity: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("cannot run npm, which fetches {package}: install Node.js with npm")]
    NoNpm { package: String, source: io::Error },
    #[error("npm could not fetch {package}: {message}")]
    Npm { package: String, message: String },
    #[error("{package} has the checksum {actual}, expected {expected}: it is not used")]
    Checksum { package: String, actual: String, expected: &'static str },
    #[error("{package} has no file {file}")]
    MissingFile { package: String, file: &'static str },
    #[error("cannot read or write {}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Package {
    /// Downloads the archive into `directory`, checks it and returns its path.
    ///
    /// # Errors
    /// When npm is missing or fails, or the archive does not have the pinned checksum.
    pub fn fetch(&self, directory: &Path) -> Result<PathBuf, PackageError> {
        let bar = ProgressBar::new_spinner().with_message(format!("fetching {self} ({})", self.size));
        bar.enable_steady_tick(Duration::from_millis(120));
        let output = Command::new("npm")
            .args(["pack", "--silent", "--pack-destination", "."])
            .arg(self.to_string())
            .current_dir(directory)
            .output();
        bar.finish_and_clear();
        let output = output.map_err(|source| PackageError::NoNpm { package: self.to_string(), source })?;
        let archive = directory.join(self.archive_name());
        if !output.status.success() || !archive.is_file() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let lines = stderr.lines().filter(|line| !line.trim().is_empty()).take(MAX_ERROR_LINES);
            let message = lines.collect::<Vec<_>>().join("; ");
            return Err(PackageError::Npm { package: self.to_string(), message });
        }
        self.check(&archive)?;
        Ok(archive)
    }

    /// Unpacks files of the archive into `directory`. Each file is given as its path in the package and its new name.
    ///
    /// The files are synced, so they are whole after a power failure.
    ///
    /// # Errors
    /// When a file is not in the archive, or reading or writing fails.
    pub fn unpack(
        &self,
        archive: &Path,
        directory: &Path,
        files: &[(&'static str, &str)],
    ) -> Result<(), PackageError> {
        let (bar, reader) = open_with_progress(archive, "unpacking")?;
        let read_error = io_error(archive);
        let mut missing = files.to_vec();
        let mut entries = tar::Archive::new(GzDecoder::new(reader));
        for entry in entries.entries().map_err(&read_error)? {
            let mut entry = entry.map_err(&read_error)?;
            let path = entry.path().map_err(&read_error)?;
            let is_entry = |(file, _): &(&str, &str)| {
                path.strip_prefix("package").is_ok_and(|path| path == Path::new(file))
            };
            let Some(index) = missing.iter().position(is_entry) else { continue };
            let target = directory.join(missing.swap_remove(index).1);
            let mut file = File::create(&target).map_err(io_error(&target))?;
            io::copy(&mut entry, &mut file).map_err(io_error(&target))?;
            file.sync_all().map_err(io_error(&target))?;
            if missing.is_empty() {
                break;
            }
        }
        bar.finish_and_clear();
        match missing.first() {
            None => Ok(()),
            Some((file, _)) => Err(PackageError::MissingFile { package: self.to_string(), file }),
        }
    }

    /// Where npm's own registry has the archive.
    pub fn url(&self) -> String {
        let file = self.name.rsplit('/').next().unwrap_or(self.name);
        format!("https://registry.npmjs.org/{}/-/{file}-{}.tgz", self.name, self.version)
    }

    /// The name that `npm pack` gives to the archive.
    fn archive_name(&self) -> String {
        format!("{}-{}.tgz", self.name.trim_start_matches('@').replace('/', "-"), self.version)
    }

    /// Whether a file is the archive of this package.
    ///
    /// # Errors
    /// When it cannot be read, or does not have the pinned checksum.
    pub fn check(&self, archive: &Path) -> Result<(), PackageError> {
        let (bar, mut reader) = open_with_progress(archive, "checking")?;
        let mut hash = Sha512::new();
        loop {
            let piece = reader.fill_buf().map_err(io_error(archive))?;
            if piece.is_empty() {
                break;
            }
            hash.update(piece);
            let length = piece.len();
            reader.consume(length);
        }
        bar.finish_and_clear();
        let actual = format!("sha512-{}", STANDARD.encode(hash.finalize()));
        if actual == self.integrity {
            return Ok(());
        }
        Err(PackageError::Checksum { package: self.to_string(), actual, expected: self.integrity })
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

fn open_with_progress(
    path: &Path,
    message: &'static str,
) -> Result<(ProgressBar, impl BufRead + use<>), PackageError> {
    let file = File::open(path).map_err(io_error(path))?;
    let length = file.metadata().map_err(io_error(path))?.len();
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}");
    let bar = ProgressBar::new(length)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(message);
    let reader = BufReader::with_capacity(BUFFER_BYTES, bar.wrap_read(file));
    Ok((bar, reader))
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> PackageError + use<> {
    let path = path.to_owned();
    move |source| PackageError::Io { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PACKAGE: Package =
        Package { name: "@scope/some", version: "1.2.3", size: "1 MB", integrity: "sha512-x" };

    fn archive(directory: &Path, files: &[(&str, &[u8])]) -> PathBuf {
        let path = directory.join("package.tgz");
        let file = File::create(&path).unwrap();
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn an_archive_with_another_checksum_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = archive(directory.path(), &[("package/here", b"something else")]);
        let error = PACKAGE.check(&path).unwrap_err();
        assert!(matches!(error, PackageError::Checksum { .. }), "{error}");
        let bytes = fs::read(&path).unwrap();
        let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(bytes))).leak();
        Package { integrity, ..PACKAGE }.check(&path).unwrap();
    }

    #[test]
    fn chosen_files_are_unpacked_under_their_new_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = archive(
            directory.path(),
            &[("package/a", b"one"), ("package/deep/b", b"two"), ("package/c", b"three")],
        );
        PACKAGE.unpack(&path, directory.path(), &[("deep/b", "renamed"), ("a", "a")]).unwrap();
        assert_eq!(fs::read(directory.path().join("renamed")).unwrap(), b"two");
        assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"one");
        assert!(!directory.path().join("c").exists());
    }

    #[test]
    fn a_missing_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = archive(directory.path(), &[("package/here", b"here")]);
        let error = PACKAGE.unpack(&path, directory.path(), &[("gone", "gone")]).unwrap_err();
        assert_eq!(error.to_string(), "@scope/some@1.2.3 has no file gone");
    }

    #[test]
    fn the_archive_has_the_names_that_npm_and_its_registry_give_it() {
        assert_eq!(PACKAGE.archive_name(), "scope-some-1.2.3.tgz");
        assert_eq!(PACKAGE.url(), "https://registry.npmjs.org/@scope/some/-/some-1.2.3.tgz");
    }
}
