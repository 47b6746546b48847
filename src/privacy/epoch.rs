//! When epochs turn: at each midnight of the configured zone, where a civil day begins.
//!
//! Where clocks skip midnight, the day begins with the first time that there is. Where midnight comes twice, it begins with the first
//! one. So each day has exactly one turn.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

#[derive(Debug, Clone)]
pub(super) struct EpochSchedule {
    zone: TimeZone,
}

impl EpochSchedule {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone }
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

    /// The civil day of the epoch that contains `moment`, as a number of days since 1970-01-01.
    pub(super) fn day(&self, moment: Timestamp) -> i32 {
        let date = self.zone.to_datetime(self.last_turn(moment)).date();
        (date - Date::constant(1970, 1, 1)).get_days()
    }

    /// The beginning of the civil day `days` after `date`; `None` beyond the end of the calendar.
    fn turn_of(&self, date: Date, days: i64) -> Option<Timestamp> {
        let date = date.checked_add(days.days()).ok()?;
        Some(date.to_zoned(self.zone.clone()).ok()?.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(zone: &str) -> EpochSchedule {
        EpochSchedule::new(TimeZone::get(zone).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_turn_lies_after_the_moment_and_the_last_one_at_or_before_it() {
        let schedule = schedule("Europe/Berlin");
        assert_eq!(schedule.next_turn(at("2026-11-22T22:59:59Z")), at("2026-11-22T23:00:00Z"));
        assert_eq!(schedule.next_turn(at("2026-11-22T23:00:00Z")), at("2026-11-23T23:00:00Z"));
        assert_eq!(schedule.last_turn(at("2026-11-22T23:00:00Z")), at("2026-11-22T23:00:00Z"));
        assert_eq!(schedule.last_turn(at("2026-11-22T22:59:59Z")), at("2026-11-21T23:00:00Z"));
    }

    #[test]
    fn a_midnight_that_the_clocks_skip_turns_an_hour_later_and_once() {
        // 8 March 2026 in Havana: 00:00 becomes 01:00.
        let schedule = schedule("America/Havana");
        assert_eq!(schedule.next_turn(at("2026-03-07T12:00:00Z")), at("2026-03-08T05:00:00Z"));
        assert_eq!(schedule.next_turn(at("2026-03-08T05:00:00Z")), at("2026-03-09T04:00:00Z"));
    }

    #[test]
    fn a_midnight_that_comes_twice_turns_the_first_time_only() {
        // 1 November 2026 in Havana: 01:00 becomes 00:00.
        let schedule = schedule("America/Havana");
        assert_eq!(schedule.next_turn(at("2026-10-31T12:00:00Z")), at("2026-11-01T04:00:00Z"));
        assert_eq!(schedule.next_turn(at("2026-11-01T04:00:00Z")), at("2026-11-02T05:00:00Z"));
        assert_eq!(schedule.last_turn(at("2026-11-01T05:00:00Z")), at("2026-11-01T04:00:00Z"));
    }

    #[test]
    fn every_day_of_ten_years_turns_once_in_zones_with_odd_rules() {
        let zones =
            ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia", "America/New_York"];
        for name in zones {
            let schedule = schedule(name);
            let mut turn = schedule.next_turn(at("2008-01-01T00:00:00Z"));
            while turn < at("2018-01-01T00:00:00Z") {
                let next = schedule.next_turn(turn);
                let hours = (next - turn).total(jiff::Unit::Hour).unwrap();
                assert!((22.9..=25.1).contains(&hours), "{name}: {turn} to {next}");
                assert_eq!(schedule.last_turn(next), next);
                turn = next;
            }
        }
    }
}
