//! The engine's library: fetched once into a cache directory.
//!
//! It comes from a pinned npm package. The file appears under its final name only when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use npm_package::{Package, PackageError};

/// The release of `libchdb` that this crate is written and tested for.
pub const VERSION: &str = "26.7.3-stable.1";

const LIBRARY: &str = "libchdb.so";

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
const PACKAGE: Option<Package> = Some(Package {
    name: "@chdb/lib-linux-x64-gnu",
    version: VERSION,
    size: "178 MB",
    integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
});
// The packages of other systems are not pinned: their checksums have not been verified.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
const PACKAGE: Option<Package> = None;

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(
        "no package of the ClickHouse engine is pinned for this system: provide a libchdb {VERSION} yourself"
    )]
    Unsupported,
    #[error(
        "cannot install the ClickHouse engine; its archive is {url}, which may be fetched by other means",
        url = url().unwrap_or_default()
    )]
    Package(#[from] PackageError),
    #[error("cannot write the ClickHouse engine to {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The cache directory of a program: `$XDG_CACHE_HOME/PROGRAM` or `~/.cache/PROGRAM`; `None` when neither variable is set.
pub fn cache_directory(program: &str) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join(program))
}

/// The path of the library that [`install`] writes below a cache directory.
///
/// # Errors
/// When no package is pinned for this system.
pub fn path_in(cache: &Path) -> Result<PathBuf, InstallError> {
    PACKAGE.ok_or(InstallError::Unsupported)?;
    Ok(cache.join(format!("libchdb-{VERSION}")).join(LIBRARY))
}

/// Where the archive is that holds the library; `None` when no package is pinned for this system.
pub fn url() -> Option<String> {
    PACKAGE.map(|package| package.url())
}

/// Fetches the library into a cache directory unless it is there, and returns its path.
///
/// # Errors
/// When the package cannot be fetched, has the wrong checksum, or cannot be unpacked.
pub fn install(cache: &Path) -> Result<PathBuf, InstallError> {
    install_with(cache, |package, staging| package.fetch(staging))
}

/// The same, from an archive that was fetched by other means.
///
/// # Errors
/// When the archive has the wrong checksum, or cannot be unpacked.
pub fn install_from(archive: &Path, cache: &Path) -> Result<PathBuf, InstallError> {
    install_with(cache, |package, _| package.check(archive).map(|()| archive.to_owned()))
}

/// `archive` returns the path of the checked archive.
fn install_with(
    cache: &Path,
    archive: impl FnOnce(&Package, &Path) -> Result<PathBuf, PackageError>,
) -> Result<PathBuf, InstallError> {
    let path = path_in(cache)?;
    if !path.is_file() {
        unpack(&path, archive)?;
    }
    Ok(path)
}

fn unpack(
    target: &Path,
    archive: impl FnOnce(&Package, &Path) -> Result<PathBuf, PackageError>,
) -> Result<(), InstallError> {
    let package = PACKAGE.ok_or(InstallError::Unsupported)?;
    let directory = target.parent().unwrap_or(target);
    let write_error = |path: &Path| {
        let path = path.to_owned();
        |source| InstallError::Write { path, source }
    };
    // Each process stages in its own directory, so two installations at once do not collide before the rename.
    let staging = directory.with_extension(format!("{}.new", std::process::id()));
    fs::create_dir_all(&staging).map_err(write_error(&staging))?;
    let installed = archive(&package, &staging)
        .and_then(|archive| package.unpack(&archive, &staging, &[(LIBRARY, LIBRARY)]));
    let installed = installed.map_err(InstallError::from).and_then(|()| {
        fs::create_dir_all(directory).map_err(write_error(directory))?;
        fs::rename(staging.join(LIBRARY), target).map_err(write_error(target))
    });
    // A staging directory that stays behind costs space only.
    let _ignored = fs::remove_dir_all(&staging);
    installed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_is_not_the_pinned_one_is_refused_and_leaves_nothing() {
        let Some(package) = PACKAGE else { return };
        let directory = tempfile::tempdir().unwrap();
        let (archive, cache) = (directory.path().join("engine.tgz"), directory.path().join("cache"));
        fs::write(&archive, "another archive").unwrap();
        let error = install_from(&archive, &cache).unwrap_err();
        assert!(matches!(error, InstallError::Package(PackageError::Checksum { .. })), "{error}");
        assert!(error.to_string().contains(&package.url()), "{error}");
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
        // An engine that is there is taken as it is.
        let path = path_in(&cache).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "engine").unwrap();
        assert_eq!(install_from(&archive, &cache).unwrap(), path);
    }
}
