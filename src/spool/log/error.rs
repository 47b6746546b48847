//! Why the spool does not take, give or keep something.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::spool::MAX_FRAME_LEN;

/// Why the spool did not take something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// It holds as much as it may, or the disk is behind by more than memory may hold.
    #[error("the spool is full: it holds {bytes} of at most {max} bytes")]
    Full {
        /// Bytes on disk.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// Less space is left on the disk than is to be kept free.
    #[error(
        "the disk has {free} bytes left, and the spool keeps {reserve} free; make room, or lower spool.reserve"
    )]
    NoSpace {
        /// Bytes left on its file system.
        free: u64,
        /// What is kept free.
        reserve: u64,
    },
    /// A write or a sync failed; only a restart helps.
    #[error("the spool is broken: {0}")]
    Broken(Arc<str>),
    /// It was closed.
    #[error("the spool is closed")]
    Closed,
    /// The frame is over [`MAX_FRAME_LEN`].
    #[error("a frame of {bytes} bytes is over the bound of {MAX_FRAME_LEN}")]
    TooLarge {
        /// Length of the frame.
        bytes: usize,
    },
    /// Another process works in the directory.
    #[error("{0} is in use by another collector; give each its own data directory")]
    Locked(PathBuf),
    /// The identity file is not one.
    #[error("{0} is not the identity of a spool; move it away, and a new one will be made")]
    Identity(PathBuf),
    /// The disk said no.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was to be done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl SpoolError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    /// Whether it is a file that is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the disk is full.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_no_space(source))
    }
}

/// Whether the disk, or what this process may take of it, is full.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
