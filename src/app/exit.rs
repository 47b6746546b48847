//! How a command fails: an exit code and a cause.

use std::error::Error;

/// Exit codes; `docs/operations/running.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// The configuration is wrong, or it names something that cannot be used.
    Configuration = 3,
    /// `verify` found that events are missing or stored twice.
    Discrepancy = 4,
    /// The spool's disk failed. No acknowledged event is lost; start the collector again.
    Spool = 5,
    /// Nodes of the store's cluster were left out: they do not answer.
    Incomplete = 6,
}

#[derive(Debug)]
pub struct ExitError {
    exit: Exit,
    cause: Box<dyn Error + Send + Sync>,
}

impl ExitError {
    pub fn new(exit: Exit, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, cause: cause.into() }
    }

    pub fn exit(&self) -> Exit {
        self.exit
    }

    pub fn cause(&self) -> &(dyn Error + 'static) {
        &*self.cause
    }
}

/// Any error may end a command with [`Exit::Failed`]. For this conversion, `ExitError` itself must not be an [`Error`].
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for ExitError {
    fn from(cause: E) -> Self {
        Self::new(Exit::Failed, cause)
    }
}
