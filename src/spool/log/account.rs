//! What the layer above keeps of each segment, and writes behind its frames at seal.

use super::frame::FrameRef;

/// A text that describes the payloads of one kind of frame. The log keeps it in the header of each segment and does not read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PayloadSchema {
    /// The kind's byte.
    pub(crate) kind: u8,
    pub(crate) text: String,
}

/// Numbers of rows in a segment, which the seal repeats so that nobody has to read the segment. The log adds them up to bound a segment.
pub(crate) type SealTotals = [u64; 2];

/// Counts the records of one segment. A new segment begins with the default.
pub(crate) trait SegmentAccount: Default + Send + 'static {
    /// Small facts that are gathered in memory and become records of the next batch.
    type Deferred: Default + Send;

    /// Schemas for the header of a new segment.
    fn schemas() -> Vec<PayloadSchema>;

    /// Appends the frames of deferred facts, to be stamped. `now` is Unix ms.
    fn encode_deferred(deferred: &Self::Deferred, now: i64, out: &mut Vec<u8>);

    /// `fallback`, in Unix ms, stands for a time that the record does not tell.
    ///
    /// # Errors
    /// Says what is wrong with the payload. The segment then counts as damaged.
    fn add(&mut self, record: &FrameRef<'_>, fallback: i64) -> Result<(), String>;

    fn totals(&self) -> SealTotals;

    /// Payloads of the summary frames; each fits a frame.
    fn encode_summary(&self) -> Vec<Vec<u8>>;

    /// Adds the payload of a summary frame. `None`: the payload is not one.
    fn decode_summary(&mut self, payload: &[u8]) -> Option<()>;

    /// Takes over the totals of a seal, after [`SegmentAccount::decode_summary`] of all summary frames.
    fn set_totals(&mut self, totals: SealTotals);
}

/// Reads the newest records while recovery scans the segments, newest first.
pub(crate) trait RecentRecords<A> {
    /// Begins with the next older segment. Returns whether its records are wanted.
    fn begin_segment(&mut self) -> bool;
    fn add(&mut self, record: &FrameRef<'_>);
    /// Ends with a segment that was read. It is not called for a damaged one.
    fn end_segment(&mut self, account: &A);
}
