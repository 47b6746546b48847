//! Reports: the queries of `sql/report/`, run for a site and a period, as a table, JSON or CSV.
//!
//! The command line, the HTTP API and an analyst's own client run the same files. Every report names its purpose (clause 4 of the policy)
//! and credits the source of places. A report for the audience folds rows of few visitors into `(other)` (clause 6.2.2). Viewers
//! read published figures alone (`protected`).

mod answer;
pub(crate) mod audit;
pub mod catalogue;
mod error;
mod filter;
mod goals;
mod last_half_hour;
mod nearest;
mod note;
mod protected;
mod query;
mod reports;
mod request;
mod site_summary;
pub mod table;
mod usage;

pub use answer::{QueryCost, ReportAnswer};
pub use error::{GoalError, NotPublished, ReportError};
pub use filter::{Filter, FilterError};
pub(crate) use last_half_hour::LiveRow;
pub use note::Note;
pub(crate) use note::OTHER;
pub(crate) use protected::{
    filter_columns as filter_columns_of_viewer, is_filter as is_filter_of_viewer, is_published,
    takes as takes_of_viewer,
};
pub(crate) use reports::{DURATION, FAILURES};
pub use reports::{K, Reports};
pub(crate) use request::limits::{MAX_FILTERS, MAX_ROWS};
pub use request::period::{Comparison, Period, PeriodError};
pub use request::{RawReportRequest, ReportRequest};
pub(crate) use site_summary::{SUMMARY_DAYS, SiteSummary, WeekComparison};
pub(crate) use usage::{EXACT_READ, detail as usage_detail};
