//! The headline figures of a period, each beside its value in the other period.

use jiff::civil::Date;
use serde_json::Value;

use crate::operator::page::address::ViewAddress;
use crate::operator::page::context::ViewContext;
use crate::operator::page::layout::PageLink;
use crate::operator::page::rows::Shown;
use crate::operator::page::{format, words};
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
    pub(super) measure: Option<PageLink>,
}

/// The days with which the reader compares a period; `None` without a comparison.
pub(super) fn compared_period(context: &ViewContext, period: Period) -> Option<Period> {
    context.address.comparison.of_reports().map(|comparison| period.compared(comparison))
}

/// The page of the same figures in the compared days, for requests of them.
pub(super) fn compared(context: &ViewContext, period: Period) -> Option<ViewAddress> {
    let (address, days) = (&context.address, compared_period(context, period)?);
    let to = address.with_period(&days.from().to_string(), Some(&days.to().to_string()));
    Some(to.with(|other| other.by.clone_from(&address.by)))
}

/// Whether the figures of a period can be compared with those of the other one: a few hours of today are less than a whole day, and
/// before the site's first day there are no figures.
pub(super) fn are_comparable(context: &ViewContext, period: Period, first_day: Option<Date>) -> bool {
    let is_open_day = period.from() == period.to() && period.to() == context.now.date();
    let other = compared_period(context, period);
    other.zip(first_day).is_some_and(|(other, first)| other.from() >= first) && !is_open_day
}

/// The figures of an answer of `overview`; with those of the other period if they are comparable.
pub(super) fn figures(
    context: &ViewContext,
    answer: &ReportAnswer,
    series: &Report,
    measure: &str,
    is_compared: bool,
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
        let before = value_of(answer, &format!("{}_before", column.name)).filter(|_| is_compared);
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
                PageLink::new(label.clone(), &to).current(column.name == measure)
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
    use super::*;

    #[test]
    fn fewer_bounces_are_better_and_fewer_visitors_are_worse() {
        assert_eq!(direction("visitors", Some(1.0), Some(2.0)), "bad");
        assert_eq!(direction("bounce_rate", Some(1.0), Some(2.0)), "good");
        assert_eq!(direction("visitors", Some(1.0), None), "same");
    }
}
