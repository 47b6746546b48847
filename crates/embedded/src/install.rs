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
        "cannot install the ClickHouse engine from npm; you can also provide a libchdb {VERSION} yourself"
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

/// Fetches the library into a cache directory unless it is there, and returns its path.
///
/// # Errors
/// When the package cannot be fetched, has the wrong checksum, or cannot be unpacked.
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
    let write_error = |path: &Path| {
        let path = path.to_owned();
        |source| InstallError::Write { path, source }
    };
    // Each process stages in its own directory, so two installations at once do not collide before the rename.
    let staging = directory.with_extension(format!("{}.new", std::process::id()));
    fs::create_dir_all(&staging).map_err(write_error(&staging))?;
    let installed =
        package.fetch(&staging).and_then(|archive| package.unpack(&archive, &staging, &[(LIBRARY, LIBRARY)]));
    let installed = installed.map_err(InstallError::from).and_then(|()| {
        fs::create_dir_all(directory).map_err(write_error(directory))?;
        fs::rename(staging.join(LIBRARY), target).map_err(write_error(target))
    });
    // A staging directory that stays behind costs space only.
    let _ignored = fs::remove_dir_all(&staging);
    installed
}
