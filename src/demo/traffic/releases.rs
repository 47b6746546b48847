//! Releases of the clinic's pages: one each Tuesday, named by its date. One of four breaks the pages in an old browser until the next.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::demo::clinic::DemoBrowser;

/// Hour of the day at which a release is published.
const HOUR: i8 = 11;
/// Every so many releases are broken.
const BROKEN_EVERY: i64 = 4;
/// The browser in which a broken release fails. It lacks a function that all later versions have.
const FAILING: (&str, &str) = ("Safari", "16");

/// The releases of one day.
pub(crate) struct DayReleases {
    /// At the beginning of the day.
    first: DemoRelease,
    /// On Tuesdays: when the next one is published, Unix ms.
    next: Option<(i64, DemoRelease)>,
}

pub(crate) struct DemoRelease {
    pub(crate) name: String,
    is_broken: bool,
}

impl DayReleases {
    pub(crate) fn new(date: Date, zone: &TimeZone) -> Self {
        let yesterday = date.saturating_sub(1.day());
        let published =
            date.at(HOUR, 0, 0, 0).to_zoned(zone.clone()).map(|at| at.timestamp().as_millisecond());
        let next = published.ok().filter(|_| date.weekday() == Weekday::Tuesday);
        Self {
            first: DemoRelease::at_end_of(yesterday),
            next: next.map(|at| (at, DemoRelease::at_end_of(date))),
        }
    }

    /// The release at a time, Unix ms.
    pub(crate) fn at(&self, time: i64) -> &DemoRelease {
        match &self.next {
            Some((published, next)) if time >= *published => next,
            _ => &self.first,
        }
    }
}

impl DemoRelease {
    fn at_end_of(date: Date) -> Self {
        let days = i64::from(date.weekday().since(Weekday::Tuesday));
        let published = date.saturating_sub(days.days());
        let since_1970 =
            Date::constant(1970, 1, 1).until(published).map_or(0, |span| i64::from(span.get_days()));
        let is_broken = (since_1970 / 7).rem_euclid(BROKEN_EVERY) == 0;
        Self { name: published.strftime("%Y.%m.%d").to_string(), is_broken }
    }

    pub(crate) fn fails_in(&self, browser: &DemoBrowser, version: &str) -> bool {
        self.is_broken && (browser.name, version) == FAILING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_published_each_tuesday_at_eleven_and_one_of_four_is_broken() {
        let zone = TimeZone::get("Europe/Moscow").expect("a zone");
        let release = |date: Date, hour: i8| {
            let time = date.at(hour, 0, 0, 0).to_zoned(zone.clone()).expect("a time").timestamp();
            let releases = DayReleases::new(date, &zone);
            let release = releases.at(time.as_millisecond());
            (release.name.clone(), release.is_broken)
        };
        // A Tuesday.
        let tuesday = Date::constant(2026, 11, 24);
        assert_eq!(release(tuesday, 10), ("2026.11.17".to_owned(), false));
        assert_eq!(release(tuesday, 11), ("2026.11.24".to_owned(), true));
        assert_eq!(release(tuesday.saturating_add(6.days()), 23), ("2026.11.24".to_owned(), true));
        let broken =
            (0..8).filter(|week: &i64| release(tuesday.saturating_add((7 * week).days()), 12).1).count();
        assert_eq!(broken, 2);
    }
}
