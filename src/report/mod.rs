//! Reports: the queries of `sql/report/`, run for a site and a period, as a table, JSON or CSV.
//!
//! The command line, the HTTP API and an analyst's own client run the same files. Every report names its purpose (clause 4 of the policy)
//! and credits the source of places. A report for the audience folds rows of few visitors into `(other)` (clause 6.2.2).

mod answer;
pub(crate) mod audit;
pub mod catalogue;
mod error;
mod filter;
mod filtered_query;
mod hints;
mod limits;
mod nearest;
mod period;
mod query;
mod reports;
mod request;
pub mod table;

pub use answer::{QueryCost, ReportAnswer};
pub use error::ReportError;
pub use filter::{Filter, FilterError};
pub(crate) use limits::MAX_ROWS;
pub use period::{Period, PeriodError};
pub(crate) use reports::{DURATION, FAILURES};
pub use reports::{K, Reports};
pub use request::{RawReportRequest, ReportRequest};
