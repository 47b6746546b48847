//! The series of one measure over the period, with the other period behind it and the part that still grows marked.

use jiff::civil::Date;
use serde_json::Value;

use crate::operator::page::charts::{self, LineChart, Svg};
use crate::operator::page::context::ViewContext;
use crate::operator::page::layout::PageLink;
use crate::operator::page::rows::Shown;
use crate::operator::page::{format, words};
use crate::report::catalogue::{Report, ReportColumn};
use crate::report::{Period, ReportAnswer};
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
    pub(super) fn new(context: &ViewContext, answer: &ReportAnswer, compared: Option<&ReportAnswer>) -> Self {
        let language = context.language;
        let period = answer.request.period;
        let column = measure(context, answer.request.report);
        let step = step(context, period);
        let values = |answer: &ReportAnswer| -> Vec<Option<f64>> {
            let place = answer.request.report.columns.iter().position(|known| known.name == column.name);
            let value = |row: &Vec<Value>| place.and_then(|place| row.get(place)).and_then(Value::as_f64);
            answer.rows.iter().map(value).collect()
        };
        let times: Vec<&str> = answer.rows.iter().map(|row| row[0].as_str().unwrap_or_default()).collect();
        let labels: Vec<String> = times.iter().map(|time| label(time, step, language)).collect();
        let now = values(answer);
        let before = compared.map(values).map(|mut before| {
            before.resize(now.len(), None);
            before
        });
        let is_open = period.to() >= context.now.date();
        let unfinished_from = now.len().checked_sub(1).filter(|_| is_open);
        let text = |value: f64| format::figure(value, column.unit, language);
        let heading = words::heading(column, language);
        let title = format!("{heading}: {}", format::period(period.from(), period.to(), language));
        let chart = charts::line(&LineChart {
            title: &title,
            labels: &labels,
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
            time: language.of(["Time", "Время"]),
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
        PageLink::new(context.language.of(*label), &to).current(*step == current)
    };
    known.map(link).collect()
}

fn label(time: &str, step: &str, language: Language) -> String {
    let date = time.get(..10).and_then(|date| date.parse::<Date>().ok());
    match (step, date) {
        ("day", Some(date)) => format::day_of_week(date, language),
        ("week", Some(date)) => {
            format!("{} {}", language.of(["Week of", "Неделя с"]), format::short_day(date, language))
        }
        ("month", Some(date)) => format::month_of_year(date, language),
        _ => format::time(time, language),
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
    fn a_point_is_named_by_its_step() {
        for (time, step, english) in [
            ("2026-11-27 14:00 +0300", "hour", "27\u{a0}Nov, 14:00"),
            ("2026-11-27", "day", "Fri\u{a0}27\u{a0}Nov"),
            ("2026-11-23", "week", "Week of 23\u{a0}Nov"),
            ("2026-11-01", "month", "November 2026"),
        ] {
            assert_eq!(label(time, step, Language::English), english);
        }
    }
}
