//! Why the spool refuses, or could not do something.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::MAX_FRAME_LEN;
use crate::secret::directory::UnusableDirectory;

#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// The spool holds its maximum of bytes, or more waits in memory than the disk can take.
    #[error("the spool is full: it holds {bytes} of at most {max} bytes")]
    Full { bytes: u64, max: u64 },
    #[error(
        "the disk has {free} bytes left, and the spool keeps {reserve} free; make room, or lower spool.reserve"
    )]
    NoSpace { free: u64, reserve: u64 },
    /// A write or a sync failed; only a restart helps.
    #[error("the spool is broken: {0}")]
    Broken(Arc<str>),
    #[error("the spool is closed")]
    Closed,
    #[error("a frame of {bytes} bytes is longer than {MAX_FRAME_LEN}")]
    TooLarge { bytes: usize },
    #[error(
        "{0} is in use: a collector runs there or is still stopping; stop it or wait for it. A second one needs a data directory of its own"
    )]
    Locked(PathBuf),
    /// The identity file cannot be parsed.
    #[error("{0} is not the identity of a spool; move it away, and a new one will be made")]
    Identity(PathBuf),
    #[error(
        "{directory} holds a spool of an earlier format ({found}); this program reads format {supported}: \
         have the version that wrote it ship all of it, then delete or move the directory"
    )]
    Format { directory: PathBuf, found: String, supported: u16 },
    #[error(transparent)]
    Unusable(Arc<UnusableDirectory>),
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: Arc<io::Error> },
}

impl SpoolError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_no_space(source))
    }
}

/// Whether the disk, or this process's quota of it, is full.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
