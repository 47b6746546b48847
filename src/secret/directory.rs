//! Whether a directory can be used, found without changing anything in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// `f_type` of file systems of the kernel (linux/magic.h): proc, sysfs, cgroup, cgroup2, devpts. Nobody can make files there.
#[cfg(target_os = "linux")]
const WITHOUT_FILES: [i64; 5] = [0x9fa0, 0x6265_6572, 0x27_e0eb, 0x6367_7270, 0x1cd1];
/// `f_type` of tmpfs and ramfs (linux/magic.h).
#[cfg(target_os = "linux")]
const RAM_BACKED: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Why this process cannot work in a directory.
#[derive(Debug, thiserror::Error)]
pub enum UnusableDirectory {
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("{} is a symbolic link that leads nowhere", .0.display())]
    DanglingLink(PathBuf),
    #[error("{} is on a file system of the kernel, where no files can be made", .0.display())]
    WithoutFiles(PathBuf),
    #[error("this process may not {action} {}: {source}", path.display())]
    Denied { action: &'static str, path: PathBuf, source: io::Error },
}

/// Checks that this process can read and write in `directory`, or create it. Returns the part of its path that exists.
pub(crate) fn check_usable(directory: &Path) -> Result<PathBuf, UnusableDirectory> {
    let denied =
        |action, path: &Path, source| UnusableDirectory::Denied { action, path: path.to_owned(), source };
    let path = std::path::absolute(directory).map_err(|source| denied("find", directory, source))?;
    let existing = existing_part(&path)?;
    if !existing.is_dir() {
        return Err(UnusableDirectory::NotADirectory(existing));
    }
    let missing = existing != path;
    let action = if missing { "create directories in" } else { "write to" };
    if is_without_files(&existing).map_err(|source| denied(action, &existing, source))? {
        return Err(UnusableDirectory::WithoutFiles(existing));
    }
    check_access(&existing, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|source| denied(action, &existing, source))?;
    if !missing {
        check_access(&existing, Access::READ_OK).map_err(|source| denied("read", &existing, source))?;
    }
    Ok(existing)
}

/// Checks that this process can read and write each entry of a directory. Entries that go away meanwhile are left out.
pub(crate) fn check_entries(directory: &Path) -> Result<(), UnusableDirectory> {
    let denied =
        |action, path: &Path, source| UnusableDirectory::Denied { action, path: path.to_owned(), source };
    let entries = fs::read_dir(directory).map_err(|source| denied("read", directory, source))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        match check_access(&path, Access::READ_OK | Access::WRITE_OK) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            checked => checked.map_err(|source| denied("read and write", &path, source))?,
        }
    }
    Ok(())
}

/// The longest part of an absolute path that exists.
fn existing_part(path: &Path) -> Result<PathBuf, UnusableDirectory> {
    for part in path.ancestors() {
        match fs::metadata(part) {
            Ok(_) => return Ok(part.to_owned()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                if fs::symlink_metadata(part).is_ok() {
                    return Err(UnusableDirectory::DanglingLink(part.to_owned()));
                }
            }
            Err(source) => {
                return Err(UnusableDirectory::Denied { action: "look into", path: part.to_owned(), source });
            }
        }
    }
    Ok(PathBuf::from("/"))
}

/// By the rights that the process has in effect.
fn check_access(path: &Path, access: Access) -> io::Result<()> {
    Ok(accessat(CWD, path, access, AtFlags::EACCESS)?)
}

/// Whether files in `directory` are kept in memory alone. Other systems than Linux do not say.
pub(crate) fn is_ram_backed(directory: &Path) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    return is_one_of(directory, &RAM_BACKED);
    #[cfg(not(target_os = "linux"))]
    return Ok(false);
}

fn is_without_files(directory: &Path) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    return is_one_of(directory, &WITHOUT_FILES);
    #[cfg(not(target_os = "linux"))]
    return Ok(false);
}

#[cfg(target_os = "linux")]
fn is_one_of(directory: &Path, kinds: &[i64]) -> io::Result<bool> {
    let kind = rustix::fs::statfs(directory)?.f_type;
    // The width of `f_type` differs between architectures; a magic number never has more than 32 bits.
    Ok(kinds.contains(&(kind as i64 & 0xffff_ffff)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_directory_that_can_be_used_or_made_is_accepted_and_nothing_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b/c");
        assert_eq!(check_usable(&deep).unwrap(), directory.path());
        assert_eq!(check_usable(directory.path()).unwrap(), directory.path());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let link = directory.path().join("link");
        symlink(directory.path().join("nowhere"), &link).unwrap();
        for (path, expected) in [
            (file.clone(), "file is not a directory"),
            (file.join("below"), "file is not a directory"),
            (link.clone(), "link is a symbolic link that leads nowhere"),
            (link.join("below"), "link is a symbolic link that leads nowhere"),
            (PathBuf::from("/proc/footfall"), "/proc is on a file system of the kernel"),
            (PathBuf::from("/sys/footfall/data"), "/sys is on a file system of the kernel"),
        ] {
            let error = check_usable(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{}: {error}", path.display());
        }
    }
}
