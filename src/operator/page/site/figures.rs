//! The headline figures of a period, each with what it was in the other period.

use jiff::civil::Date;
use serde_json::Value;

use crate::operator::page::address::{Comparison, PageAddress};
use crate::operator::page::layout::Link;
use crate::operator::page::rows::Shown;
use crate::operator::page::{PageContext, format, words};
use crate::report::catalogue::{Report, ReportColumn};
use crate::report::{Period, ReportAnswer};

/// A figure of the top row.
pub(super) struct Figure {
    /// Its column, which makes the id of its explanation.
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) value: Shown,
    /// The change with its sign, or nothing.
    pub(super) change: Option<String>,
    /// `good`, `bad` or `same`: a bounce more is worse.
    pub(super) direction: &'static str,
    pub(super) before: Option<String>,
    pub(super) about: String,
    /// Draws the figure's series; `None` if there is none.
    pub(super) measure: Option<Link>,
}

/// The days that a period is compared with; `None` without a comparison, or when the days lie before all days.
pub(super) fn compared_days(period: Period, comparison: Comparison) -> Option<(Date, Date)> {
    let back = |day: Date| {
        let span = jiff::Span::new();
        let days = i64::from(period.days());
        match comparison {
            Comparison::Previous => day.checked_sub(span.days(days)).ok(),
            // Whole weeks, so that a Monday stands beside a Monday.
            Comparison::Weekdays => day.checked_sub(span.days(7 * ((days + 6) / 7))).ok(),
            Comparison::Year => day.checked_sub(span.years(1)).ok(),
            Comparison::None => None,
        }
    };
    let (from, to) = (back(period.from())?, back(period.to())?);
    Period::new(from, to).is_ok().then_some((from, to))
}

/// The page of the same figures in the compared days, for requests of them.
pub(super) fn compared(address: &PageAddress, days: (Date, Date)) -> PageAddress {
    address
        .with_period(&days.0.to_string(), Some(&days.1.to_string()))
        .with(|other| other.by.clone_from(&address.by))
}

/// The figures of an answer of `overview`, and those of the compared days, if they are another answer.
pub(super) fn figures(
    context: &PageContext<'_>,
    answer: &ReportAnswer,
    compared: Option<&ReportAnswer>,
    series: &Report,
    measure: &str,
) -> Vec<Figure> {
    let report = answer.request.report;
    let row = answer.rows.first();
    let value_of = |answer: &ReportAnswer, name: &str| -> Option<f64> {
        let place = report.columns.iter().position(|column| column.name == name)?;
        answer.rows.first()?.get(place).and_then(Value::as_f64)
    };
    let shown = report.columns.iter().filter(|column| !column.name.ends_with("_before"));
    let figure = |column: &ReportColumn| {
        let now = row.and_then(|_| value_of(answer, column.name));
        let before = match (context.address.comparison, compared) {
            (Comparison::None, _) => None,
            (Comparison::Previous, _) => value_of(answer, &format!("{}_before", column.name)),
            (_, Some(compared)) => value_of(compared, column.name),
            (_, None) => None,
        };
        let is_drawn = series.columns.iter().any(|drawn| drawn.name == column.name);
        let label = words::heading(column, context.language);
        let change = now.zip(before).and_then(|(now, before)| format::change(now, before, context.language));
        let text = |value: f64| format::figure(value, column.unit, context.language);
        Figure {
            name: column.name,
            value: Shown {
                text: now.map_or_else(|| format::NONE.to_owned(), text),
                value: now.map_or_else(String::new, |value| Value::from(value).to_string()),
            },
            direction: direction(column.name, now, before),
            change,
            before: before.map(text),
            about: words::text(column.about, context.language).to_owned(),
            measure: is_drawn.then(|| {
                let to = context.address.with(|address| address.measure = Some(column.name.to_owned()));
                Link::new(label.clone(), &to).current(column.name == measure)
            }),
            label,
        }
    };
    shown.map(figure).collect()
}

fn direction(name: &str, now: Option<f64>, before: Option<f64>) -> &'static str {
    let (Some(now), Some(before)) = (now, before) else { return "same" };
    let is_more_better = name != "bounce_rate";
    if now == before {
        "same"
    } else if (now > before) == is_more_better {
        "good"
    } else {
        "bad"
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_days_of_a_comparison_are_as_many_and_begin_where_they_should() {
        let period = Period::new(date(2026, 11, 23), date(2026, 11, 27)).unwrap();
        for (comparison, days) in [
            (Comparison::Previous, Some((date(2026, 11, 18), date(2026, 11, 22)))),
            (Comparison::Weekdays, Some((date(2026, 11, 16), date(2026, 11, 20)))),
            (Comparison::Year, Some((date(2025, 11, 23), date(2025, 11, 27)))),
            (Comparison::None, None),
        ] {
            assert_eq!(compared_days(period, comparison), days, "{comparison:?}");
        }
    }

    #[test]
    fn fewer_bounces_are_better_and_fewer_visitors_are_worse() {
        assert_eq!(direction("visitors", Some(1.0), Some(2.0)), "bad");
        assert_eq!(direction("bounce_rate", Some(1.0), Some(2.0)), "good");
        assert_eq!(direction("visitors", Some(1.0), None), "same");
    }
}
