//! Days of receipt, in UTC.

use crate::event::UnixMillis;

const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// The day of a time, in days since 1970-01-01. A day that ClickHouse's `Date` cannot hold becomes its first or last.
pub(crate) fn day_of(time: UnixMillis) -> u16 {
    u16::try_from(time.0.div_euclid(MS_PER_DAY).clamp(0, u16::MAX.into())).expect("it was clamped")
}
