//! Errors of reports.

use super::filter::FilterError;
use super::request::limits::{MAX_CONCURRENT, MAX_FILTERS, MAX_ROWS};
use super::request::period::{Comparison, PeriodError};

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("no report {name:?}{}", .nearest.map_or(String::new(), |known| format!("; did you mean {known}?")))]
    UnknownReport {
        name: String,
        /// The report that was probably meant.
        nearest: Option<&'static str>,
    },
    /// No site was named, and there are several.
    #[error("which site? name one of {0}")]
    NoSite(String),
    #[error(transparent)]
    Period(#[from] PeriodError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("report {report} takes no `{parameter}`")]
    Parameter { report: &'static str, parameter: &'static str },
    /// The report cannot be broken down by this.
    #[error("report {report} goes by {}, not by {given:?}", .known.join(", "))]
    By { report: &'static str, known: &'static [&'static str], given: String },
    #[error("a period is compared with {known}, not with {0:?}", known = Comparison::ALL.map(Comparison::name).join(", "))]
    Comparison(String),
    #[error(transparent)]
    Goal(#[from] GoalError),
    #[error("limit {0:?} is not a number of rows from 1 to {MAX_ROWS}")]
    Limit(String),
    #[error("the configured time zone has no IANA name; set `timezone` to one like Europe/Moscow")]
    NamelessZone,
    /// A viewer asked for more than published figures.
    #[error("viewers read published figures: {0}")]
    NotPublished(#[from] NotPublished),
    #[error("at most {MAX_FILTERS} filters")]
    TooManyFilters,
    #[error("{MAX_CONCURRENT} other reports are running; try again in a moment")]
    Busy,
    /// The store did not answer, or refused.
    #[error("the store did not answer")]
    Store(#[from] clickhouse::error::Error),
    #[error("the store's answer is not what the report promises: {0}")]
    MalformedAnswer(String),
}

/// Why a request names no goal or funnel of the site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoalError {
    #[error("the site has no {kind} {name:?}{}", .nearest.as_ref().map_or(String::new(), |known| format!("; did you mean {known:?}?")))]
    Unknown {
        /// `goal` or `funnel`.
        kind: &'static str,
        name: String,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// The site has several funnels.
    #[error("which funnel? name one with `funnel`: {known}")]
    UnnamedFunnel { known: String },
}

/// What a viewer asked for that has no published figures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    #[error("report {0} is made of single events or the last minutes")]
    OfEvents(&'static str),
    #[error("report {0} has rows of few visitors, as a rule")]
    OfFewVisitors(&'static str),
    #[error("days are the shortest time; go by day, week or month")]
    Hours,
    #[error("published figures are of people; leave out `bots`")]
    Bots,
    #[error("one filter at most")]
    SeveralFilters,
    #[error("a filter is COLUMN=VALUE with one value, of one of the columns {columns}")]
    FilterForm {
        /// The columns that a viewer may filter by.
        columns: String,
    },
    /// The report has no published figures under the filter; `others` have.
    #[error(
        "report {report} has no published figures under the filter {filter}; others have: overview, timeseries{others}"
    )]
    UnderFilter { report: &'static str, filter: String, others: &'static str },
}

impl ReportError {
    /// Whether the request is at fault, and not the store.
    pub fn is_request(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::MalformedAnswer(_) | Self::NamelessZone | Self::Busy)
    }
}
