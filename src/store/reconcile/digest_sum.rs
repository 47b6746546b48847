//! Numbers of events together with a digest of which events they are.

use crate::spool::SegmentId;

/// A number of events and the sum of their digests, modulo 2^64. Differences may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct DigestSum {
    pub(super) events: i64,
    pub(super) digest: u64,
}

impl DigestSum {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            events: self.events.wrapping_add(other.events),
            digest: self.digest.wrapping_add(other.digest),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            events: self.events.wrapping_sub(other.events),
            digest: self.digest.wrapping_sub(other.digest),
        }
    }

    pub(super) fn times(self, times: i64) -> Self {
        Self {
            events: self.events.wrapping_mul(times),
            digest: self.digest.wrapping_mul(times.cast_unsigned()),
        }
    }
}

/// The events of one segment of a day and site.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShippedSegment {
    pub(super) id: SegmentId,
    pub(super) sum: DigestSum,
    /// Unix ms of receipt.
    pub(super) first: i64,
    pub(super) last: i64,
}

/// The events that were shipped of a day and site, and those that were removed on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SegmentTotals {
    pub(super) shipped: DigestSum,
    pub(super) removed: DigestSum,
}

impl SegmentTotals {
    pub(super) fn expected(self) -> DigestSum {
        self.shipped.minus(self.removed)
    }
}
