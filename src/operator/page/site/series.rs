//! The series of one measure over the period, with the other period behind it and the part that still grows marked.

use std::collections::HashMap;

use jiff::civil::Date;
use serde_json::Value;

use crate::operator::page::charts::{self, LineChart, Svg};
use crate::operator::page::context::ViewContext;
use crate::operator::page::layout::PageLink;
use crate::operator::page::rows::Shown;
use crate::operator::page::{format, words};
use crate::report::catalogue::{Report, ReportColumn};
use crate::report::{Comparison, Period, ReportAnswer};
use crate::transport::negotiation::Language;

const STEPS: [(&str, [&str; 2]); 4] = [
    ("hour", ["Hours", "Часы"]),
    ("day", ["Days", "Дни"]),
    ("week", ["Weeks", "Недели"]),
    ("month", ["Months", "Месяцы"]),
];
/// Longest period that is drawn by the hour: more points would run into each other.
const MOST_DAYS_BY_HOUR: i32 = 14;
const MOST_DAYS_BY_DAY: i32 = 400;

pub(super) struct Series {
    pub(super) title: String,
    pub(super) chart: Svg,
    pub(super) steps: Vec<PageLink>,
    pub(super) heading: String,
    pub(super) time: &'static str,
    pub(super) has_comparison: bool,
    pub(super) has_unfinished: bool,
    /// The chart as a table.
    pub(super) rows: Vec<SeriesRow>,
}

pub(super) struct SeriesRow {
    pub(super) label: String,
    pub(super) value: Shown,
    pub(super) before: String,
    pub(super) is_unfinished: bool,
}

/// The steps that suit a period, the best first.
fn suitable(period: Period, has_hours: bool) -> Vec<&'static str> {
    let days = period.days();
    let fits = |step: &str| match step {
        "hour" => has_hours && days <= MOST_DAYS_BY_HOUR,
        "day" => days <= MOST_DAYS_BY_DAY && (days > 1 || !has_hours),
        "week" => days > 14,
        _ => days > 45,
    };
    STEPS.iter().map(|(step, _)| *step).filter(|step| fits(step)).collect()
}

/// The step of the series: the reader's, if it suits the period.
pub(super) fn step(context: &ViewContext, period: Period) -> &'static str {
    let suitable = suitable(period, context.access.exact);
    let chosen = context.address.by.as_deref();
    let best = if period.days() > 1 && period.days() <= 120 && suitable.contains(&"day") {
        "day"
    } else if period.days() > 120 && suitable.contains(&"week") {
        "week"
    } else {
        suitable.first().copied().unwrap_or("day")
    };
    suitable.into_iter().find(|step| Some(*step) == chosen).unwrap_or(best)
}

/// The column that is drawn.
pub(super) fn measure<'a>(context: &ViewContext, report: &'a Report) -> &'a ReportColumn {
    let drawn = || report.columns.iter().filter(|column| !column.is_text());
    let chosen = context.address.measure.as_deref();
    let first = || drawn().next().expect("a series has a figure");
    drawn().find(|column| Some(column.name) == chosen).unwrap_or_else(first)
}

impl Series {
    pub(super) fn new(
        context: &ViewContext,
        answer: &ReportAnswer,
        compared: Option<ComparedSeries<'_>>,
    ) -> Self {
        let language = context.language;
        let period = answer.request.period;
        let column = measure(context, answer.request.report);
        let step = step(context, period);
        let points = points(answer, column.name);
        // A period that lies in this year does not name it.
        let this_year = if period.from().year() == period.to().year() { context.now.year() } else { 0 };
        let labels_by = |label: fn(&str, &str, i16, Language) -> String| -> Vec<String> {
            points.iter().map(|(time, _)| label(time, step, this_year, language)).collect()
        };
        let (labels, axis) = (labels_by(label), labels_by(axis_label));
        let now: Vec<Option<f64>> = points.iter().map(|(_, value)| *value).collect();
        let before = compared.map(|compared| compared.beside(&points, period, column.name, step));
        // Without any data there is nothing to draw.
        let before = before.filter(|before| before.iter().any(Option::is_some));
        let is_open = period.to() >= context.now.date();
        let unfinished_from = now.len().checked_sub(1).filter(|_| is_open);
        let text = |value: f64| format::figure(value, column.unit, language);
        let heading = words::heading(column, language);
        let title = format!("{heading}: {}", format::period(period.from(), period.to(), language));
        let chart = charts::line(&LineChart {
            title: &title,
            labels: &labels,
            axis: &axis,
            values: &now,
            comparison: before.as_deref(),
            unfinished_from,
            format: &text,
        });
        let shown = |value: Option<f64>| value.map_or_else(|| format::NONE.to_owned(), text);
        let row = |(place, label): (usize, String)| SeriesRow {
            label,
            value: Shown {
                text: shown(now[place]),
                value: now[place].map_or_else(String::new, |value| Value::from(value).to_string()),
            },
            before: before.as_ref().map_or_else(String::new, |before| shown(before[place])),
            is_unfinished: unfinished_from.is_some_and(|from| place >= from),
        };
        Self {
            title,
            chart,
            steps: steps(context, period, step),
            heading,
            time: language.pick(["Time", "Время"]),
            has_comparison: before.is_some(),
            has_unfinished: unfinished_from.is_some(),
            rows: labels.clone().into_iter().enumerate().map(row).collect(),
        }
    }
}

fn steps(context: &ViewContext, period: Period, current: &str) -> Vec<PageLink> {
    let suitable = suitable(period, context.access.exact);
    let known = STEPS.iter().filter(|(step, _)| suitable.contains(step));
    let link = |(step, label): &(&str, [&'static str; 2])| {
        let to = context.address.with(|address| address.by = Some((*step).to_owned()));
        PageLink::new(context.language.pick(*label), &to).current(*step == current)
    };
    known.map(link).collect()
}

/// The times of a series and their values.
fn points<'a>(answer: &'a ReportAnswer, column: &str) -> Vec<(&'a str, Option<f64>)> {
    let place = answer.request.report.columns.iter().position(|known| known.name == column);
    let point = |row: &'a Vec<Value>| {
        let value = place.and_then(|place| row.get(place)).and_then(Value::as_f64);
        (row[0].as_str().unwrap_or_default(), value)
    };
    answer.rows.iter().map(point).collect()
}

/// The series of the other period.
pub(super) struct ComparedSeries<'a> {
    pub(super) answer: &'a ReportAnswer,
    pub(super) comparison: Comparison,
    /// The first day of the site. There are no values before it.
    pub(super) first_day: Option<Date>,
}

impl ComparedSeries<'_> {
    /// Its values beside the points of `period`: weeks and months by their order, days and hours by the calendar and the clock on the wall.
    fn beside(
        &self,
        points: &[(&str, Option<f64>)],
        period: Period,
        column: &str,
        step: &str,
    ) -> Vec<Option<f64>> {
        let mut others = self::points(self.answer, column);
        let is_known =
            |time: &str| date_of(time).zip(self.first_day).is_some_and(|(date, first)| date >= first);
        others.retain(|(time, _)| is_known(time));
        if !matches!(step, "day" | "hour") {
            let missing = self.answer.rows.len() - others.len();
            let known = others.iter().map(|(_, value)| *value);
            let values = std::iter::repeat_n(None, missing).chain(known);
            return values.chain(std::iter::repeat(None)).take(points.len()).collect();
        }
        at_wall_clock(points, &others, |day| period.compared_day(day, self.comparison))
    }
}

/// The values of `others` at the same time of the compared day. An hour comes twice when the clocks are set back: its second part stands beside
/// the second one, if there are two.
fn at_wall_clock(
    points: &[(&str, Option<f64>)],
    others: &[(&str, Option<f64>)],
    compared_day: impl Fn(Date) -> Date,
) -> Vec<Option<f64>> {
    let mut by_time: HashMap<(Date, &str), Vec<Option<f64>>> = HashMap::new();
    for (time, value) in others {
        if let Some(time) = wall_clock(time) {
            by_time.entry(time).or_default().push(*value);
        }
    }
    let mut seen: HashMap<(Date, &str), usize> = HashMap::new();
    let mut beside = |time| {
        let (day, hour) = wall_clock(time)?;
        let place = seen.entry((day, hour)).and_modify(|seen| *seen += 1).or_default();
        let values = by_time.get(&(compared_day(day), hour))?;
        values.get(*place).or(values.first()).copied().flatten()
    };
    points.iter().map(|(time, _)| beside(time)).collect()
}

/// The day and the hour of a time, without the offset of the zone; of a day, no hour.
fn wall_clock(time: &str) -> Option<(Date, &str)> {
    Some((date_of(time)?, time.split(' ').nth(1).unwrap_or_default()))
}

fn date_of(time: &str) -> Option<Date> {
    time.get(..10)?.parse().ok()
}

fn label(time: &str, step: &str, this_year: i16, language: Language) -> String {
    match (step, date_of(time)) {
        ("day", Some(date)) => format::day_of_week(date, this_year, language),
        ("week", Some(date)) => {
            let week = language.pick(["Week of", "Неделя с"]);
            format!("{week} {}", format::short_day(date, this_year, language))
        }
        ("month", Some(date)) => format::month_of_year(date, language),
        _ => format::time(time, this_year, language),
    }
}

/// A label for the axis, where several stand side by side.
fn axis_label(time: &str, step: &str, this_year: i16, language: Language) -> String {
    match (step, date_of(time)) {
        ("day" | "week", Some(date)) => format::short_day(date, this_year, language),
        ("month", Some(date)) => format::short_month(date, language),
        (_, Some(date)) => format::time(time, date.year(), language),
        (_, None) => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_period_is_offered_in_steps_that_can_be_told_apart() {
        let period = |days: i64| {
            let to = date(2026, 11, 27);
            Period::new(to.saturating_sub(jiff::Span::new().days(days - 1)), to).unwrap()
        };
        assert_eq!(suitable(period(1), true), ["hour"]);
        assert_eq!(suitable(period(1), false), ["day"]);
        assert_eq!(suitable(period(7), true), ["hour", "day"]);
        assert_eq!(suitable(period(28), true), ["day", "week"]);
        assert_eq!(suitable(period(365), false), ["day", "week", "month"]);
        assert_eq!(suitable(period(1000), true), ["week", "month"]);
    }

    #[test]
    fn hours_stand_beside_those_of_the_same_time_on_days_of_a_change_of_clock() {
        let summer = ["01:00 +0200", "02:00 +0200", "03:00 +0200"];
        let set_back = ["01:00 +0200", "02:00 +0200", "02:00 +0100", "03:00 +0100"];
        let set_on = ["01:00 +0100", "03:00 +0200"];
        for (now, before, expected) in [
            (&set_back[..], &summer[..], &[Some(1.0), Some(2.0), Some(2.0), Some(3.0)][..]),
            (&summer, &set_back, &[Some(1.0), Some(2.0), Some(4.0)]),
            (&summer, &set_on, &[Some(1.0), None, Some(2.0)]),
            (&set_back, &set_back, &[Some(1.0), Some(2.0), Some(3.0), Some(4.0)]),
        ] {
            let times = |day: &str, hours: &[&str]| -> Vec<String> {
                hours.iter().map(|hour| format!("{day} {hour}")).collect()
            };
            let (now, before) = (times("2026-10-25", now), times("2026-10-18", before));
            let numbered = (1..).map(|number| Some(f64::from(number)));
            let others: Vec<_> = before.iter().map(String::as_str).zip(numbered).collect();
            let points: Vec<_> = now.iter().map(|time| (time.as_str(), None)).collect();
            let week_before = |day: Date| day.saturating_sub(jiff::Span::new().days(7));
            assert_eq!(at_wall_clock(&points, &others, week_before), expected);
        }
    }

    #[test]
    fn a_point_is_named_by_its_step() {
        for (time, step, english) in [
            ("2026-11-27 14:00 +0300", "hour", "27\u{a0}Nov, 14:00"),
            ("2026-11-27", "day", "Fri\u{a0}27\u{a0}Nov"),
            ("2026-11-23", "week", "Week of 23\u{a0}Nov"),
            ("2026-11-01", "month", "November 2026"),
        ] {
            assert_eq!(label(time, step, 2026, Language::English), english);
        }
        for (step, english) in
            [("day", "Fri\u{a0}27\u{a0}Nov\u{a0}2026"), ("week", "Week of 27\u{a0}Nov\u{a0}2026")]
        {
            assert_eq!(label("2026-11-27", step, 2027, Language::English), english);
        }
    }
}
