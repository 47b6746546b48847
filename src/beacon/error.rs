//! Why bytes are not a beacon.

use std::borrow::Cow;

/// Neither part repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct MalformedBeacon {
    pub problem: Cow<'static, str>,
    /// Path of the field, such as `e[2].k`; `body` for the whole.
    pub path: String,
}

impl MalformedBeacon {
    pub fn new(path: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { problem: problem.into(), path: path.into() }
    }
}
