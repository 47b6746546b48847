//! Days of the operator's zone: when a day begins and ends, and when it can be closed. No I/O.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Events are counted in steps of so many seconds: the offset of every zone in use is a multiple of it.
pub(crate) const QUARTER: i64 = 15 * 60;
/// How long after its end a day is closed: five minutes for events that are still in spools.
const SETTLE: i64 = 5 * 60;

/// A day of the operator's zone. Times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) date: Date,
    pub(crate) starts: i64,
    pub(crate) ends: i64,
}

impl Day {
    /// The first moment at which it can be closed.
    pub(crate) fn closes(&self) -> i64 {
        self.ends + SETTLE
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    pub(crate) zone: TimeZone,
}

impl Calendar {
    /// The day at a Unix time in seconds.
    pub(crate) fn day_at(&self, second: i64) -> Option<Day> {
        let zoned = Timestamp::from_second(second).ok()?.to_zoned(self.zone.clone());
        self.day(zoned.date())
    }

    /// `None` outside the range of dates.
    pub(crate) fn day(&self, date: Date) -> Option<Day> {
        Some(Day { date, starts: self.start(date)?, ends: self.start(date.tomorrow().ok()?)? })
    }

    /// The first moment of a day. That is after midnight where the clocks skip midnight.
    fn start(&self, date: Date) -> Option<i64> {
        Some(date.to_zoned(self.zone.clone()).ok()?.timestamp().as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zone: &str) -> Calendar {
        Calendar { zone: TimeZone::get(zone).expect("a zone") }
    }

    fn second(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a time").as_second()
    }

    #[test]
    fn a_day_is_as_long_as_its_clocks_say() {
        let day = |date: &str| calendar("Europe/Berlin").day(date.parse().expect("a date")).expect("a day");
        let hours = |date: &str| (day(date).ends - day(date).starts) / 3600;
        assert_eq!(hours("2026-03-28"), 24);
        assert_eq!(hours("2026-03-29"), 23);
        assert_eq!(hours("2026-10-25"), 25);
    }

    #[test]
    fn a_day_closes_five_minutes_after_its_end() {
        let day = calendar("Europe/Berlin").day_at(second("2026-11-20T12:00:00Z")).expect("a day");
        assert_eq!(day.starts, second("2026-11-19T23:00:00Z"));
        assert_eq!(day.ends, second("2026-11-20T23:00:00Z"));
        assert_eq!(day.closes(), second("2026-11-20T23:05:00Z"));
    }

    #[test]
    fn a_day_whose_midnight_the_clocks_skip_begins_after_the_gap() {
        let day = calendar("Africa/Cairo").day("2026-04-24".parse().expect("a date")).expect("a day");
        assert_eq!(day.starts, second("2026-04-23T22:00:00Z"));
        assert_eq!(day.ends - day.starts, 23 * 3600);
    }
}
