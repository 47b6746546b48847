//! The engine's library: fetched once into a cache directory.
//!
//! It comes as an npm package, fetched by the user's own `npm`, so that their registry and proxy are used. Nothing is unpacked
//! before the package has the one checksum that is written here. A file appears under its final name only when it is whole.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha512};

/// The release of `libchdb` that this crate is written and tested for.
pub const VERSION: &str = "26.7.3-stable.1";

/// A package that can be fetched.
struct Package {
    /// Its name in npm.
    name: &'static str,
    /// The library's path in it.
    library: &'static str,
    /// The checksum of the package, as npm writes it.
    integrity: &'static str,
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
const PACKAGE: Option<Package> = Some(Package {
    name: "@chdb/lib-linux-x64-gnu",
    library: "package/libchdb.so",
    integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
});
// Packages of other systems could not be checked by hand, so none is fetched for them.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
const PACKAGE: Option<Package> = None;

/// Why there is no library.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No package is known for this system.
    #[error(
        "no package of the ClickHouse engine is pinned for this system: provide a libchdb {VERSION} yourself"
    )]
    Unsupported,
    /// npm is not there.
    #[error(
        "npm is needed to fetch the ClickHouse engine: install Node.js with npm, or provide a libchdb {VERSION} yourself"
    )]
    NoNpm(#[source] io::Error),
    /// npm did not fetch it.
    #[error("npm could not fetch {package}@{VERSION}: {said}")]
    Npm {
        /// The package.
        package: &'static str,
        /// What npm wrote to standard error.
        said: String,
    },
    /// It is not the package that is pinned.
    #[error("{package}@{VERSION} has the checksum {found}, expected {expected}: it is not used")]
    Checksum {
        /// The package.
        package: &'static str,
        /// Of what came.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The package holds no library.
    #[error("the package holds no {0}")]
    NoLibrary(&'static str),
    /// The cache directory.
    #[error("cannot write the ClickHouse engine to {}", .path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The cache directory of a program: `$XDG_CACHE_HOME/PROGRAM` or `~/.cache/PROGRAM`; `None` when neither variable is set.
pub fn cache_directory(program: &str) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join(program))
}

/// Where [`install`] puts the library below a cache directory.
///
/// # Errors
/// When no package is pinned for this system.
pub fn path_in(cache: &Path) -> Result<PathBuf, InstallError> {
    let package = PACKAGE.ok_or(InstallError::Unsupported)?;
    let file = Path::new(package.library).file_name().unwrap_or_default();
    Ok(cache.join(format!("libchdb-{VERSION}")).join(file))
}

/// Fetches the library into a cache directory, unless it is there, and returns its path.
///
/// # Errors
/// When it cannot be fetched, or is not what it should be.
pub fn install(cache: &Path) -> Result<PathBuf, InstallError> {
    let path = path_in(cache)?;
    if !path.is_file() {
        fetch(&path)?;
    }
    Ok(path)
}

fn fetch(target: &Path) -> Result<(), InstallError> {
    let package = PACKAGE.ok_or(InstallError::Unsupported)?;
    let directory = target.parent().unwrap_or(target);
    let write = |path: &Path| {
        let path = path.to_owned();
        |source| InstallError::Write { path, source }
    };
    // Each process has a directory of its own, so two installations at once do not meet before the rename.
    let staging = directory.with_extension(format!("{}.new", std::process::id()));
    fs::create_dir_all(&staging).map_err(write(&staging))?;
    let fetched = download(&package, &staging).and_then(|archive| {
        verify(&package, &archive)?;
        let library = staging.join("library");
        unpack(&package, &archive, &library)?;
        fs::create_dir_all(directory).map_err(write(directory))?;
        fs::rename(&library, target).map_err(write(target))
    });
    // What is left over costs space and is overwritten later.
    let _left = fs::remove_dir_all(&staging);
    fetched
}

/// Has npm fetch the package.
fn download(package: &Package, directory: &Path) -> Result<PathBuf, InstallError> {
    let bar =
        ProgressBar::new_spinner().with_message(format!("fetching {}@{VERSION} (178 MB)", package.name));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    let output = Command::new("npm")
        .args(["pack", "--silent", "--pack-destination", "."])
        .arg(format!("{}@{VERSION}", package.name))
        .current_dir(directory)
        .output()
        .map_err(InstallError::NoNpm)?;
    bar.finish_and_clear();
    let archive = fs::read_dir(directory)
        .ok()
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"));
    match archive {
        Some(archive) if output.status.success() => Ok(archive),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said =
                said.lines().filter(|line| !line.trim().is_empty()).take(3).collect::<Vec<_>>().join("; ");
            Err(InstallError::Npm { package: package.name, said })
        }
    }
}

/// Compares the package's checksum with the pinned one.
fn verify(package: &Package, archive: &Path) -> Result<(), InstallError> {
    let mut hash = Sha512::new();
    read(archive, "checking", |piece| {
        hash.update(piece);
        Ok(())
    })?;
    let found = format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(hash.finalize()));
    if found == package.integrity {
        return Ok(());
    }
    Err(InstallError::Checksum { package: package.name, found, expected: package.integrity })
}

/// Takes the library out of the package.
fn unpack(package: &Package, archive: &Path, into: &Path) -> Result<(), InstallError> {
    let failed = |source| InstallError::Write { path: into.to_owned(), source };
    let file = File::open(archive).map_err(failed)?;
    let bar = progress(file.metadata().map_err(failed)?.len(), "unpacking");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bar.wrap_read(file)));
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        if entry.path().map_err(failed)?.as_ref() == Path::new(package.library) {
            let mut library = File::create(into).map_err(failed)?;
            io::copy(&mut entry, &mut library).map_err(failed)?;
            library.flush().map_err(failed)?;
            // Found again after a power cut, it must be whole.
            library.sync_all().map_err(failed)?;
            bar.finish_and_clear();
            return Ok(());
        }
    }
    Err(InstallError::NoLibrary(package.library))
}

fn read(
    path: &Path,
    what: &'static str,
    mut see: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), InstallError> {
    let failed = |source| InstallError::Write { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let bar = progress(file.metadata().map_err(failed)?.len(), what);
    let mut file = bar.wrap_read(file);
    let mut piece = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut piece).map_err(failed)?;
        if length == 0 {
            bar.finish_and_clear();
            return Ok(());
        }
        see(&piece[..length]).map_err(failed)?;
    }
}

fn progress(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}");
    ProgressBar::new(length)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
mod tests {
    use super::*;

    fn archive(directory: &Path, name: &str, content: &[u8]) -> PathBuf {
        let path = directory.join("package.tgz");
        let encoder =
            flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(encoder);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, content).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn another_package_under_the_same_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = archive(directory.path(), "package/libchdb.so", b"not the engine");
        assert!(matches!(verify(&PACKAGE.unwrap(), &path), Err(InstallError::Checksum { .. })));
    }

    #[test]
    fn the_library_is_taken_out_of_its_package() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path().join("library");
        let path = archive(directory.path(), "package/libchdb.so", b"engine");
        unpack(&PACKAGE.unwrap(), &path, &into).unwrap();
        assert_eq!(fs::read(&into).unwrap(), b"engine");
        let path = archive(directory.path(), "package/other.so", b"engine");
        assert!(matches!(unpack(&PACKAGE.unwrap(), &path, &into), Err(InstallError::NoLibrary(_))));
    }
}
