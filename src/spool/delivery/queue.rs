//! The segments that wait to be shipped.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::spool::log::segment::SegmentId;
use crate::spool::log::state::{SealedFile, SegmentSink};

/// A segment that waits to be shipped.
#[derive(Debug, Clone, Copy)]
pub struct SealedSegment {
    /// Id and insert deduplication token.
    pub id: SegmentId,
    pub(crate) events: u64,
    /// Rows of the audit.
    pub(crate) audit: u64,
    /// Offset of the frames of counts.
    pub(crate) counts_at: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Unix ms.
    pub(crate) created: i64,
    /// It may have been sent before, by this process or an earlier one.
    pub(crate) in_doubt: bool,
}

impl SealedSegment {
    pub fn events(&self) -> u64 {
        self.events
    }
}

impl From<SealedFile> for SealedSegment {
    fn from(file: SealedFile) -> Self {
        let [events, audit] = file.seal.totals;
        Self {
            id: file.id,
            events,
            audit,
            counts_at: file.seal.summary_at,
            bytes: file.bytes,
            created: file.created,
            in_doubt: file.is_recovered,
        }
    }
}

/// The segments that wait to be shipped, in the order of their creation.
#[derive(Debug, Default)]
pub(crate) struct DeliveryQueue {
    segments: Mutex<VecDeque<SealedSegment>>,
    changed: Notify,
}

impl DeliveryQueue {
    /// `segments` are in the order of their creation.
    pub(crate) fn new(segments: impl IntoIterator<Item = SealedSegment>) -> Self {
        Self { segments: Mutex::new(segments.into_iter().collect()), changed: Notify::new() }
    }

    /// Returns the oldest segment, once there is one. It stays in the queue.
    pub(crate) async fn next(&self) -> SealedSegment {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(segment) = self.oldest() {
                return segment;
            }
            changed.await;
        }
    }

    pub(crate) fn oldest(&self) -> Option<SealedSegment> {
        self.segments.lock().front().copied()
    }

    pub(crate) fn contains(&self, id: SegmentId) -> bool {
        self.segments.lock().iter().any(|segment| segment.id == id)
    }

    /// Inserts a segment in the order of creation, in the place of one with the same id. That one is gone, although a failing disk may
    /// have kept anyone from noting it. Returns the bytes of the replaced segment.
    pub(crate) fn insert(&self, segment: SealedSegment) -> u64 {
        let mut segments = self.segments.lock();
        let same = segments.iter().filter(|other| other.id == segment.id);
        let replaced = same.map(|other| other.bytes).sum();
        segments.retain(|other| other.id != segment.id);
        let order = |id: SegmentId| id.creation_order();
        let at = segments.partition_point(|other| order(other.id) < order(segment.id));
        segments.insert(at, segment);
        drop(segments);
        self.changed.notify_waiters();
        replaced
    }

    pub(crate) fn all_created_after(&self, moment: i64) -> bool {
        self.segments.lock().iter().all(|segment| segment.created > moment)
    }

    pub(crate) fn remove(&self, id: SegmentId) {
        self.segments.lock().retain(|other| other.id != id);
    }

    pub(crate) fn set_in_doubt(&self, id: SegmentId) {
        let mut segments = self.segments.lock();
        segments.iter_mut().filter(|segment| segment.id == id).for_each(|segment| segment.in_doubt = true);
    }

    /// Number of segments, events in them, and when the oldest was created, Unix ms.
    pub(crate) fn summary(&self) -> (usize, u64, Option<i64>) {
        let segments = self.segments.lock();
        let events = segments.iter().map(|segment| segment.events).sum();
        (segments.len(), events, segments.front().map(|segment| segment.created))
    }
}

impl SegmentSink for DeliveryQueue {
    fn accept(&self, segment: SealedFile) {
        self.segments.lock().push_back(segment.into());
        self.changed.notify_waiters();
    }

    fn backlog(&self) -> usize {
        self.segments.lock().len()
    }
}

#[cfg(test)]
impl DeliveryQueue {
    pub(crate) fn segments(&self) -> Vec<SealedSegment> {
        self.segments.lock().iter().copied().collect()
    }

    /// Adds segments behind the others, as they are.
    pub(crate) fn extend(&self, segments: impl IntoIterator<Item = SealedSegment>) {
        self.segments.lock().extend(segments);
    }

    pub(crate) fn pop_oldest(&self) -> Option<SealedSegment> {
        self.segments.lock().pop_front()
    }
}
