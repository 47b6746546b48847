//! The headline figures of a period, each with what it was in the other period.

use serde_json::Value;

use crate::operator::page::address::{ChosenComparison, ViewAddress};
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

/// The page of the same figures in the compared days, for requests of them; `None` without a comparison.
pub(super) fn compared(address: &ViewAddress, period: Period) -> Option<ViewAddress> {
    let days = period.compared(address.comparison.of_reports()?);
    let to = address.with_period(&days.from().to_string(), Some(&days.to().to_string()));
    Some(to.with(|other| other.by.clone_from(&address.by)))
}

/// The figures of an answer of `overview`.
pub(super) fn figures(
    context: &ViewContext,
    answer: &ReportAnswer,
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
        // A few hours of today are not to be compared with a whole day.
        let period = answer.request.period;
        let is_open_day = period.from() == period.to() && period.to() == context.now.date();
        let is_compared = context.address.comparison != ChosenComparison::None && !is_open_day;
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
