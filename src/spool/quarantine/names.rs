//! Names and endings of files in quarantine.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::spool::log::segment::SegmentId;

/// A quarantined segment.
pub(crate) const SEGMENT: &str = ".segment";
/// A damaged segment whose whole frames were copied into another one.
pub(crate) const SALVAGED: &str = ".salvaged";
/// The tombstone of what was not whole in a salvaged segment.
pub(crate) const SALVAGED_TOMBSTONE: &str = ".salvaged.tombstone";
/// The tombstone of a discarded segment that is not in the audit yet.
pub(crate) const PENDING_TOMBSTONE: &str = ".tombstone.pending";
/// The tombstone of a discarded segment.
pub(crate) const TOMBSTONE: &str = ".tombstone";
/// A segment whose split parts replace it.
pub(crate) const SPLIT: &str = ".split";
/// Stands between a segment's name and a day in the name of a tombstone of expired events.
const EXPIRED: &str = ".expired-";

/// Stands between a segment's name and a request in the name of a tombstone of erased events.
const ERASED: &str = ".erased-";

/// The tombstone of a segment's events that were erased on a visitor's request. The audit has the request itself.
pub(crate) fn erased_name(id: SegmentId, request: &str) -> String {
    format!("{id}{ERASED}{request}{TOMBSTONE}")
}

/// Whether a name is one of [`erased_name`], without its ending.
pub(crate) fn is_erased_name(name: &str) -> bool {
    name.split_once(ERASED).is_some_and(|(id, _)| SegmentId::parse(id).is_some())
}

/// Name, without its ending, of the tombstone of a segment's events that might be kept until `day`.
pub(crate) fn expired_name(id: SegmentId, day: u16) -> String {
    format!("{id}{EXPIRED}{}", day_text(day))
}

/// The segment and the day of [`expired_name`].
pub(crate) fn parse_expired_name(name: &str) -> Option<(SegmentId, u16)> {
    let (id, day) = name.split_once(EXPIRED)?;
    let days = day.parse::<Date>().ok()?.since(EPOCH).ok()?.get_days();
    let (id, day) = (SegmentId::parse(id)?, u16::try_from(days).ok()?);
    (expired_name(id, day) == name).then_some((id, day))
}

const EPOCH: Date = date(1970, 1, 1);

/// A day, in days since 1970-01-01, as `YYYY-MM-DD`.
pub(crate) fn day_text(day: u16) -> String {
    EPOCH.checked_add(i64::from(day).days()).expect("2^16 days end in the year 2149").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_tombstone_of_expired_events_is_read_back() {
        let id = SegmentId { collector: 7, number: 42 };
        assert_eq!(expired_name(id, 20_000), format!("{id}.expired-2024-10-04"));
        for day in [1, 59, 20_000, u16::MAX] {
            assert_eq!(parse_expired_name(&expired_name(id, day)), Some((id, day)));
        }
        for name in ["", ".expired-2024-10-04", "a.expired-2024-10-04"] {
            assert_eq!(parse_expired_name(name), None);
        }
        assert_eq!(
            parse_expired_name(&format!("{id}.expired-20241004")),
            None,
            "another way to write the day"
        );
    }
}
