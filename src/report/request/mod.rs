//! A request for a report, as users write it and parsed.

pub(super) mod limits;
pub(super) mod period;

use self::limits::{DEFAULT_ROWS, MAX_FILTERS, MAX_ROWS};
use self::period::{Comparison, Period};
use crate::config::{Funnel, Goal};
use crate::report::catalogue::{self, Report};
use crate::report::error::ReportError;
use crate::report::filter::{Filter, FilterScope};

#[derive(Debug, Clone, Default)]
pub struct RawReportRequest {
    pub report: String,
    /// Site id. It may be absent if only one site is offered.
    pub site: Option<String>,
    /// First day: a date or a word.
    pub from: Option<String>,
    /// Last day: a date or a word.
    pub to: Option<String>,
    /// Filters; all of them must hold.
    pub filters: Vec<String>,
    /// What to break the report down by, for reports that can.
    pub by: Option<String>,
    pub limit: Option<String>,
    /// What the period is compared with, for reports that compare: a name of [`Comparison`].
    pub compare: Option<String>,
    /// The name of the only goal to show, for the report of goals.
    pub goal: Option<String>,
    /// The name of the funnel to show, which may be absent if the site has only one.
    pub funnel: Option<String>,
    /// Count bots, too.
    pub bots: bool,
}

#[derive(Debug, Clone)]
pub struct ReportRequest {
    pub report: &'static Report,
    pub site: String,
    pub period: Period,
    /// Filters, all of which must hold.
    pub filters: Vec<Filter>,
    /// The value of the report's parameter `by`, if it has one.
    pub by: Option<&'static str>,
    pub limit: u32,
    /// With what the period is compared, if the report compares.
    pub comparison: Option<Comparison>,
    /// The goals to show, if it is the report of goals.
    pub goals: Vec<Goal>,
    /// The funnel to show, if it is the report of funnels and the site has one.
    pub funnel: Option<Funnel>,
    /// Count bots, too: requested, or implied by a filter that only bots pass.
    pub bots: bool,
}

impl ReportRequest {
    /// The source of places, if the report shows any.
    pub fn credit(&self) -> Option<&'static str> {
        self.report.credit(self.by)
    }

    /// The days that the period is compared with, if the report compares.
    pub fn compared_period(&self) -> Option<Period> {
        self.comparison.map(|comparison| self.period.compared(comparison))
    }

    /// Whether its rows come from visits or daily figures, also through filters.
    pub(super) fn shows_days(&self) -> bool {
        self.report.reads_days() || self.filters.iter().any(|filter| filter.scope() == FilterScope::Visits)
    }
}

impl RawReportRequest {
    /// What is given of the parameters that only some reports take.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("by", self.by.is_some()),
            ("limit", self.limit.is_some()),
            ("compare", self.compare.is_some()),
            ("goal", self.goal.is_some()),
            ("funnel", self.funnel.is_some()),
            ("bots", self.bots),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| is_given.then_some(name))
    }

    /// The request for another report, with those of the parameters that it takes.
    #[must_use]
    pub fn for_report(&self, name: &str) -> Self {
        let mut request = Self { report: name.to_owned(), ..self.clone() };
        if let Some(report) = catalogue::find(name) {
            for parameter in self.given().filter(|parameter| !report.takes(parameter)) {
                match parameter {
                    "from" => request.from = None,
                    "to" => request.to = None,
                    "by" => request.by = None,
                    "limit" => request.limit = None,
                    "compare" => request.compare = None,
                    "goal" => request.goal = None,
                    "funnel" => request.funnel = None,
                    _ => request.bots = false,
                }
            }
        }
        request
    }
}

/// Refuses a parameter that the report would ignore.
pub(super) fn check_parameters(report: &'static Report, raw: &RawReportRequest) -> Result<(), ReportError> {
    match raw.given().find(|parameter| !report.takes(parameter)) {
        Some(parameter) => Err(ReportError::Parameter { report: report.name, parameter }),
        None => Ok(()),
    }
}

pub(super) fn filters(texts: &[String]) -> Result<Vec<Filter>, ReportError> {
    if texts.len() > MAX_FILTERS {
        return Err(ReportError::TooManyFilters);
    }
    Ok(texts.iter().map(|text| Filter::parse(text)).collect::<Result<_, _>>()?)
}

pub(super) fn by(report: &'static Report, given: Option<&str>) -> Result<Option<&'static str>, ReportError> {
    match (given, report.by.first()) {
        (None, default) => Ok(default.copied()),
        (Some(_), None) => Err(ReportError::Parameter { report: report.name, parameter: "by" }),
        (Some(given), Some(_)) => {
            let known = report.by.iter().find(|known| **known == given).copied();
            let refused =
                || ReportError::By { report: report.name, known: &report.by, given: given.to_owned() };
            known.map(Some).ok_or_else(refused)
        }
    }
}

pub(super) fn comparison(report: &Report, given: Option<&str>) -> Result<Option<Comparison>, ReportError> {
    let known = |name| Comparison::from_name(name).ok_or_else(|| ReportError::Comparison(name.to_owned()));
    let named = given.map(known).transpose()?;
    Ok(report.takes("compare").then(|| named.unwrap_or_default()))
}

pub(super) fn limit(report: &Report, given: Option<&str>) -> Result<u32, ReportError> {
    match given {
        None if report.is_unlimited => Ok(MAX_ROWS),
        None => Ok(DEFAULT_ROWS),
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_ROWS).contains(limit))
            .ok_or_else(|| ReportError::Limit(text.to_owned())),
    }
}
