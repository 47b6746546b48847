//! When epochs turn: once on each civil day at the configured local time, despite daylight saving.
//!
//! A local time that a day skips (02:30 when clocks go from 02:00 to 03:00) means one hour later. A local time that a day
//! has twice means the first time. So each day has exactly one turn.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

#[derive(Debug, Clone)]
pub(super) struct EpochSchedule {
    zone: TimeZone,
    rotate_at: Time,
}

impl EpochSchedule {
    pub(super) fn new(zone: TimeZone, rotate_at: Time) -> Self {
        Self { zone, rotate_at }
    }

    /// The first turn after `moment`.
    pub(super) fn next_turn(&self, moment: Timestamp) -> Timestamp {
        let today = self.zone.to_datetime(moment).date();
        // A zone that crosses the date line skips a day, so three days always have a turn.
        (0..=3)
            .filter_map(|days| self.turn_of(today, days))
            .find(|turn| *turn > moment)
            .unwrap_or(Timestamp::MAX)
    }

    /// The last turn at or before `moment`.
    pub(super) fn last_turn(&self, moment: Timestamp) -> Timestamp {
        let today = self.zone.to_datetime(moment).date();
        (0..=3)
            .filter_map(|days| self.turn_of(today, -days))
            .find(|turn| *turn <= moment)
            .unwrap_or(Timestamp::MIN)
    }

    /// The turn of the civil day `days` after `date`; `None` beyond the end of the calendar.
    fn turn_of(&self, date: Date, days: i64) -> Option<Timestamp> {
        let date = date.checked_add(days.days()).ok()?;
        self.zone.to_timestamp(date.to_datetime(self.rotate_at)).ok()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;

    fn berlin(hour: i8, minute: i8) -> EpochSchedule {
        EpochSchedule::new(TimeZone::get("Europe/Berlin").unwrap(), time(hour, minute, 0, 0))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_turn_lies_after_the_moment_and_the_last_one_at_or_before_it() {
        let schedule = berlin(4, 0);
        assert_eq!(schedule.next_turn(at("2026-11-22T02:59:59Z")), at("2026-11-22T03:00:00Z"));
        assert_eq!(schedule.next_turn(at("2026-11-22T03:00:00Z")), at("2026-11-23T03:00:00Z"));
        assert_eq!(schedule.last_turn(at("2026-11-22T03:00:00Z")), at("2026-11-22T03:00:00Z"));
        assert_eq!(schedule.last_turn(at("2026-11-22T02:59:59Z")), at("2026-11-21T03:00:00Z"));
    }

    #[test]
    fn a_local_time_that_the_day_skips_turns_an_hour_later_and_once() {
        // 29 March 2026: 02:00 becomes 03:00, so 02:30 is 03:30 summer time = 01:30 UTC.
        let schedule = berlin(2, 30);
        assert_eq!(schedule.next_turn(at("2026-03-28T12:00:00Z")), at("2026-03-29T01:30:00Z"));
        assert_eq!(schedule.next_turn(at("2026-03-29T01:30:00Z")), at("2026-03-30T00:30:00Z"));
    }

    #[test]
    fn a_local_time_that_comes_twice_turns_the_first_time_only() {
        // 25 October 2026: 03:00 becomes 02:00, so 02:30 comes at 00:30 UTC and again at 01:30 UTC.
        let schedule = berlin(2, 30);
        assert_eq!(schedule.next_turn(at("2026-10-24T12:00:00Z")), at("2026-10-25T00:30:00Z"));
        assert_eq!(schedule.next_turn(at("2026-10-25T00:30:00Z")), at("2026-10-26T01:30:00Z"));
        assert_eq!(schedule.last_turn(at("2026-10-25T01:30:00Z")), at("2026-10-25T00:30:00Z"));
    }

    #[test]
    fn every_day_of_ten_years_turns_once_in_zones_with_odd_rules() {
        for name in
            ["Europe/Berlin", "Europe/Moscow", "Australia/Lord_Howe", "Pacific/Apia", "America/New_York"]
        {
            for rotate_at in [time(0, 0, 0, 0), time(2, 30, 0, 0), time(4, 0, 0, 0), time(23, 59, 0, 0)] {
                let schedule = EpochSchedule::new(TimeZone::get(name).unwrap(), rotate_at);
                let mut turn = schedule.next_turn(at("2008-01-01T00:00:00Z"));
                while turn < at("2018-01-01T00:00:00Z") {
                    let next = schedule.next_turn(turn);
                    let hours = (next - turn).total(jiff::Unit::Hour).unwrap();
                    assert!((22.9..=25.1).contains(&hours), "{name} {rotate_at}: {turn} to {next}");
                    assert_eq!(schedule.last_turn(next), next);
                    turn = next;
                }
            }
        }
    }
}
