//! The id of a segment.

use std::fmt;

const SUFFIX: &str = ".segment";

/// Id of a segment, never used twice. Its text names the file and is the insert deduplication token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// Random number of the spool's directory.
    pub collector: u64,
    /// Counts up within the directory.
    pub number: u64,
}

impl SegmentId {
    pub fn file_name(self) -> String {
        format!("{self}{SUFFIX}")
    }

    pub fn from_file_name(file: &str) -> Option<Self> {
        Self::from_name_with_suffix(file, SUFFIX)
    }

    pub(crate) fn from_name_with_suffix(file: &str, suffix: &str) -> Option<Self> {
        Self::parse(file.strip_suffix(suffix)?)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (collector, number) = text.split_once('-')?;
        let id = Self { collector: u64::from_str_radix(collector, 16).ok()?, number: number.parse().ok()? };
        (id.to_string() == text).then_some(id)
    }

    /// Sorts by number: the order in which segments were created, also of those that were made from another one.
    pub(crate) fn creation_order(self) -> (u64, u64) {
        (self.number, self.collector)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:010}", self.collector, self.number)
    }
}
