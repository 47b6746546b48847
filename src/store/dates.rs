//! Dates as days since 1970-01-01, as ClickHouse's `Date` counts them.

use jiff::ToSpan;
use jiff::civil::Date;

const FIRST: Date = jiff::civil::date(1970, 1, 1);

/// The number of a date, if ClickHouse's `Date` can hold it: from 1970-01-01 to 2149-06-06.
pub fn day_number(date: Date) -> Option<u16> {
    u16::try_from((date - FIRST).get_days()).ok()
}

pub fn day_date(day: u16) -> Date {
    FIRST.saturating_add(i64::from(day).days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_and_back() {
        for (day, text) in [(0, "1970-01-01"), (20_779, "2026-11-22"), (u16::MAX, "2149-06-06")] {
            assert_eq!(day_date(day).to_string(), text);
            assert_eq!(day_number(text.parse().unwrap()), Some(day));
        }
        assert_eq!(day_number("1969-12-31".parse().unwrap()), None);
        assert_eq!(day_number("2149-06-07".parse().unwrap()), None);
    }
}
