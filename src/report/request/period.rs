//! The days of a report, parsed from dates and words.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use crate::event::names;

/// Whole days from `from` to `to`, both included, in the zone of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    from: Date,
    to: Date,
}

names! {
    /// Which earlier days a period is compared with.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub enum Comparison {
        /// As many days, up to the day before the period.
        #[default]
        Previous => "previous",
        /// The same dates a year earlier. The 29th of February is compared with the 28th.
        Year => "year",
        /// The same weekdays, as many whole weeks earlier as the period needs.
        Weekdays => "weekdays",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error(
        "{0:?} is not a day: give a date like 2026-11-22, or today, yesterday, 7d, 30d, week, month, year"
    )]
    NotADay(String),
    #[error("the period ends before it begins: from {from} to {to}")]
    Backwards { from: Date, to: Date },
    /// The store's `Date` cannot hold a day.
    #[error("{0} is out of range: days reach from {FIRST} to {LAST}")]
    OutOfRange(Date),
}

const FIRST: Date = Period::FIRST;
const LAST: Date = Period::LAST;

const DEFAULT_DAYS: i64 = 7;

impl Period {
    /// One day more on either side can be a time of the store: for zones, and for the day after the last.
    pub(crate) const FIRST: Date = jiff::civil::date(1970, 1, 2);
    pub(crate) const LAST: Date = jiff::civil::date(2106, 2, 5);

    /// A word may name several days (`7d`, `week`, `month`, `year`). As `from` it means the first of them, as `to` the last:
    /// `--from month` is from the first of this month, `--from 30d` the last 30 days including today. `--to 5d` is five days ago.
    ///
    /// # Errors
    /// When a text is not a day, or the first day is after the last.
    pub fn parse(from: Option<&str>, to: Option<&str>, today: Date) -> Result<Self, PeriodError> {
        let to = match (to, from) {
            (Some(text), _) => match days(text)? {
                Some(ago) => today.saturating_sub(ago.days()),
                None => day(text, today)?.1,
            },
            // `--from yesterday` alone is yesterday, not two days.
            (None, Some("yesterday")) => yesterday(today),
            (None, Some(text)) if day(text, today)?.0 > today => day(text, today)?.0,
            (None, _) => today,
        };
        let from = match from {
            Some(text) => day(text, today)?.0,
            None => to.saturating_sub((DEFAULT_DAYS - 1).days()),
        };
        Self::new(from, to)
    }

    /// # Errors
    /// When `from` is after `to`, or ClickHouse's `Date` cannot hold the days.
    pub fn new(from: Date, to: Date) -> Result<Self, PeriodError> {
        if let Some(outside) = [to, from].into_iter().find(|day| !(FIRST..=LAST).contains(day)) {
            return Err(PeriodError::OutOfRange(outside));
        }
        if from > to {
            return Err(PeriodError::Backwards { from, to });
        }
        Ok(Self { from, to })
    }

    pub fn from(&self) -> Date {
        self.from
    }

    pub fn to(&self) -> Date {
        self.to
    }

    /// The period that this one is compared with. It ends where the range of days begins, at the latest: earlier there are no events.
    #[must_use]
    pub fn compared(&self, comparison: Comparison) -> Self {
        Self { from: self.compared_day(self.from, comparison), to: self.compared_day(self.to, comparison) }
    }

    /// The day that a day of this period is compared with.
    pub(crate) fn compared_day(&self, day: Date, comparison: Comparison) -> Date {
        let days = i64::from(self.days());
        let span: Span = match comparison {
            Comparison::Previous => days.days(),
            // The 29th of February becomes the 28th.
            Comparison::Year => 1.year(),
            Comparison::Weekdays => (days.div_euclid(7) + i64::from(days % 7 > 0)).weeks(),
        };
        day.saturating_sub(span).max(FIRST)
    }

    /// At least 1.
    pub fn days(&self) -> i32 {
        // Both days lie within 180 years, so the number of days cannot overflow.
        self.from.until(self.to).map_or(1, |span| span.get_days() + 1)
    }
}

/// The first and the last of the days that a text names.
fn day(text: &str, today: Date) -> Result<(Date, Date), PeriodError> {
    let nonsense = || PeriodError::NotADay(text.to_owned());
    let word = text.trim().to_ascii_lowercase();
    match word.as_str() {
        "today" => return Ok((today, today)),
        "yesterday" => return Ok((yesterday(today), yesterday(today))),
        "week" => {
            let monday = today.saturating_sub(i64::from(today.weekday().to_monday_zero_offset()).days());
            return Ok((monday, today));
        }
        "month" => return Ok((today.first_of_month(), today)),
        "year" => return Ok((today.first_of_year(), today)),
        _ => {}
    }
    if let Some(days) = days(text)? {
        return Ok((today.saturating_sub((days - 1).days()), today));
    }
    // jiff reads a date out of longer texts too ("2026-11-22T10:00"): only the plain form is a day.
    let date: Date = word.parse().map_err(|_| nonsense())?;
    if date.to_string() == word { Ok((date, date)) } else { Err(nonsense()) }
}

/// The number in `7d`; `None` if the text does not end in `d`.
fn days(text: &str) -> Result<Option<i64>, PeriodError> {
    let word = text.trim().to_ascii_lowercase();
    let Some(count) = word.strip_suffix('d') else { return Ok(None) };
    let days = count.parse().ok().filter(|days| (1..=36_500).contains(days));
    days.map(Some).ok_or_else(|| PeriodError::NotADay(text.to_owned()))
}

fn yesterday(today: Date) -> Date {
    today.saturating_sub(1.day())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// A Sunday.
    const TODAY: Date = date(2026, 11, 22);

    fn check(from: Option<&str>, to: Option<&str>, expected: (Date, Date)) {
        let period = Period::parse(from, to, TODAY).unwrap();
        assert_eq!((period.from(), period.to()), expected, "{from:?} to {to:?}");
    }

    #[test]
    fn words_and_dates_become_days() {
        check(None, None, (date(2026, 11, 16), TODAY));
        check(Some("today"), None, (TODAY, TODAY));
        check(Some("yesterday"), None, (date(2026, 11, 21), date(2026, 11, 21)));
        check(Some("yesterday"), Some("today"), (date(2026, 11, 21), TODAY));
        check(Some("7d"), None, (date(2026, 11, 16), TODAY));
        check(Some("30d"), None, (date(2026, 10, 24), TODAY));
        check(Some("week"), None, (date(2026, 11, 16), TODAY));
        check(Some("month"), None, (date(2026, 11, 1), TODAY));
        check(Some("year"), Some("yesterday"), (date(2026, 1, 1), date(2026, 11, 21)));
        check(Some("2026-02-28"), Some("2026-03-01"), (date(2026, 2, 28), date(2026, 3, 1)));
        check(None, Some("5d"), (date(2026, 11, 11), date(2026, 11, 17)));
        check(Some("30d"), Some("1d"), (date(2026, 10, 24), date(2026, 11, 21)));
        check(None, Some("2026-03-07"), (date(2026, 3, 1), date(2026, 3, 7)));
        check(Some("2026-12-01"), None, (date(2026, 12, 1), date(2026, 12, 1)));
    }

    #[test]
    fn nonsense_is_named() {
        for text in [
            "",
            "tomorow",
            "0d",
            "-3d",
            "d",
            "99999999d",
            "2026-02-30",
            "22.11.2026",
            "2026-11-22T10:00",
            "20261122",
        ] {
            let error = Period::parse(Some(text), None, TODAY).unwrap_err();
            assert_eq!(error, PeriodError::NotADay(text.to_owned()));
        }
    }

    #[test]
    fn a_period_cannot_end_before_it_begins_or_leave_the_store_s_dates() {
        let error = Period::parse(Some("2026-11-22"), Some("2026-11-21"), TODAY).unwrap_err();
        assert_eq!(error.to_string(), "the period ends before it begins: from 2026-11-22 to 2026-11-21");
        assert!(matches!(Period::parse(Some("1969-01-01"), None, TODAY), Err(PeriodError::OutOfRange(_))));
        let error = Period::parse(None, Some("2150-01-01"), TODAY).unwrap_err();
        assert_eq!(error.to_string(), "2150-01-01 is out of range: days reach from 1970-01-02 to 2106-02-05");
    }

    fn compared(from: Date, to: Date, comparison: Comparison) -> (Date, Date) {
        let period = Period::new(from, to).unwrap().compared(comparison);
        (period.from(), period.to())
    }

    #[test]
    fn the_preceding_period_is_as_long_and_does_not_begin_before_the_first_day() {
        let before = |from, to| compared(from, to, Comparison::Previous);
        assert_eq!(before(date(2026, 3, 1), date(2026, 3, 7)), (date(2026, 2, 22), date(2026, 2, 28)));
        assert_eq!(before(date(1998, 6, 1), date(2026, 11, 22)), (FIRST, date(1998, 5, 31)));
        assert_eq!(before(FIRST, LAST), (FIRST, FIRST));
    }

    #[test]
    fn the_year_before_has_the_same_dates_and_the_28th_of_february_for_the_29th() {
        let before = |from, to| compared(from, to, Comparison::Year);
        assert_eq!(before(date(2026, 3, 1), date(2026, 3, 7)), (date(2025, 3, 1), date(2025, 3, 7)));
        assert_eq!(before(date(2028, 2, 29), date(2028, 2, 29)), (date(2027, 2, 28), date(2027, 2, 28)));
        assert_eq!(before(date(2028, 2, 1), date(2028, 2, 29)), (date(2027, 2, 1), date(2027, 2, 28)));
        assert_eq!(before(date(2029, 2, 1), date(2029, 2, 28)), (date(2028, 2, 1), date(2028, 2, 28)));
        // A long period shares days with the year before.
        assert_eq!(before(date(2024, 1, 1), date(2026, 3, 7)), (date(2023, 1, 1), date(2025, 3, 7)));
        assert_eq!(before(date(1970, 6, 1), date(1970, 6, 2)), (FIRST, FIRST));
    }

    #[test]
    fn the_same_weekdays_are_the_nearest_ones_that_share_no_day_with_the_period() {
        let before = |from, to| compared(from, to, Comparison::Weekdays);
        assert_eq!(before(TODAY, TODAY), (date(2026, 11, 15), date(2026, 11, 15)));
        assert_eq!(before(date(2026, 11, 16), TODAY), (date(2026, 11, 9), date(2026, 11, 15)));
        assert_eq!(before(date(2026, 11, 15), TODAY), (date(2026, 11, 1), date(2026, 11, 8)));
        assert_eq!(before(date(2026, 11, 1), date(2026, 11, 30)), (date(2026, 9, 27), date(2026, 10, 26)));
    }

    #[test]
    fn both_ends_count() {
        assert_eq!(Period::new(date(2026, 2, 28), date(2026, 3, 1)).unwrap().days(), 2);
        assert_eq!(Period::new(date(2025, 1, 1), date(2025, 12, 31)).unwrap().days(), 365);
    }
}
