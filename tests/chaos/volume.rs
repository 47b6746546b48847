//! A small disk of its own for the spool, which can be filled: ext4 in a file, or a tmpfs where loop devices are missing.
//! Both need the right to mount; without it there is no such disk, and the run says so.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Above the least that `spool.max_bytes` can be, with room for ext4's own.
const BYTES: u64 = 160 << 20;
/// Ballast is written in pieces of this size until one does not fit.
const PIECE: usize = 64 << 10;

/// A mounted disk; unmounted when dropped.
pub struct Volume {
    mounted: PathBuf,
    /// `ext4` or `tmpfs`.
    pub kind: &'static str,
}

impl Volume {
    /// Mounts a small disk at `at`, its image in `directory`; none where that is not allowed.
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

    /// Takes all the space that is left.
    pub fn fill(&self) {
        use std::io::Write;
        let Ok(mut ballast) = File::create(self.ballast()) else { return };
        let piece = vec![0; PIECE];
        while ballast.write_all(&piece).is_ok() {}
        // A file system that gives out blocks late must do it now, while it is this file that gets the last of them.
        let _ = ballast.sync_all();
    }

    /// Gives it back.
    pub fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.mounted.join("ballast")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Whoever still has a file open there has been killed; the mount goes when the last of them is gone.
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
