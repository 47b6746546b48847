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

/// A part of a beacon that was not kept. The rest of the beacon was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub fault: MalformedBeacon,
    /// Whether the whole event is missing, not just the field.
    pub is_event: bool,
}

impl LeftOut {
    pub fn event(fault: MalformedBeacon) -> Self {
        Self { fault, is_event: true }
    }

    pub fn field(fault: MalformedBeacon) -> Self {
        Self { fault, is_event: false }
    }
}
