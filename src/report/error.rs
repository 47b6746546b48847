//! Why there is no report.

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
    #[error("{0}")]
    By(String),
    #[error("a period is compared with {known}, not with {0:?}", known = Comparison::ALL.map(Comparison::name).join(", "))]
    Comparison(String),
    /// The site has no goal or no funnel of this name, or several funnels and none was named.
    #[error("{0}")]
    Goal(String),
    #[error("limit {0:?} is not a number of rows from 1 to {MAX_ROWS}")]
    Limit(String),
    #[error("the configured time zone has no IANA name; set `timezone` to one like Europe/Moscow")]
    NamelessZone,
    /// A viewer asked for more than published figures.
    #[error("viewers read published figures: {0}")]
    NotPublished(String),
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

impl ReportError {
    /// Whether the request is at fault, and not the store.
    pub fn is_request(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::MalformedAnswer(_) | Self::NamelessZone | Self::Busy)
    }
}
