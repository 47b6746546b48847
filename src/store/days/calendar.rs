//! Days of the operator's zone: when a day begins and ends, and when it can be closed. No I/O.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Events are counted in steps of so many seconds: the offset of every zone in use is a multiple of it.
pub(crate) const QUARTER: i64 = 15 * 60;
/// How long after the last key of a day has ended the day is closed: the longest gap within a visit, and five minutes for events
/// that are still in spools.
const SETTLE: i64 = 35 * 60;

/// A day of the operator's zone. Times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) date: Date,
    pub(crate) starts: i64,
    pub(crate) ends: i64,
    /// The first quarter of an hour at or after the change of the key that follows the day's end. Later events have no pseudonym of
    /// this day.
    pub(crate) until: i64,
}

impl Day {
    /// The first moment at which it can be closed.
    pub(crate) fn closes(&self) -> i64 {
        self.until + SETTLE
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    pub(crate) zone: TimeZone,
    pub(crate) rotate_at: Time,
}

impl Calendar {
    /// The day at a Unix time in seconds.
    pub(crate) fn day_at(&self, second: i64) -> Option<Day> {
        let zoned = Timestamp::from_second(second).ok()?.to_zoned(self.zone.clone());
        self.day(zoned.date())
    }

    /// `None` outside the range of dates.
    pub(crate) fn day(&self, date: Date) -> Option<Day> {
        let next = date.tomorrow().ok()?;
        let starts = self.instant(date, Time::midnight())?;
        let ends = self.instant(next, Time::midnight())?;
        let mut turn = self.instant(next, self.rotate_at)?;
        if turn < ends {
            turn = self.instant(next.tomorrow().ok()?, self.rotate_at)?;
        }
        let until =
            turn.div_euclid(QUARTER) * QUARTER + if turn.rem_euclid(QUARTER) == 0 { 0 } else { QUARTER };
        Some(Day { date, starts, ends, until })
    }

    /// The day of `first` and the following days, as long as they can be closed at `now`.
    pub(crate) fn closable(&self, first: i64, now: i64) -> impl Iterator<Item = Day> {
        let mut next = self.day_at(first);
        std::iter::from_fn(move || {
            let day = next.take().filter(|day| day.closes() <= now)?;
            next = day.date.checked_add(Span::new().days(1)).ok().and_then(|date| self.day(date));
            Some(day)
        })
    }

    /// A local time as Unix seconds. A time that the clocks skip is shifted by the length of the gap. Of a time that occurs twice, the
    /// first is meant.
    fn instant(&self, date: Date, time: Time) -> Option<i64> {
        Some(date.to_datetime(time).to_zoned(self.zone.clone()).ok()?.timestamp().as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin(rotate_at: &str) -> Calendar {
        Calendar {
            zone: TimeZone::get("Europe/Berlin").expect("a zone"),
            rotate_at: rotate_at.parse().expect("a time"),
        }
    }

    fn second(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a time").as_second()
    }

    #[test]
    fn a_day_is_as_long_as_its_clocks_say() {
        let day = |date: &str| berlin("04:00").day(date.parse().expect("a date")).expect("a day");
        let hours = |date: &str| (day(date).ends - day(date).starts) / 3600;
        assert_eq!(hours("2026-03-28"), 24);
        assert_eq!(hours("2026-03-29"), 23);
        assert_eq!(hours("2026-10-25"), 25);
    }

    #[test]
    fn a_day_closes_after_the_turn_of_the_key_that_follows_its_end() {
        let day = berlin("04:00").day_at(second("2026-11-20T12:00:00Z")).expect("a day");
        assert_eq!(day.starts, second("2026-11-19T23:00:00Z"));
        assert_eq!(day.ends, second("2026-11-20T23:00:00Z"));
        assert_eq!(day.until, second("2026-11-21T03:00:00Z"));
        assert_eq!(day.closes(), second("2026-11-21T03:35:00Z"));
    }

    #[test]
    fn a_key_that_turns_at_midnight_closes_the_day_at_once_and_an_odd_minute_rounds_up() {
        let day = |rotate_at: &str| berlin(rotate_at).day_at(second("2026-11-20T12:00:00Z")).expect("a day");
        assert_eq!(day("00:00").until, day("00:00").ends);
        assert_eq!(day("00:01").until, day("00:01").ends + QUARTER);
    }

    #[test]
    fn a_turn_that_the_clocks_jump_over_is_still_after_midnight() {
        let day = berlin("02:30").day("2026-03-28".parse().expect("a date")).expect("a day");
        assert_eq!(day.until, second("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn only_days_whose_visitors_are_forgotten_are_closable() {
        let calendar = berlin("04:00");
        let first = second("2026-11-18T05:00:00Z");
        let days = |now: &str| {
            calendar.closable(first, second(now)).map(|day| day.date.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(days("2026-11-20T03:34:59Z"), ["2026-11-18"]);
        assert_eq!(days("2026-11-20T03:35:00Z"), ["2026-11-18", "2026-11-19"]);
    }
}
