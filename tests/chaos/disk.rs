//! A small disk for the spool that can be filled: ext4 in a file, or tmpfs if there are no loop devices.
//!
//! Both need the right to mount. Without it the disk does not exist, and the results say so.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Larger than the minimum of `spool.max_bytes`, with room for the metadata of ext4.
const BYTES: u64 = 160 << 20;
/// The disk is filled with pieces of this size until one does not fit.
const PIECE: usize = 64 << 10;

/// Dropping it unmounts it.
pub struct SmallDisk {
    mounted: PathBuf,
    /// `ext4` or `tmpfs`.
    pub kind: &'static str,
}

impl SmallDisk {
    /// Mounts a small disk at `at` with its image in `directory`. Returns `None` if that is not permitted.
    pub fn mount(directory: &Path, at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).ok()?;
        let kind = if ext4(&directory.join("disk"), at) {
            "ext4"
        } else if run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={BYTES}"), "tmpfs"])
            .arg(at))
        {
            "tmpfs"
        } else {
            return None;
        };
        Some(Self { mounted: at.to_owned(), kind })
    }

    pub fn fill(&self) {
        use std::io::Write;
        let Ok(mut ballast) = File::create(self.ballast()) else { return };
        let piece = vec![0; PIECE];
        while ballast.write_all(&piece).is_ok() {}
        // A file system with delayed allocation must allocate the blocks of this file now.
        let _ = ballast.sync_all();
    }

    pub fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.mounted.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The kernel unmounts the disk when the last process with an open file on it has ended.
        run(Command::new("umount").arg("--lazy").arg(&self.mounted));
    }
}

fn ext4(image: &Path, at: &Path) -> bool {
    let made = File::create(image).and_then(|file| file.set_len(BYTES)).is_ok();
    made && run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(image))
        && run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(at))
}

fn run(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
