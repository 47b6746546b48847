//! What the list of sites shows of each: one query for all sites, as a thousand sites must not be a thousand queries.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde::Deserialize;

use super::answer::lines;
use super::error::ReportError;
use super::reports::Reports;

/// Days of the small line, today included.
pub(crate) const SUMMARY_DAYS: usize = 28;
const EXACT: &str = include_str!("../../sql/page/sites.sql");
const PUBLISHED: &str = include_str!("../../sql/page/sites-published.sql");
const ERRORS: &str = include_str!("../../sql/page/sites-errors.sql");
const DROPPED: &str = include_str!("../../sql/page/dropped.sql");

/// A figure of a day, and the same of the day a week before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WeekComparison {
    pub(crate) now: u64,
    /// `None` if it is not published.
    pub(crate) before: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SiteSummary {
    pub(crate) site: String,
    /// Visitors of each of the last [`SUMMARY_DAYS`] days, the oldest first. A day that is not published has none.
    pub(crate) days: Vec<Option<u64>>,
    /// Exact: of today, and of a week ago up to this time of the day. Published: of the last published day, and the day a week before.
    pub(crate) visitors: WeekComparison,
    /// The day of `visitors`; `None` if no day of the site is published.
    pub(crate) day: Option<Date>,
    /// Script errors of today, and of a week ago up to this time of the day; `None` if they were not asked for.
    pub(crate) errors: Option<WeekComparison>,
}

/// The days and times that the summaries cover.
struct SummaryDays {
    today: Date,
    from: Date,
    week_ago: Date,
    /// This time of the day a week ago, Unix seconds.
    until: i64,
}

#[derive(Deserialize)]
struct SummaryRow(String, Date, String, u64);

impl Reports {
    /// The summaries of the sites that are offered to `reader`, in order: exact, or published if these are reports for viewers.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub(crate) async fn site_summaries(
        &self,
        reader: &str,
        with_errors: bool,
    ) -> Result<Vec<SiteSummary>, ReportError> {
        let sites = self.sites();
        let now = Timestamp::now().to_zoned(self.zone().clone());
        let week = Span::new().days(7);
        let week_ago = now.saturating_sub(week);
        let days = SummaryDays {
            today: now.date(),
            from: now.date().saturating_sub(Span::new().days(SUMMARY_DAYS as i64 - 1)),
            week_ago: week_ago.date(),
            until: week_ago.timestamp().as_second(),
        };
        self.record_summaries(reader, &sites, days.from, days.today, with_errors);
        if !self.is_protected() {
            self.refresh_open_days().await;
        }
        let audience = if self.is_protected() { PUBLISHED } else { EXACT };
        let errors = async {
            match with_errors {
                true => self.summary_rows(ERRORS, &sites, &days).await,
                false => Ok(Vec::new()),
            }
        };
        let (mut rows, errors) = tokio::try_join!(self.summary_rows(audience, &sites, &days), errors)?;
        rows.extend(errors);
        let mut by_site: HashMap<&str, Vec<&SummaryRow>> = HashMap::new();
        for row in &rows {
            by_site.entry(&row.0).or_default().push(row);
        }
        let protected = self.is_protected();
        let summary = |site: &String| {
            let rows = by_site.get(&**site).map_or(&[][..], Vec::as_slice);
            SiteSummary::new(site, rows, &days, protected, with_errors)
        };
        Ok(sites.iter().map(summary).collect())
    }

    async fn summary_rows(
        &self,
        sql: &str,
        sites: &[String],
        days: &SummaryDays,
    ) -> Result<Vec<SummaryRow>, ReportError> {
        let _permit = self.permit().await?;
        let query = self.client().query(sql).param("sites", sites);
        let query = query.param("from", days.from.to_string()).param("today", days.today.to_string());
        let query = query.param("week_ago", days.week_ago.to_string()).param("until", days.until);
        let query = query.param("timezone", self.timezone());
        let bytes = query.fetch_bytes("JSONCompactEachRow")?.collect().await?;
        let row = |line| serde_json::from_slice(line);
        let rows: Result<Vec<SummaryRow>, serde_json::Error> = lines(&bytes).map(row).collect();
        rows.map_err(|error| ReportError::MalformedAnswer(error.to_string()))
    }

    /// Events of a site that collectors dropped in the period, by reason, the most frequent first.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub(crate) async fn dropped_events(
        &self,
        site: &str,
        from: Date,
        to: Date,
    ) -> Result<Vec<(String, u64)>, ReportError> {
        let _permit = self.permit().await?;
        let query = self.client().query(DROPPED).param("site", site);
        let query = query.param("from", from.to_string()).param("to", to.to_string());
        Ok(query.fetch_all().await?)
    }
}

impl Reports {
    /// The first day with figures of a site for the reader, under no filter; `None` if there is none.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub(crate) async fn first_day(&self, site: &str) -> Result<Option<Date>, ReportError> {
        let _permit = self.permit().await?;
        let table = if self.is_protected() { "daily_published WHERE filter = '' AND" } else { "daily WHERE" };
        let sql = format!(
            "SELECT toString(min(day)) FROM {table} site = {{site:String}} AND dimension = 'total' HAVING count() > 0"
        );
        let first = self.client().query(&sql).param("site", site).fetch_optional::<String>().await?;
        Ok(first.and_then(|day| day.parse().ok()))
    }
}

impl SiteSummary {
    /// A site without figures, because the store does not answer.
    pub(crate) fn unknown(site: &str) -> Self {
        let (site, visitors) = (site.to_owned(), WeekComparison::default());
        Self { site, days: Vec::new(), visitors, day: None, errors: None }
    }

    fn new(
        site: &str,
        rows: &[&SummaryRow],
        days: &SummaryDays,
        is_protected: bool,
        with_errors: bool,
    ) -> Self {
        let find = |day: Date, wanted: &str| {
            let found = rows.iter().find(|SummaryRow(_, of, figure, _)| *of == day && figure == wanted);
            found.map(|row| row.3)
        };
        let day_at = |at: usize| days.from.saturating_add(Span::new().days(at as i64));
        let compare = |figure: &str| WeekComparison {
            now: find(days.today, figure).unwrap_or(0),
            before: Some(find(days.week_ago, figure).unwrap_or(0)),
        };
        let last_published = (0..SUMMARY_DAYS)
            .rev()
            .map(day_at)
            .find(|day| find(*day, "day").is_some())
            .filter(|_| is_protected);
        let (visitors, day) = match last_published {
            Some(last) => {
                let before = last.saturating_sub(Span::new().days(7));
                let now = find(last, "day").unwrap_or(0);
                (WeekComparison { now, before: find(before, "day") }, Some(last))
            }
            None if is_protected => (WeekComparison::default(), None),
            None => (compare("so_far"), Some(days.today)),
        };
        // Nobody came on a day without exact figures. One without published figures may have had visitors.
        let no_figures = (!is_protected).then_some(0);
        Self {
            site: site.to_owned(),
            days: (0..SUMMARY_DAYS).map(|at| find(day_at(at), "day").or(no_figures)).collect(),
            visitors,
            day,
            errors: with_errors.then(|| compare("errors")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn days() -> SummaryDays {
        SummaryDays {
            today: date(2026, 11, 27),
            from: date(2026, 10, 31),
            week_ago: date(2026, 11, 20),
            until: 0,
        }
    }

    fn row(day: i8, figure: &str, number: u64) -> SummaryRow {
        SummaryRow("clinic".to_owned(), date(2026, 11, day), figure.to_owned(), number)
    }

    #[test]
    fn exact_figures_compare_today_with_the_same_hours_a_week_ago() {
        let rows = [
            row(20, "day", 90),
            row(27, "day", 30),
            row(20, "so_far", 40),
            row(27, "so_far", 30),
            row(27, "errors", 3),
        ];
        let summary = SiteSummary::new("clinic", &rows.each_ref(), &days(), false, true);
        assert_eq!(summary.visitors, WeekComparison { now: 30, before: Some(40) });
        assert_eq!(summary.errors, Some(WeekComparison { now: 3, before: Some(0) }));
        assert_eq!(
            (summary.days.len(), summary.days[20], summary.days[27]),
            (SUMMARY_DAYS, Some(90), Some(30))
        );
    }

    #[test]
    fn published_figures_compare_the_last_published_day_with_the_same_weekday() {
        let rows = [row(18, "day", 70), row(25, "day", 80)];
        let summary = SiteSummary::new("clinic", &rows.each_ref(), &days(), true, false);
        assert_eq!(summary.visitors, WeekComparison { now: 80, before: Some(70) });
        assert_eq!((summary.day, summary.errors), (Some(date(2026, 11, 25)), None));
        assert_eq!(SiteSummary::new("clinic", &[], &days(), true, false).day, None);
    }

    #[test]
    fn a_day_that_is_not_published_is_not_a_day_without_visitors() {
        let rows = [row(25, "day", 80)];
        let summary = SiteSummary::new("clinic", &rows.each_ref(), &days(), true, false);
        assert_eq!(summary.visitors, WeekComparison { now: 80, before: None });
        assert_eq!((summary.days[18], summary.days[25]), (None, Some(80)));
    }
}
